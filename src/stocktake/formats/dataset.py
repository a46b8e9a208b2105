"""ORC files as one Arrow dataset, for an SQL engine that cannot read ORC: it asks for the columns
it needs, and gets them stripe by stripe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.dataset as ds
import pyarrow.fs as pf


def orc_dataset(paths: Sequence[str], filesystem: Any) -> ds.FileSystemDataset:
    """The rows of the ORC files at `paths`, of which there is at least one, in that order.

    `filesystem` is an fsspec file system. The columns are the first file's, moments in nanoseconds
    and without a zone where the file has none.

    Raises:
        OSError, pyarrow.ArrowException: the first file cannot be read.
    """
    through = pf.PyFileSystem(pf.FSSpecHandler(filesystem))
    orc = ds.OrcFileFormat()
    schema = orc.inspect(paths[0], through)
    fragments = [orc.make_fragment(path, through) for path in paths]
    return ds.FileSystemDataset(fragments, schema, orc, through)

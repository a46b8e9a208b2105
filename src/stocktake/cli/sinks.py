"""Where the rows of an answer go: stdout, or a file that appears whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened_sink(path: Path | None, *, binary: bool) -> Iterator[BinaryIO]:
    """Stdout, or a temporary file that takes the place of `path` when the block ends well.

    Raises:
        UsageError: what is written is `binary`, and stdout is a terminal.
        DestinationError: the file, or stdout, cannot be written.
    """
    from stocktake.model.errors import DestinationError, UsageError

    if path is None:
        if binary and sys.stdout is not None and sys.stdout.isatty():
            raise UsageError(
                "this format is not for terminals", hint="name a file with --output, or pipe it on"
            )
        yield from _stdout()
        return
    # A pipe or a device is written as it is; it cannot be replaced.
    replaced = path.is_file() or not path.exists()
    written = path.with_name(f".{path.name}.{os.getpid()}") if replaced else path
    try:
        with written.open("wb") as file:
            yield file
        if replaced:
            written.replace(path)
    except OSError as error:
        raise DestinationError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if replaced:
            written.unlink(missing_ok=True)


def _stdout() -> Iterator[BinaryIO]:
    """Stdout itself. Whoever reads it may go away; that is no failure and passes as it is."""
    from stocktake.model.errors import DestinationError

    if sys.stdout is None:  # the shell closed it: `>&-`
        raise DestinationError("stdout is closed", hint="name a file with --output")
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DestinationError(f"stdout cannot be written: {error.strerror or error}") from error

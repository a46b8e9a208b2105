"""Where data goes: stdout, or a file that appears whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

import typer

READER_GONE = 128 + signal.SIGPIPE  # what shells show for a program that SIGPIPE ended


@contextmanager
def opened_sink(path: Path | None, *, binary: bool) -> Iterator[BinaryIO]:
    """Stdout, or a temporary file that takes the place of `path` when the block ends well.

    Raises:
        UsageError: what is written is `binary`, and stdout is a terminal.
        DestinationError: the file, or stdout, cannot be written.
        typer.Exit: nobody reads stdout any more.
    """
    from stocktake.model.errors import DestinationError, UsageError

    if path is None:
        if binary and sys.stdout is not None and sys.stdout.isatty():
            raise UsageError(
                "this format is not for terminals", hint="name a file with --output, or pipe it on"
            )
        with _stdout(otherwise="name a file with --output") as stdout:
            yield stdout.buffer
        return
    replaced, written = False, path
    try:
        # A pipe or a device is written as it is; it cannot be replaced.
        if path.is_file() or not path.exists():
            replaced, written = True, path.with_name(f".{path.name}.{os.getpid()}")
        with written.open("wb") as file:
            yield file
        if replaced:
            written.replace(path)
    except OSError as error:
        in_bucket = path.parts[:1] == ("s3:",)  # paths have one slash where addresses have two
        raise DestinationError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="only `stocktake export` writes to buckets; name a path here" if in_bucket else "",
        ) from error
    finally:
        if replaced:
            with suppress(OSError):  # where it could not even be begun, there is nothing to remove
                written.unlink()


def print_text(text: str) -> None:
    """Write `text` and a newline to stdout, at once.

    Raises:
        DestinationError: stdout cannot be written.
        typer.Exit: nobody reads it any more.
    """
    with _stdout() as stdout:
        stdout.write(f"{text}\n")


def give_up(stream: TextIO) -> None:
    """Let what `stream` still holds go nowhere; else Python tries once more at the end, and complains."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@contextmanager
def _stdout(*, otherwise: str = "") -> Iterator[TextIO]:
    """Stdout itself. Whoever reads it may go away; that is no failure, and the command ends silently."""
    from stocktake.model.errors import DestinationError

    if sys.stdout is None:  # the shell closed it: `>&-`
        raise DestinationError("stdout is closed", hint=otherwise)
    stdout = _whole(sys.stdout)
    try:
        yield stdout
        stdout.flush()
    except UnicodeEncodeError as error:
        raise DestinationError(
            f"stdout cannot be written: {error.object[error.start : error.end]!a} is not in {error.encoding}",
            hint="choose a locale with UTF-8, such as LC_ALL=C.UTF-8",
        ) from error
    except OSError as error:
        give_up(sys.stdout)
        if error.errno == errno.EPIPE:
            raise typer.Exit(READER_GONE) from error
        raise DestinationError(f"stdout cannot be written: {error.strerror or error}") from error


def _whole(stdout: TextIO) -> TextIO:
    """Stdout that writes all or fails. With PYTHONUNBUFFERED, Python's own drops what does not go at once."""
    if not isinstance(stdout.buffer, io.RawIOBase):
        return stdout
    return open(  # flushed by who asks for it, and what is below stays open
        stdout.fileno(), "w", encoding=stdout.encoding, errors=stdout.errors, closefd=False
    )

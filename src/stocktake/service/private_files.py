"""Files with secrets: for their owner alone, read up to a bound, written whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from stocktake.model.errors import AccessKeysError

_HINTS = {
    "key": "`stocktake keys` makes such files; STOCKTAKE_KEYS_FILE names another one",
    "token": "`stocktake keys token create` makes tokens",
}


def read_private(path: Path, bytes_max: int, *, what: str) -> bytes | None:
    """What is in the file at `path`; None where there is none. `what` is in it, in the singular: key, token.

    Raises:
        AccessKeysError: others may read the file, it is no regular one, too large, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()), what)
            text = file.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, error.strerror or str(error), what=what) from error
    if len(text) > bytes_max:
        raise unusable(path, f"it is larger than {bytes_max} bytes", what=what)
    return text


def write_private(path: Path, text: str, *, what: str) -> None:
    """Have `text` be what is in the file at `path`, durably.

    Raises:
        AccessKeysError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise unusable(
            path, f"it cannot be written: {error.strerror or error}", what=what
        ) from error
    finally:
        # On a disk that is read-only this fails even where there is no such file, and what is wrong is told already.
        with suppress(OSError):
            beside.unlink()


def seen_now(path: Path, *, what: str) -> object:
    """What changes when the file does; None where there is none.

    Raises:
        AccessKeysError: it cannot be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, error.strerror or str(error), what=what) from error
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def unusable(path: Path, why: str, *, what: str) -> AccessKeysError:
    """What those are told whose file cannot be used."""
    return AccessKeysError(
        f"the file of {'access keys' if what == 'key' else f'{what}s'} {path} cannot be used: {why}",
        hint=_HINTS[what],
    )


def _check_private(path: Path, found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise unusable(path, "it is no regular file", what=what)
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise AccessKeysError(
            f"the {what}s in {path} are readable by others: its mode is {mode:04o}, expected 0600",
            hint=f"`chmod 600 {path}`, and give out new {what}s if somebody may have read these",
        )

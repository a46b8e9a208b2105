"""What a database raises, in our words: one table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from stocktake.model.errors import LedgerError

BUSY_TIMEOUT_S = 30

_ELSEWHERE = "or name another folder with STOCKTAKE_STATE_FOLDER"
_ROOM = f"make room there, {_ELSEWHERE}"
_RIGHTS = f"give the user who runs this the right to write there, {_ELSEWHERE}"
_ASIDE = (
    "move it away, with its -wal and -shm, and a new one is begun; reports are not touched, and what"
    " unfinished runs delivered is found by `stocktake reports orphans`"
)
_SERVER = "see whether the server is up, and lets this user read and write that database"
# SQLite's primary result codes (https://sqlite.org/rescode.html): what is wrong, and the way out.
REASONS: Mapping[str, tuple[str, str]] = {
    "SQLITE_BUSY": (
        f"another process kept it locked for {BUSY_TIMEOUT_S} s",
        "see which one by `fuser`; a state folder on a network disk does not work",
    ),
    "SQLITE_LOCKED": ("another part of this process keeps it locked", "try again"),
    "SQLITE_FULL": ("no space is left on that disk", _ROOM),
    "SQLITE_READONLY": ("it is read-only", _RIGHTS),
    "SQLITE_PERM": ("permission denied", _RIGHTS),
    "SQLITE_AUTH": ("permission denied", _RIGHTS),
    "SQLITE_CANTOPEN": ("it cannot be opened", _RIGHTS),
    "SQLITE_IOERR": ("that disk fails", f"see the system's log, {_ELSEWHERE}"),
    "SQLITE_NOTADB": ("it is no SQLite database", _ASIDE),
    "SQLITE_CORRUPT": ("it is damaged", _ASIDE),
    "SQLITE_ERROR": (
        "it is damaged",
        _ASIDE,
    ),  # a table that we made is missing, or other than we made it
}


def ledger_error(where: object, what: str, hint: str) -> LedgerError:
    """The error of a ledger that cannot be used."""
    return LedgerError(f"the ledger {where} cannot be used: {what}", hint=hint)


@contextmanager
def telling(where: object) -> Iterator[None]:
    """Turn what the database at `where` raises inside into our error.

    Raises:
        LedgerError: it did.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        # What goes wrong while a connection is being made comes as the driver raises it.
        cause = error.orig if isinstance(error, DBAPIError) else error
        # Without what an extended code adds: SQLITE_IOERR_FSYNC.
        code = "_".join(getattr(cause, "sqlite_errorname", "").split("_")[:2])
        what, hint = REASONS.get(code, ("", _SERVER if hasattr(cause, "sqlstate") else ""))
        said = str(cause).partition("\n")[0]  # a server's errors go on for lines
        raise ledger_error(where, f"{what} ({said})" if what else said, hint) from error

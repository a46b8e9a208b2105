"""What a question may use: as it was asked for, else as the environment says, else what is good for most machines."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

from stocktake.analysis.guarded import GuardedLimits
from stocktake.analysis.session import DEFAULT_QUERY_LIMITS, QueryLimits
from stocktake.model.errors import UsageError
from stocktake.model.sizes import parse_bytes
from stocktake.service import house

__all__ = ["GuardedLimits", "LimitKeywords", "QueryLimits", "guarded_limits", "query_limits"]

MEMORY_BYTES_MIN = 32 * 2**20  # DuckDB needs some to begin with
THREADS_MAX = 1024


class LimitKeywords(TypedDict, total=False):
    """The words for what a question may use. What is absent or None is not said."""

    memory: str | None  # such as 4GiB
    threads: int | None
    spill_folder: str | Path | None


def query_limits(
    default: QueryLimits = DEFAULT_QUERY_LIMITS, /, **asked: Unpack[LimitKeywords]
) -> QueryLimits:
    """The limits that the words mean; the memory of `default` where nobody says how much.

    Raises:
        UsageError: one of them makes no sense, or the folder is not there.
    """
    settings = house.settings()
    memory = _said(asked.get("memory"), settings.memory)
    threads = _said(asked.get("threads"), settings.threads)
    folder = _said(asked.get("spill_folder"), settings.spill_folder)
    return QueryLimits(
        memory_bytes_max=default.memory_bytes_max if memory is None else _bytes(memory),
        threads=settings.cores if threads is None else _count(threads),
        spill_folder=None if folder is None else _folder(Path(folder)),
    )


def guarded_limits(limits: QueryLimits, *, time_s_max: float, rows_max: int) -> GuardedLimits:
    """The same limits for SQL that somebody else wrote, with those that it has besides."""
    return GuardedLimits(
        time_s_max=time_s_max,
        memory_bytes_max=limits.memory_bytes_max,
        threads=limits.threads or 1,
        rows_max=rows_max,
    )


def _said(*words: object) -> str | None:
    """The first that is said, as it is written."""
    return next((str(word) for word in words if word is not None), None)


def _bytes(text: str) -> int:
    found = parse_bytes(text, "the memory")
    if found < MEMORY_BYTES_MIN:
        raise UsageError(f"the memory `{text}` is too little; expected at least 32MiB")
    return found


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 0 < count <= THREADS_MAX:
        raise UsageError(f"found `{text}` threads; expected a number from 1 to {THREADS_MAX}")
    return count


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(
            f"the spill folder {path} is not there; expected a folder on a disk with room"
        )
    return path

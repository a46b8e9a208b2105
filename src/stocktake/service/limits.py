"""What a question may use: as it was asked for, else as the environment says, else what is good for most machines."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

from stocktake.analysis.session import DEFAULT_QUERY_LIMITS, QueryLimits
from stocktake.model.errors import UsageError
from stocktake.model.sizes import parse_bytes
from stocktake.service import house

__all__ = ["LimitKeywords", "QueryLimits", "query_limits"]

MEMORY_BYTES_MIN = 32 * 2**20  # DuckDB needs some to begin with
THREADS_MAX = 1024


class LimitKeywords(TypedDict, total=False):
    """The words for what a question may use. What is absent or None is not said."""

    memory: str | None  # such as 4GiB
    threads: int | None
    spill_folder: str | Path | None


def query_limits(**asked: Unpack[LimitKeywords]) -> QueryLimits:
    """The limits that the words mean.

    Raises:
        UsageError: one of them makes no sense, or the folder is not there.
    """
    settings = house.settings()
    memory, threads, folder = (
        getattr(settings, name) if asked.get(name) is None else asked.get(name)
        for name in ("memory", "threads", "spill_folder")
    )
    return QueryLimits(
        memory_bytes_max=DEFAULT_QUERY_LIMITS.memory_bytes_max
        if memory is None
        else _bytes(memory),
        threads=settings.cores if threads is None else _count(threads),
        spill_folder=None if folder is None else _folder(Path(folder)),
    )


def _bytes(text: str) -> int:
    found = parse_bytes(text, "the memory")
    if found < MEMORY_BYTES_MIN:
        raise UsageError(f"the memory `{text}` is too little; expected at least 32MiB")
    return found


def _count(text: str | int) -> int:
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

"""Lists in pages: what somebody may see of rows that are read a few at a time, and tokens that ask for the next ones.

Which buckets a key covers is a question of patterns that no database answers alike, so rows are read and then looked
at. However few of them somebody may see, a page costs a bounded number of rows; where that is spent, it ends early.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stocktake.model.errors import ContinuationTokenError

ROWS_MAX = 1000  # of a page, whoever asks
CHUNK_ROWS = 1000
CHUNKS_MAX = 10

T = TypeVar("T")
Position = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows; `next_token` asks for those behind, None for the last page. A page may be short, and not the last."""

    rows: tuple[T, ...]
    next_token: str | None


def read_page(
    read: Callable[[Position | None, int], Sequence[T]],
    position: Callable[[T], Position],
    seen: Callable[[T], bool],
    *,
    token: str | None,
    rows_max: int,
) -> Page[T]:
    """The first `rows_max` of the rows for which `seen` holds, at most, behind those that `token` says were had.
    `read` gives rows behind a position, so many at most; `position` is where a row stands.

    Raises:
        ContinuationTokenError: the token is none of ours.
    """
    after = None if token is None else read_token(token)
    found: list[T] = []
    for _ in range(CHUNKS_MAX):
        rows = read(after, CHUNK_ROWS)
        for row in rows:
            if seen(row):
                if len(found) == rows_max:
                    return Page(tuple(found), made_token(after))
                found.append(row)
            after = position(row)
        if len(rows) < CHUNK_ROWS:
            return Page(tuple(found), None)
    return Page(tuple(found), made_token(after))


def made_token(position: Position | None) -> str:
    """The token that stands for a position."""
    return base64.urlsafe_b64encode(json.dumps(position or ()).encode()).decode()


def read_token(token: str) -> Position:
    """The position that a token stands for.

    Raises:
        ContinuationTokenError: it stands for none.
    """
    try:
        said = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or not said or not all(isinstance(each, str) for each in said):
        raise wrong_token()
    return tuple(said)


def wrong_token() -> ContinuationTokenError:
    """What those are told whose token stands for no place in this list."""
    return ContinuationTokenError("the continuation token is none that this list gave")

"""Pages are read together: those that have come for different lanes at one time, a few at once."""

from __future__ import annotations

from collections import deque

from stocktake.inventory.lanes import Breath
from stocktake.model.errors import ServerError
from stocktake.store.pages import Page, read_pages

# More of them make a page hardly cheaper, and need more memory at once.
TOGETHER_MAX = 4


class _Reading:
    """A page that is waited for."""

    __slots__ = ("body", "found")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.found: Page | ServerError | None = None


class PageReader:
    """Reads the pages of a bucket, of which it lists all versions or not.

    Memory: the answers that wait, one for each lane.
    """

    def __init__(self, *, versions: bool) -> None:
        self._versions = versions
        self._waiting: deque[_Reading] = deque()

    async def read(self, body: bytes) -> Page:
        """The page in `body`. All lanes whose answers have come hand in theirs first, and what they asked for next sets
        out.

        Raises:
            ServerError: as `read_page`.
        """
        reading = _Reading(body)
        self._waiting.append(reading)
        await Breath()
        while reading.found is None:
            self._read_some()
        if isinstance(reading.found, ServerError):
            raise reading.found
        return reading.found

    def _read_some(self) -> None:
        """Read the pages that have waited longest."""
        some = [self._waiting.popleft() for _ in range(min(TOGETHER_MAX, len(self._waiting)))]
        found = read_pages([each.body for each in some], versions=self._versions)
        for reading, page in zip(some, found, strict=True):
            reading.found = page

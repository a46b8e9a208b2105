"""Pages are told to the parent some at a time: it needs to know of them soon, not at once."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow.compute as pc

from stocktake.inventory.listing import ListedPage
from stocktake.inventory.messages import Listed, PageReport
from stocktake.model.runs import Counted

TELL_EVERY_S = 0.05
# What was spent is told this often while no page comes: a store that refuses may be asked again for minutes.
TELL_SPENT_EVERY_S = 0.5


class Telling:
    """The pages of a worker that are not told yet; `say` sends them, `clock` gives seconds."""

    def __init__(
        self, say: Callable[[Listed], None], spent: Counted, clock: Callable[[], float]
    ) -> None:
        self._say = say
        self._spent = spent
        self._clock = clock
        self._untold: list[PageReport] = []
        self._told_at = 0.0

    def note(self, index: int, page: ListedPage) -> None:
        """Remember to tell of a page of the range with this number."""
        rows = page.rows
        self._untold.append(
            PageReport(
                index=index,
                facts=page.facts,
                first=rows.column("key")[0].as_py() if rows.num_rows else None,
                object_bytes=pc.sum(rows.column("size"), min_count=0).as_py(),
                requests=page.requests,
                ended=page.ended,
            )
        )

    def tell(self) -> None:
        """Tell of all pages that were not told yet, before anything else is told of their ranges."""
        if self._untold:
            self._say(Listed(tuple(self._untold), self._spent.since()))
            self._untold.clear()

    def tell_if_due(self) -> None:
        """Tell of pages now and then, however busy the network is."""
        now = self._clock()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            self.tell()

    def tell_waiting(self) -> None:
        """Tell of all pages, and now and then of what was spent though no page has come of it."""
        self.tell()
        now = self._clock()
        if now - self._told_at >= TELL_SPENT_EVERY_S:
            self._told_at = now
            if spent := self._spent.since():
                self._say(Listed((), spent))

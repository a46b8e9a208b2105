"""When places are listed a second time: those drawn at random once there is nothing else to do, those that are suspect
when all is listed.
"""

from __future__ import annotations

from collections.abc import Sequence

from stocktake.inventory.messages import LookAgain
from stocktake.inventory.processes import WorkerProcess
from stocktake.inventory.ranges import Looks, Ranges
from stocktake.inventory.second_look import kept_spots

# The share of the listing after which lanes that are idle stay so.
LOOK_EARLY_FROM = 0.9


class SecondLooks:
    """The second looks of a run; `under_way` are those that workers were asked for. On a serial walk, workers look at
    what they remember, and at some keys that were `kept` before it began: it comes past all of them without a word.
    """

    def __init__(
        self, ranges: Ranges, *, serial: bool, page_rows_max: int, kept: Sequence[str]
    ) -> None:
        self._ranges = ranges
        self._kept = kept_spots(kept) if serial else ()
        self._page_rows_max = page_rows_max
        self._serial = serial
        self._drawn = False
        self.under_way = 0

    def begin(self, workers: Sequence[WorkerProcess], *, early: bool = False) -> None:
        """Have some places listed a second time; where there is but one page, what is behind it if it is full."""
        if self._ranges.pages <= 1:
            if not early:
                self._look_behind(workers)
            return
        looks = Looks((), 0) if self._drawn else self._ranges.drawn_looks()
        self._drawn = True
        places = looks.spots if early else (*looks.spots, *self._ranges.suspects())
        places = self._kept if self._serial else places
        ready = [worker for worker in workers if worker.ready]
        for place, worker in enumerate(ready):
            own = -(-looks.own // len(ready))
            worker.send(LookAgain(places[place :: len(ready)], own, suspects=not early))
            self.under_way += 1

    def _look_behind(self, workers: Sequence[WorkerProcess]) -> None:
        behind = self._ranges.full_page(self._page_rows_max)
        worker = next((worker for worker in workers if worker.ready), None)
        if (behind or self._kept) and worker is not None:
            places = self._kept if self._serial else behind
            worker.send(LookAgain(places, 0, suspects=self._serial))
            self.under_way += 1

    def begin_early(self, workers: Sequence[WorkerProcess], progress: float | None) -> None:
        """Where lanes are idle and the listing is nearly over, they need not wait for the others."""
        nearly = (progress or 0.0) >= LOOK_EARLY_FROM
        if nearly and not self._drawn and not self._serial and not self._ranges.all_done:
            self.begin(workers, early=True)

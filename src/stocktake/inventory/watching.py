"""Whether the workers of a run still answer. One that was halted, by SIGSTOP or a debugger or because the machine has
no memory left, says nothing and does not end either: it is told of, and in the end taken for lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from stocktake.inventory.messages import StillThere
from stocktake.inventory.processes import WorkerProcess

# After so long without a word from it, a worker is asked if it is there, told of, and given up.
ASKED_AFTER_S = 5.0
TOLD_AFTER_S = 15.0
GIVEN_UP_AFTER_S = 600.0
# What passes between two looks counts as no more than this: the parent may have been halted itself, or all of them.
LOOK_S_MAX = 1.0


class Watch:
    """Watches over the workers of a run, which are heard before each look."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._looked = now()

    def look(self, workers: Sequence[WorkerProcess]) -> str:
        """Ask who has been silent for some time; who has not answered for long, in words, or nothing.

        Raises:
            WorkerLostError: one has not answered for too long.
        """
        moment = self._now()
        passed_s = min(max(0.0, (moment - self._looked).total_seconds()), LOOK_S_MAX)
        self._looked = moment
        begun = [worker for worker in workers if worker.begun]
        for worker in begun:
            worker.silent_s += passed_s
            if worker.silent_s >= GIVEN_UP_AFTER_S:
                raise worker.unanswering(worker.silent_s)
            if worker.silent_s >= ASKED_AFTER_S and not worker.asked:
                worker.asked = True
                worker.send(StillThere())
        silent = [worker.name for worker in begun if worker.silent_s >= TOLD_AFTER_S]
        if not silent:
            return ""
        do = "does" if len(silent) == 1 else "do"
        return f"{' and '.join(silent)} {do} not answer; the run waits for {GIVEN_UP_AFTER_S:.0f} s"

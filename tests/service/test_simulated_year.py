"""A year of simulated time: crashes, restarts, two schedulers, a leap day, clock jumps; each period exactly once."""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stocktake.model.configuration import Frequency, Schedule
from stocktake.model.errors import InventoryError
from stocktake.model.scheduled import UNFINISHED_STATES, ScheduledState
from stocktake.service.scheduler import Scheduler
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.model.test_runs import RUN
from tests.state.ledgers import Clock
from tests.state.scheduling import LEASE, LIMITS, put

BEGIN = datetime(2028, 1, 1, 12, tzinfo=UTC)  # a leap year
END = datetime(2029, 1, 1, 12, tzinfo=UTC)
FREQUENCIES = {"daily": Frequency.DAILY, "weekly": Frequency.WEEKLY}


def period_of(moment: datetime, identity: str) -> datetime:
    """The start of the moment's period, counted otherwise than the program does: backwards, hour by hour."""
    start = moment.replace(minute=0, second=0, microsecond=0)
    while start.hour != 1 or (identity == "weekly" and start.strftime("%a") != "Sun"):
        start -= timedelta(hours=1)
    return start


class Year:
    """Two schedulers and some workers over one ledger, and all that befalls them."""

    def __init__(self, ledger: Ledger, clock: Clock, chance: random.Random) -> None:
        self.ledger, self.clock, self.chance = ledger, clock, chance
        self.schedulers = [Scheduler(ledger.schedule), Scheduler(ledger.schedule)]
        self.published: Counter[tuple[str, datetime]] = Counter()
        self.looked: set[tuple[str, datetime]] = set()
        self.befell: Counter[str] = Counter()

    def tick(self) -> None:
        """One of the schedulers looks, or both; sometimes one was just started anew."""
        for place in self.chance.choice([(0,), (1,), (0, 1), (1, 0)]):
            if self.chance.random() < 0.2:
                self.schedulers[place] = Scheduler(self.ledger.schedule)
                self.befell["restart"] += 1
            self.schedulers[place].tick()
        self.looked |= {(each, period_of(self.clock(), each)) for each in FREQUENCIES}

    def work(self) -> None:
        """A worker takes a run; it publishes, fails, is stopped, or is killed before or behind what it began."""
        held = self.ledger.claims.claim(this_process(), LEASE, LIMITS)
        if held is None:
            return
        event = self.chance.choices(
            ["published", "killed at once", "killed", "failed", "given back"], [12, 1, 2, 1, 1]
        )[0]
        self.befell[event] += 1
        if event == "killed at once":
            return
        if not held.begun:
            self.ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
        if event == "published":
            self.ledger.publish(held.claim, "s3://reports/manifest.json", [], 1)
            period = self.ledger.schedule.get(held.run).period
            assert period is not None
            self.published[held.key.id, period] += 1
        elif event == "failed":
            self.ledger.claims.fail(held, InventoryError("the store was away"))
        elif event == "given back":
            self.ledger.claims.give_back(held)

    def passes(self) -> None:
        """Time passes: mostly an hour or so, sometimes days with nobody there; and clocks jump."""
        roll = self.chance.random()
        if roll < 0.01:
            self.befell["downtime"] += 1
            self.clock.passes(days=self.chance.uniform(1, 9))
        elif roll < 0.02:
            self.befell["back"] += 1
            self.clock.passes(hours=-self.chance.uniform(0.1, 40))
        elif roll < 0.025:
            self.befell["far back"] += 1
            self.clock.passes(days=-400)
            self.tick()
            self.work()
            self.clock.passes(days=400)
        else:
            self.clock.passes(hours=self.chance.uniform(0.1, 13))

    def check(self) -> None:
        """Where nothing is left to do, this period has its report, once."""
        if any(run.state in UNFINISHED_STATES for run in self.ledger.schedule.list()):
            return
        self.befell["settled"] += 1
        given_up = {
            (run.key.id, run.period)
            for run in self.ledger.schedule.list()
            if run.state is ScheduledState.FAILED
        }
        for identity in FREQUENCIES:
            which = (identity, period_of(self.clock(), identity))
            assert self.published[which] == 1 or which in given_up, which


# Another year: STOCKTAKE_TEST_YEAR=7. About 20 s, most of it is the disk.
@pytest.mark.slow
@pytest.mark.parametrize("seed", [int(os.environ.get("STOCKTAKE_TEST_YEAR", "2028"))])
def test_in_a_year_each_period_has_its_report_exactly_once(tmp_path: Path, seed: int) -> None:
    clock = Clock()
    clock.moment = BEGIN
    with Ledger.open(tmp_path / "state", now=clock) as ledger:
        for identity, frequency in FREQUENCIES.items():
            put(ledger, identity, schedule=Schedule(frequency=frequency))
        year = Year(ledger, clock, random.Random(seed))
        while clock() < END:
            for _ in range(2):
                year.tick()
                year.work()
            year.tick()  # what had to wait for a run of the period before
            year.check()
            year.passes()
        clock.moment = END
        for _ in range(40):  # whatever was under way comes to its end
            year.tick()
            year.work()
            clock.passes(minutes=31)
        assert set(year.published.values()) == {1}, "never twice"
        looked = {which for which in year.looked if which[1] + timedelta(days=7) >= BEGIN}
        assert set(year.published) <= looked, "never for a time when nobody was there"
        # The leap day is a day like any other.
        leap = ("daily", datetime(2028, 2, 29, 1, tzinfo=UTC))
        assert (leap in year.published) == (leap in year.looked)
        assert len(year.published) > 250
        events = ("restart", "downtime", "back", "far back", "killed", "killed at once", "failed")
        assert all(year.befell[event] for event in events), year.befell
        assert year.befell["settled"] > 300

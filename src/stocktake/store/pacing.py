"""How many requests may be in flight, and how soon the next may go: a store is found out, not assumed.

Additive increase, multiplicative decrease, as TCP does it: each answer lets a little more into flight, up to the
ceiling; a refusal (503, 429), a stall, or answers that take several times as long as they did at best let much less.
What was sent before the last decrease says nothing new and decreases nothing again. Pure: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stocktake.model.runs import Call, Limits

REFUSED_FACTOR = 0.5
SLOW_FACTOR = 0.8
# Answers are slow where on average they take so many times as long as they did at best, and so much longer.
SLOW_TIMES = 4.0
SLOW_TIMES_NICE = 1.5
SLOW_S_MIN = 0.1
NICE_IN_FLIGHT_MAX = 4
# How much each answer leaves of the average before; and how fast the best is forgotten, for a store may change.
OLDER_WEIGHT = 15 / 16
FORGETTING = 1.0005
# Requests that may go at once after a pause, as a share of a second's.
BURST_S = 0.1


@dataclass(slots=True)
class _Latency:
    """Of one kind of call, in seconds."""

    best: float
    average: float

    def add(self, mean: float, least: float, count: int) -> None:
        """So many answers."""
        self.best = min(self.best * FORGETTING**count, least)
        self.average += (mean - self.average) * (1 - OLDER_WEIGHT**count)


class Pace:
    """The pace of one transport. Times are those of one monotonic clock, in seconds."""

    def __init__(self, limits: Limits) -> None:
        nice = limits.nice
        self._ceiling = min(limits.concurrency, NICE_IN_FLIGHT_MAX) if nice else limits.concurrency
        self._slow_times = SLOW_TIMES_NICE if nice else SLOW_TIMES
        self._rate = limits.rate
        self._burst = max(1.0, (limits.rate or 0.0) * BURST_S)
        self._tokens = self._burst
        self._counted_at: float | None = None
        self._allowed = float(self._ceiling)
        self._decreased_at = float("-inf")
        self._latencies: dict[Call, _Latency] = {}

    @property
    def allowed(self) -> int:
        """Requests that may be in flight together at this moment, at least one."""
        return max(1, int(self._allowed))

    def room(self, in_flight: int, now: float) -> int:
        """How many requests may be sent at `now`; those that are must be told by `sent`."""
        room = self.allowed - in_flight
        if self._rate is None or room <= 0:
            return room
        self._count_tokens(now)
        return min(room, int(self._tokens))

    def sent(self, count: int) -> None:
        """So many requests were sent."""
        self._tokens -= count

    def wait_s(self) -> float:
        """How long nothing may be sent for the sake of the rate, 0 where it hinders nothing."""
        if self._rate is None or self._tokens >= 1.0:
            return 0.0
        return (1.0 - self._tokens) / self._rate

    def answered(self, call: Call, sent_at: Sequence[float], now: float) -> None:
        """Requests that were sent at `sent_at`, at least one, were answered at `now`."""
        count, newest = len(sent_at), max(sent_at)
        mean, least = now - sum(sent_at) / count, now - newest
        latency = self._latencies.get(call)
        if latency is None:
            latency = self._latencies[call] = _Latency(least, mean)
        latency.add(mean, least, count)
        if latency.average > max(latency.best * self._slow_times, latency.best + SLOW_S_MIN):
            self._decrease(SLOW_FACTOR, newest, now)
        elif self._allowed < self._ceiling:
            self._allowed = min(self._ceiling, self._allowed + count / self._allowed)

    def refused(self, sent_at: float, now: float) -> None:
        """A request that was sent at `sent_at` was refused for being one too many, or never answered."""
        self._decrease(REFUSED_FACTOR, sent_at, now)

    def _decrease(self, factor: float, sent_at: float, now: float) -> None:
        if sent_at > self._decreased_at:
            self._allowed = max(1.0, self._allowed * factor)
            self._decreased_at = now

    def _count_tokens(self, now: float) -> None:
        assert self._rate is not None
        if self._counted_at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now

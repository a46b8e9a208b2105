"""What befalls a request: how long its answer takes, and whether the answer is an error, broken off, or never comes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

_BURST_S = 0.1  # of the allowed rate may come at once
# The slow connection passes its part on when it has been idle for that many of its own latencies.
_IDLE_LATENCIES = 2


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the server behaves. Shares are of all LIST and HEAD requests; nothing befalls any other.

    latency_ms: from a request to its answer; the median where `latency_sigma`, the spread of a lognormal, is not 0.
    slow_connection: how many times longer the answers on one connection take.
    requests_per_second: what is above gets 503; 0 is no bound.
    """

    latency_ms: float = 0
    latency_sigma: float = 0
    slow_connection: float = 1
    error_rate: float = 0
    reset_rate: float = 0
    stall_rate: float = 0
    truncate_rate: float = 0
    requests_per_second: float = 0
    seed: int = 0


class Fault(StrEnum):
    """What becomes of an answer."""

    NONE = "none"
    SLOW_DOWN = "503 SlowDown"
    RESET = "reset"
    STALL = "stall"
    TRUNCATE = "truncate"


class Fate(NamedTuple):
    """One request's: seconds until its answer, and what becomes of that."""

    delay_s: float
    fault: Fault


class Faults:
    """Deals out fates; the same ones in the same order for the same seed."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._random = Random(conditions.seed)
        self._shares = (
            (Fault.SLOW_DOWN, conditions.error_rate),
            (Fault.RESET, conditions.reset_rate),
            (Fault.STALL, conditions.stall_rate),
            (Fault.TRUNCATE, conditions.truncate_rate),
        )
        self._any = any(share for _, share in self._shares)
        self._allowed, self._allowed_at = 0.0, 0.0
        self._slow: int | None = None
        self._slow_until = 0.0

    def fate(self, connection: int, now: float) -> Fate:
        """What befalls a request that arrived on this connection at this moment."""
        return Fate(self._delay_s(connection, now), self._fault(now))

    def _delay_s(self, connection: int, now: float) -> float:
        conditions = self._conditions
        delay_s = conditions.latency_ms / 1000
        if conditions.latency_sigma:
            delay_s *= self._random.lognormvariate(0, conditions.latency_sigma)
        if conditions.slow_connection == 1:
            return delay_s
        if self._slow is None or now > self._slow_until:
            self._slow = connection
        if connection == self._slow:
            delay_s *= conditions.slow_connection
            self._slow_until = now + (1 + _IDLE_LATENCIES) * delay_s
        return delay_s

    def _fault(self, now: float) -> Fault:
        if self._conditions.requests_per_second and not self._is_allowed(now):
            return Fault.SLOW_DOWN
        if self._any:
            drawn = self._random.random()
            for fault, share in self._shares:
                if drawn < share:
                    return fault
                drawn -= share
        return Fault.NONE

    def _is_allowed(self, now: float) -> bool:
        rate = self._conditions.requests_per_second
        gained = (now - self._allowed_at) * rate
        self._allowed = min(self._allowed + gained, max(1.0, rate * _BURST_S))
        self._allowed_at = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

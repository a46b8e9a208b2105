"""Rules: which requests go wrong, and the actions that say how."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.servers.fault_pages import Quirks
from tests.servers.fault_values import LISTINGS, Request, Response

if TYPE_CHECKING:
    from tests.servers.fault_server import FaultServer


@dataclass(slots=True)
class Exchange:
    """One request under way. An action's `before` may set `quirks`, or `response` to answer in
    place of the bucket; its `after` sees the response that is about to leave and may change it or
    put another in its place."""

    server: FaultServer
    request: Request
    quirks: Quirks = field(default_factory=Quirks)
    response: Response | None = None

    @property
    def answer(self) -> Response:
        """The response; there always is one by the time `after` runs."""
        assert self.response is not None
        return self.response


@dataclass(frozen=True, slots=True)
class Action:
    """What goes wrong. Tests may write their own."""

    name: str
    before: Callable[[Exchange], None] | None = None
    after: Callable[[Exchange], None] | None = None


@dataclass(slots=True)
class Rule:
    """An action and the requests it befalls. All rules that match a request apply, in the order
    they were added; the first response any of them gives stands.

    operation: AWS's name or several, "List" for all three LISTs.  key: exact.  prefix: what the
    key starts with, or for LIST the prefix asked for starts with.  where: any further condition.
    Of the requests that match so far, those are counted, and the rule applies from number `after` +
    1 on, only to the numbers in `nth` (1 is the first), only to each `every`-th, at most `times`
    times, and with `probability`. per_target counts each method and target by itself: `nth=1` then
    fails the first try of every request.
    """

    action: Action
    operation: frozenset[str] = frozenset()
    method: str = ""
    bucket: str = ""
    key: str | None = None
    prefix: str = ""
    where: Callable[[Request], bool] | None = None
    nth: frozenset[int] = frozenset()
    every: int = 1
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    per_target: bool = False
    seed: int = 0
    matched: int = 0
    applied: int = 0
    active: bool = True
    _tries: Counter[str] = field(default_factory=Counter)

    def remove(self) -> None:
        """End it."""
        self.active = False

    def strikes(self, request: Request) -> bool:
        """Whether the action befalls this request; counts it."""
        if not self.active or not self._matches(request):
            return False
        self.matched += 1
        number = self.matched
        if self.per_target or self.probability < 1.0:
            target = f"{request.method} {request.target}"
            self._tries[target] += 1
            number = self._tries[target] if self.per_target else number
        if not self._chosen(number, request):
            return False
        self.applied += 1
        return True

    def _matches(self, request: Request) -> bool:
        if self.operation and request.operation not in self.operation:
            return False
        if (self.method and request.method != self.method) or (
            self.bucket and request.bucket != self.bucket
        ):
            return False
        if self.key is not None and request.key != self.key:
            return False
        if self.prefix and not (request.key or request.query.get("prefix", "")).startswith(
            self.prefix
        ):
            return False
        return self.where is None or self.where(request)

    def _chosen(self, number: int, request: Request) -> bool:
        if (
            (self.nth and number not in self.nth)
            or number <= self.after
            or (number - self.after) % self.every
        ):
            return False
        if self.times is not None and self.applied >= self.times:
            return False
        if self.probability >= 1.0:
            return True
        # Drawn from the request itself and its number of tries, so that no order of arrival changes
        # the outcome.
        target = f"{request.method} {request.target}"
        draw = zlib.crc32(f"{self.seed} {self._tries[target]} {target}".encode())
        return draw < self.probability * 2**32


def operations(names: str | Iterable[str] | None) -> frozenset[str]:
    """The operations that a rule's `operation` stands for."""
    given = (names,) if isinstance(names, str) else tuple(names or ())
    return frozenset(name for word in given for name in (LISTINGS if word == "List" else (word,)))

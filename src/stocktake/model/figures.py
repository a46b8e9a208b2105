"""Numbers that are not certain, and what became of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

WHOLE_MIN = 100  # from here on, what is behind the point is of no interest


class Sureness(StrEnum):
    """How far a figure can be trusted."""

    KNOWN = "known"  # counted, or decided by what was counted
    LIKELY = "likely"  # as it was last time, or as it was measured
    ROUGH = "rough"  # not much more than the number of its digits
    AT_LEAST = "at least"  # the truth may be many times as much
    AT_MOST = "at most"


_RANKS = tuple(Sureness)
_BOUNDS = {
    Sureness.KNOWN: "",
    Sureness.LIKELY: "about ",
    Sureness.ROUGH: "roughly ",
    Sureness.AT_LEAST: "at least ",
    Sureness.AT_MOST: "at most ",
}


def least_sure(kinds: Iterable[Sureness]) -> Sureness:
    """The sureness of what is made of figures of these kinds."""
    found = set(kinds)
    if {Sureness.AT_LEAST, Sureness.AT_MOST} <= found:
        return Sureness.ROUGH
    return max(found, key=_RANKS.index, default=Sureness.KNOWN)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what it rests on, and how sure it is."""

    value: float
    rests_on: str
    sureness: Sureness

    @property
    def bound(self) -> str:
        """How sure it is, as a word to stand before the number; empty for what is known."""
        return _BOUNDS[self.sureness]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        whole = abs(self.value) >= WHOLE_MIN or self.value == int(self.value)
        value = round(self.value) if whole else round(self.value, 6)
        return {"value": value, "sureness": str(self.sureness), "rests_on": self.rests_on}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of a plan beside what it came to."""

    name: str
    planned: Figure
    actual: float

    @property
    def ratio(self) -> float | None:
        """The truth as a multiple of the plan; None where nothing was planned."""
        return self.actual / self.planned.value if self.planned.value else None

    @property
    def line(self) -> str:
        """Both in a line: `list requests: planned 1,030, came to 1,004 (97 %)`."""
        ratio = self.ratio
        share = "" if ratio is None else f" ({ratio:.0%})"
        return (
            f"{self.name}: planned {self.planned.bound}{_number(self.planned.value)},"
            f" came to {_number(self.actual)}{share}"
        )

    def to_json(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        return {"planned": self.planned.to_json(), "actual": round(self.actual, 6)}


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= WHOLE_MIN:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.2g}"

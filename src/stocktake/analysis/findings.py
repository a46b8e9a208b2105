"""What checking a report finds out: the values that `verify.py` and `claims.py` speak in."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `what` of `where`, `found` instead of `expected`."""

    what: str
    where: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, what the report does not claim and so could not be, and what is wrong."""

    address: str
    checked: tuple[str, ...]
    unclaimed: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_json(self) -> dict[str, object]:
        """All of it as JSON has it."""
        return {**asdict(self), "sound": self.sound}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found out."""

    checked: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

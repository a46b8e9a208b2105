"""What an audit is: a row of data, which `pack.py` holds and `questions.py` makes SQL of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is to find something, the least first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Its place in the order."""
        return tuple(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Audit:
    """One question about every object of a report.

    `where` is an SQL condition on a row of `inventory_report`: true for what is found, false for
    what is not, NULL where it cannot be told. A column that every object has a value in may stand in
    it bare, so that a missing value makes it NULL; one that is empty for "none" needs `coalesce`.
    Names in braces are filled in by `questions.py`; a text without which nothing is known stands in them, for an empty
    one is no value either. `needs` are the fields it reads, by AWS's names.

    `certain` are those of its fields that have to be filled for an answer to be certain; None where it may not be even
    then. With none of them, NULL means false: there is nothing to be found. Rows in which they are filled, nearly all,
    are judged at half the cost.

    `expects` names the member of an expectation that it holds objects to (`policy.py`); its values are
    `{expected}`. Where no expectation speaks of an object, it is held to `unless`, and with None it
    is not asked about.

    `money` is what found rows of one storage class stand for in a month, in the currency of the prices,
    by how many `objects` they are and their `bytes`; `money_means` says what that is. Delete markers,
    which are no objects, are only asked about `of_markers`.
    """

    name: str
    topic: str
    question: str
    severity: Severity
    needs: tuple[str, ...]
    where: str
    remedy: str
    certain: tuple[str, ...] | None = None
    expects: str = ""
    unless: tuple[str, ...] | None = None
    money: str = ""
    money_means: str = ""
    of_markers: bool = False

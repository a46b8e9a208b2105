"""The partitions of a configuration's reports: `dt=YYYY-MM-DD-HH-MM`, a run's start in UTC, as in AWS's hive folder.

A range of them is two ends of any precision: `2026-11-01..2026-11-22` is from the first minute of the one day to the
last of the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from stocktake.model.errors import UsageError

PARTITION = "dt"
_FORM = "%Y-%m-%d-%H-%M"
_END = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[-T](\d{2})(?:[-:](\d{2})Z?)?)?)?)?")
_WHOLE = "2000-01-01-00-00"  # any moment: what an end leaves out is taken from it
_EXPECTED = "expected FROM..TO, such as 2026-11-01..2026-11-22, or one day"


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """The partitions from `first` to `last`, both included; an end that is empty is open, one that is shorter than
    a partition's name stands for all that begin with it.
    """

    first: str = ""
    last: str = ""

    def __contains__(self, partition: str) -> bool:
        return self.first <= partition and (
            not self.last or partition[: len(self.last)] <= self.last
        )


def partition_name(moment: datetime) -> str:
    """The value of `dt` for a run that started at `moment`."""
    return moment.astimezone(UTC).strftime(_FORM)


def parse_partition_range(text: str) -> PartitionRange:
    """The range that `FROM..TO` means; one end alone is a range of itself, and either side of `..` may be empty.

    An end is a year, month, day, hour or minute, as `dt` writes it or as a report folder's name does.

    Raises:
        UsageError: an end that is no moment, or a range that ends before it begins.
    """
    first, dots, last = text.strip().partition("..")
    found = PartitionRange(_end(first, text), _end(last if dots else first, text))
    if found.last and found.first[: len(found.last)] > found.last:
        raise UsageError(f"`{text}` ends before it begins; {_EXPECTED}")
    return found


def _end(word: str, text: str) -> str:
    if not word.strip():
        return ""
    match = _END.fullmatch(word.strip())
    if match is None:
        raise UsageError(f"`{text}` is no range of dates: found `{word.strip()}`; {_EXPECTED}")
    end = "-".join(part for part in match.groups() if part is not None)
    try:
        datetime.strptime(end + _WHOLE[len(end) :], _FORM).replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(
            f"`{text}` names no moment: found `{word.strip()}`; {_EXPECTED}"
        ) from error
    return end

"""Dates in keys: which digits can follow, where one stands there as `2026/11/26`, `2026-11-26`, `year=2026/month=11`.

Most folders with numbers are dates, and most of what numbers could be no date is: no month begins with a 2. It is a
guess like any other about what nobody has seen, and a wrong one costs a request.
"""

from __future__ import annotations

import re

_SEPARATOR = r"[^0-9]{1,12}"
_YEAR = r"(?<![0-9])(?:19|20)[0-9]{2}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"

# What stands in front of a digit -> the digits that can follow.
_RULES = tuple(
    (re.compile(f"{before}$"), frozenset(digits))
    for before, digits in (
        (_YEAR + _SEPARATOR, "01"),
        (_YEAR + _SEPARATOR + "0", "123456789"),
        (_YEAR + _SEPARATOR + "1", "012"),
        (_YEAR + _SEPARATOR + _MONTH + _SEPARATOR, "0123"),
        (_YEAR + _SEPARATOR + _MONTH + _SEPARATOR + "0", "123456789"),
        (_YEAR + _SEPARATOR + _MONTH + _SEPARATOR + "3", "01"),
        (_YEAR + _SEPARATOR + _MONTH + _SEPARATOR + _DAY + _SEPARATOR, "012"),
        (_YEAR + _SEPARATOR + _MONTH + _SEPARATOR + _DAY + _SEPARATOR + "2", "0123"),
    )
)
_LOOKED_AT = 64  # characters in front of the digit

# A year that stands in a key, by how much of it is in front of the digit: few buckets span many decades.
_YEAR_HERE = tuple(
    (re.compile(before + r"$"), re.compile(behind + r"(?![0-9])"), frozenset(digits))
    for before, behind, digits in (
        (r"(?<![0-9])", r"(?:19|20)[0-9]{2}", "12"),
        (r"(?<![0-9])1", r"9[0-9]{2}", "9"),
        (r"(?<![0-9])2", r"0[0-9]{2}", "0"),
        (r"(?<![0-9])20", r"[0-2][0-9]", "012"),
        (r"(?<![0-9])20", r"3[0-9]", "23"),
    )
)


def digits_after(prefix: str, following: str = "") -> frozenset[str] | None:
    """The digits that can follow `prefix` in a date, where a key is known that goes on with `following`; None where any
    can, for all that is known.
    """
    tail = prefix[-_LOOKED_AT:]
    for before, behind, digits in _YEAR_HERE:
        if behind.match(following) and before.search(tail):
            return digits
    return next((digits for before, digits in _RULES if before.search(tail)), None)

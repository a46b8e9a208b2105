"""What a user says of remembering, in words such as `10%`, `7d` and `2h`: on the command line, and beside a
configuration. Pure.
"""

from __future__ import annotations

import re

from stocktake.model.errors import UsageError

_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")
_TIME = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
EVER = "ever"
DAYS_MAX = 36_500


def parse_share(text: str) -> float:
    """A share of objects, 0 to 1.

    Raises:
        UsageError: it is none.
    """
    found = _SHARE.fullmatch(text.strip())
    share = float(found[1]) / 100 if found else -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"`{text}` is no share; expected 0% to 100%, such as 10%")
    return share


def parse_age(text: str) -> int | None:
    """How old an answer may become, in days; None where it may become as old as it likes.

    Raises:
        UsageError: it is none.
    """
    if text.strip() == EVER:
        return None
    found = _TIME.fullmatch(text.strip())
    if found is None or found[2] != "d" or not 1 <= int(found[1]) <= DAYS_MAX:
        raise UsageError(f"`{text}` is no age; expected days, such as 7d, or `{EVER}`")
    return int(found[1])


def parse_deadline(text: str) -> float:
    """How long objects may be asked about, in seconds.

    Raises:
        UsageError: it is none.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise UsageError(f"`{text}` is no time; expected such as 90s, 30m or 2h")
    return float(int(found[1]) * _SECONDS[found[2]])

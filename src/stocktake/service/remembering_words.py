"""What a user says of remembering, in the words of `--revisit 10%` and `--remember-for 7d`. Pure."""

from __future__ import annotations

import re

from stocktake.model.errors import UsageError
from stocktake.model.runs import NEWEST, Remembering
from stocktake.service.options import RunOptions

_DEFAULT = Remembering()
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")
_TIME = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
EVER = "ever"
DAYS_MAX = 36_500


def remembering_asked(options: RunOptions) -> Remembering:
    """What the options say, the defaults where they say nothing.

    Raises:
        UsageError: a word makes no sense, or two contradict each other.
    """
    if options.no_remember and options.remember is not None:
        raise UsageError("--remember and --no-remember exclude each other")
    if options.remember is not None and not options.remember.strip():
        raise UsageError(
            "--remember is empty; expected the address of a report",
            hint="leave it out for the newest one of the same configuration",
        )
    if options.head_budget is not None and options.head_budget < 0:
        raise UsageError(
            f"--head-budget {options.head_budget} is out of bounds; expected 0 or more"
        )
    named = NEWEST if options.remember is None else options.remember
    return Remembering(
        report=None if options.no_remember else named,
        revisit=_DEFAULT.revisit if options.revisit is None else _share(options.revisit),
        days_max=_DEFAULT.days_max if options.remember_for is None else _days(options.remember_for),
        budget=options.head_budget,
        deadline_s=None if options.deadline is None else _seconds(options.deadline),
    )


def _share(text: str) -> float:
    found = _SHARE.fullmatch(text.strip())
    share = float(found[1]) / 100 if found else -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--revisit `{text}` is no share; expected 0% to 100%, such as 10%")
    return share


def _days(text: str) -> int | None:
    if text.strip() == EVER:
        return None
    found = _TIME.fullmatch(text.strip())
    if found is None or found[2] != "d" or not 1 <= int(found[1]) <= DAYS_MAX:
        raise UsageError(
            f"--remember-for `{text}` is no age; expected days, such as 7d, or `{EVER}`"
        )
    return int(found[1])


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise UsageError(f"--deadline `{text}` is no time; expected such as 90s, 30m or 2h")
    return float(int(found[1]) * _SECONDS[found[2]])

"""What a user says of remembering, in the words of `--revisit 10%` and `--remember-for 7d`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from stocktake.model.errors import UsageError
from stocktake.model.remembering_words import parse_age, parse_deadline, parse_share
from stocktake.model.runs import NEWEST, Remembering
from stocktake.service.options import RunOptions

_DEFAULT = Remembering()

T = TypeVar("T")


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
        revisit=_said("--revisit", options.revisit, parse_share, _DEFAULT.revisit),
        days_max=_said("--remember-for", options.remember_for, parse_age, _DEFAULT.days_max),
        budget=options.head_budget,
        deadline_s=_said("--deadline", options.deadline, parse_deadline, None),
    )


def _said(option: str, text: str | None, parse: Callable[[str], T], default: T) -> T:
    if text is None:
        return default
    try:
        return parse(text)
    except UsageError as error:
        raise UsageError(f"{option} {error.message}") from error

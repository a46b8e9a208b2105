"""`--revisit`, `--remember-for`, `--head-budget`, `--deadline`: what they mean, and what is none of them."""

from __future__ import annotations

from typing import Any

import pytest

from stocktake.model.errors import UsageError
from stocktake.model.runs import NEWEST, Remembering
from stocktake.service.options import make_options
from stocktake.service.remembering_words import remembering_asked


def asked(**words: Any) -> Remembering:
    return remembering_asked(make_options("s3://b", "/reports", **words))


def test_without_a_word_the_newest_report_is_remembered() -> None:
    assert asked() == Remembering(report=NEWEST)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"no_remember": True}, {"report": None}),
        ({"remember": "s3://audit/x"}, {"report": "s3://audit/x"}),
        ({"revisit": "0%"}, {"revisit": 0.0}),
        ({"revisit": "2.5 %"}, {"revisit": 0.025}),
        ({"revisit": "100%"}, {"revisit": 1.0}),
        ({"remember_for": "7d"}, {"days_max": 7}),
        ({"remember_for": "ever"}, {"days_max": None}),
        ({"head_budget": 0}, {"budget": 0}),
        ({"deadline": "90s"}, {"deadline_s": 90.0}),
        ({"deadline": "2h"}, {"deadline_s": 7200.0}),
    ],
)
def test_what_they_mean(words: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(**words) == Remembering(**{"report": NEWEST, **expected})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"revisit": "10"}, "expected 0% to 100%"),
        ({"revisit": "101%"}, "expected 0% to 100%"),
        ({"remember_for": "0d"}, "expected days, such as 7d"),
        ({"remember_for": "7h"}, "expected days, such as 7d"),
        ({"head_budget": -1}, "expected 0 or more"),
        ({"deadline": "2"}, "expected such as 90s, 30m or 2h"),
        ({"deadline": "0h"}, "expected such as 90s, 30m or 2h"),
        ({"remember": "x", "no_remember": True}, "exclude each other"),
        ({"remember": ""}, "expected the address of a report"),
    ],
)
def test_what_they_cannot_mean(words: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked(**words)

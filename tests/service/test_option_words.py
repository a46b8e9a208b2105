"""The words of the command line for options beside a configuration: all of them, here and on a server."""

from __future__ import annotations

import pytest

from stocktake.model.errors import OptionsError, UsageError
from stocktake.model.report_options import ReportOptions, changed_options
from stocktake.service.option_words import OptionWords, option_change

BEFORE = ReportOptions(
    hour=5, extension_fields=("ObjectTags",), destination_store="far", keep_days=9, remember_for="7d",
    head_budget=9,
)  # fmt: skip


def test_there_is_a_word_for_every_option() -> None:
    assert set(OptionWords.__annotations__) - {"forever"} == set(ReportOptions.model_fields)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ({"hour": 3}, {"hour": 3}),
        ({"extension_fields": "KmsKeyArn, ObjectTags"}, {"extension_fields": ("KmsKeyArn", "ObjectTags")}),
        ({"extension_fields": ""}, {"extension_fields": ()}),
        ({"destination_store": ""}, {"destination_store": None}),
        ({"strict": True, "owner_full_control": True}, {"strict": True, "owner_full_control": True}),
        ({"revisit": "5%", "head_budget": "7"}, {"revisit": "5%", "head_budget": 7}),
        ({"deadline": "2h", "remember": False}, {"deadline": "2h", "remember": False}),
        ({"remember_for": "", "head_budget": ""}, {"remember_for": None, "head_budget": None}),
        ({"keep_last": 3}, {"keep_last": 3, "keep_days": None}),
        ({"forever": True}, {"keep_last": None, "keep_days": None}),
    ],
)  # fmt: skip
def test_what_is_said_changes_and_all_else_stays(
    words: OptionWords, changed: dict[str, object]
) -> None:
    change = option_change(words, "daily")
    assert changed_options(BEFORE, change, "daily") == BEFORE.model_copy(update=changed)


def test_what_is_taken_back_is_as_nobody_said_it() -> None:
    every = dict.fromkeys(ReportOptions.model_fields)
    assert changed_options(BEFORE, every, "daily") == ReportOptions()


@pytest.mark.parametrize("words", [{}, {"hour": None, "forever": False, "strict": None}])
def test_who_says_nothing_changes_nothing(words: OptionWords) -> None:
    assert option_change(words, "daily") == {}


def test_what_makes_no_sense_is_refused_before_anything_is_put() -> None:
    for words in (
        OptionWords(hour=24),
        OptionWords(extension_fields="Size"),
        OptionWords(keep_last=0),
        OptionWords(revisit="101%"),
        OptionWords(deadline="soon"),
    ):
        with pytest.raises(OptionsError, match="of daily makes no sense"):
            option_change(words, "daily")
    with pytest.raises(UsageError, match="contradict each other"):
        option_change(OptionWords(keep_days=1, forever=True), "daily")
    with pytest.raises(UsageError, match="--head-budget `-1` is no number"):
        option_change(OptionWords(head_budget="-1"), "daily")

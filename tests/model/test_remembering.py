"""What is asked again, and what a budget allows, as laws."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.fields import BY_NAME, report_fields
from stocktake.model.remembering import (
    CIRCLE,
    NEW,
    TRIED_BEFORE,
    TRIED_LAST,
    allot,
    columns_needed,
    count_fates,
    due_name,
    fields_lacking,
    in_bands,
    remembered_fields,
    turn_of,
)
from stocktake.model.runs import Counters, Remembering

DAYS = [NEW, "19000", "20000", "20001", TRIED_BEFORE, TRIED_LAST]
PIECES = st.lists(st.dictionaries(st.sampled_from(DAYS), st.integers(0, 50)), max_size=6)


def due(piece: dict[str, int]) -> Counters:
    return Counter({f"due.{name}": count for name, count in piece.items()})


@given(PIECES, st.none() | st.integers(0, 200))
def test_a_budget_goes_to_the_oldest_in_the_order_of_keys(
    pieces: list[dict[str, int]], budget: int | None
) -> None:
    todo = allot([due(piece) for piece in pieces], budget)
    rows = [
        (DAYS.index(name), number, row)
        for number, piece in enumerate(pieces)
        for name, count in piece.items()
        for row in range(count)
    ]
    chosen = sorted(rows)[:budget]
    expected = [
        Counter({DAYS[day]: 0 for day in ()})
        + Counter(DAYS[day] for day, place, _ in chosen if place == number)
        for number in range(len(pieces))
    ]
    assert todo == expected


@given(PIECES, st.integers(0, 200), st.data())
def test_what_was_asked_already_is_part_of_the_same_budget(
    pieces: list[dict[str, int]], budget: int, data: st.DataObject
) -> None:
    """As a run that was interrupted finds it."""
    before = allot([due(piece) for piece in pieces], budget)
    asked = [
        Counter({f"asked.{name}": data.draw(st.integers(0, count)) for name, count in each.items()})
        for each in before
    ]
    left = allot([due(piece) + done for piece, done in zip(pieces, asked, strict=True)], budget)
    for whole, done, rest in zip(before, asked, left, strict=True):
        assert whole == rest + Counter({n.removeprefix("asked."): c for n, c in done.items()})


@given(PIECES, st.integers(1, 5))
def test_rounds_hold_all_that_is_to_be_asked_and_come_to_the_oldest_first(
    pieces: list[dict[str, int]], most: int
) -> None:
    todo = allot([due(piece) for piece in pieces], None)
    rounds = in_bands(todo, most)
    assert [sum((each[n] for each in rounds), Counter()) for n in range(len(todo))] == todo
    names = [sorted({DAYS.index(n) for piece in each for n in piece}) for each in rounds]
    assert [name for each in names for name in each] == sorted(n for each in names for n in each)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, CIRCLE - 1))
def test_the_hand_passes_every_hash_by_the_time_the_shares_add_up_to_all(
    shares: list[float], start: int
) -> None:
    hand, passed = start, 0
    for share in shares:
        turn = turn_of(Remembering(revisit=share, hand=hand))
        assert turn.first == hand
        assert turn.width >= share * CIRCLE
        passed, hand = passed + turn.width, turn.next
    assert hand == (start + passed) % CIRCLE
    assert passed >= sum(shares) * CIRCLE * (1 - 1e-9)


def test_fates_are_counted_by_what_was_due_and_what_was_asked() -> None:
    counters: Counters = Counter(
        {
            "due.new": 5, "due.19000": 7, "asked.new": 4, "asked.19000": 3, "remembered.reused": 100,
            "due.tried-last": 3, "asked.tried-last": 2,
        }
    )  # fmt: skip
    count_fates(counters)
    assert +counters == {
        "remembered.fresh": 6,
        "remembered.revisited": 3,
        "remembered.postponed": 6,
        "remembered.reused": 104,
        "problems.postponed": 6,
    }
    assert (due_name(None), due_name(19000)) == (NEW, "19000")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("Size", "ETag"), ()),
        (("EncryptionStatus", "ChecksumAlgorithm"), ("encryption_status", "checksum_algorithm")),
        (("ObjectOwner",), ()),
        (
            ("ObjectOwner", "ObjectAccessControlList"),
            ("object_access_control_list", "object_owner"),
        ),
        (("ObjectTags", "RestoreStatus"), ("object_tags",)),
    ],
)
def test_remembered_is_what_only_asking_about_an_object_tells(
    fields: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    chosen = report_fields(fields, all_versions=False)
    assert tuple(field.column for field in remembered_fields(chosen)) == expected


def test_an_object_is_known_again_by_its_version_where_all_are_listed() -> None:
    chosen = report_fields(["ContentType"], all_versions=True)
    identity = ("key", "version_id", "e_tag", "size", "last_modified_date")
    assert columns_needed(chosen, versions=True) == (*identity, "content_type")
    assert fields_lacking(["key", "e_tag", "size"], chosen, versions=False) == [
        "last_modified_date",
        BY_NAME["ContentType"].column,
    ]

"""What all that was found about a store means together."""

from __future__ import annotations

import json

import pytest

from stocktake.model.capabilities import (
    ABILITIES,
    Ability,
    Capabilities,
    Capability,
    Found,
    Need,
    Verdict,
    Walk,
)


def found(**answers: Found) -> Capabilities:
    given = {Ability[name]: answer for name, answer in answers.items()}
    rows = tuple(
        Capability(ability, given.get(ability, Found.YES), "seen") for ability in ABILITIES
    )
    return Capabilities("s3://b/", "http://store", "", rows, 0.1, None, None, 12)


def test_every_ability_has_a_question_and_a_consequence() -> None:
    assert set(ABILITIES) == set(Ability)
    for fact in ABILITIES.values():
        assert fact.question.endswith("?")
        assert fact.if_no
    assert {fact.need for fact in ABILITIES.values()} == set(Need)


@pytest.mark.parametrize(
    ("answers", "verdict", "of_versions", "walk"),
    [
        ({}, Verdict.FINE, Verdict.FINE, Walk.PARALLEL),
        ({"ORDER": Found.NO}, Verdict.BROKEN, Verdict.BROKEN, Walk.NONE),
        ({"ORDER": Found.UNKNOWN}, Verdict.UNTOLD, Verdict.UNTOLD, Walk.PARALLEL),
        ({"ORDER": Found.UNKNOWN, "LIST": Found.NO}, Verdict.BROKEN, Verdict.BROKEN, Walk.NONE),
        ({"KEY_COUNT": Found.NO}, Verdict.BROKEN, Verdict.BROKEN, Walk.NONE),
        ({"VERSION_MARKER": Found.NO}, Verdict.FINE, Verdict.BROKEN, Walk.PARALLEL),
        ({"VERSIONS": Found.UNKNOWN}, Verdict.FINE, Verdict.UNTOLD, Walk.PARALLEL),
        ({"ANYWHERE": Found.NO}, Verdict.FINE, Verdict.FINE, Walk.SERIAL),
        ({"START_AFTER": Found.NO}, Verdict.FINE, Verdict.FINE, Walk.SERIAL),
        (
            {"EXCLUSIVE": Found.NO, "TOKEN": Found.UNKNOWN},
            Verdict.UNTOLD,
            Verdict.UNTOLD,
            Walk.SERIAL,
        ),
        ({"START_AFTER": Found.NO, "TOKEN": Found.NO}, Verdict.BROKEN, Verdict.BROKEN, Walk.NONE),
        ({"MAX_KEYS": Found.NO, "OWNER": Found.NO}, Verdict.FINE, Verdict.FINE, Walk.PARALLEL),
    ],
)
def test_the_verdict_goes_by_what_a_run_needs(
    answers: dict[str, Found], verdict: Verdict, of_versions: Verdict, walk: Walk
) -> None:
    store = found(**answers)
    assert store.verdict() is verdict
    assert store.verdict(all_versions=True) is of_versions
    assert store.walk() is walk


@pytest.mark.parametrize(
    ("lacking", "walk"),
    [
        ({"KEY_MARKER": Found.NO}, Walk.SERIAL),
        ({"KEY_MARKER": Found.NO, "VERSION_MARKER": Found.NO}, Walk.NONE),
        ({"ANYWHERE": Found.NO}, Walk.PARALLEL),
    ],
)
def test_versions_are_walked_by_markers_of_their_own(lacking: dict[str, Found], walk: Walk) -> None:
    store = found(**lacking)
    assert store.walk(all_versions=True) is walk
    assert (store.verdict(all_versions=True) is Verdict.BROKEN) is (walk is Walk.NONE)


def test_only_what_is_lacking_has_a_consequence() -> None:
    rows = found(OWNER=Found.NO, HEAD=Found.UNKNOWN).rows
    assert [row.ability for row in rows if row.consequence] == [Ability.OWNER]


def test_programs_get_all_of_it() -> None:
    document = json.loads(json.dumps(found(OWNER=Found.NO).to_json()))
    assert document["verdict"] == "fine"
    assert document["list_seconds"] == 0.1
    assert document["head_seconds"] is None
    assert list(document["abilities"]) == [str(ability) for ability in ABILITIES]
    assert document["abilities"]["fetch-owner"] == {
        "question": "Does it name owners when asked to?",
        "found": "no",
        "evidence": "seen",
        "needed_by": "some fields",
        "consequence": ABILITIES[Ability.OWNER].if_no,
    }

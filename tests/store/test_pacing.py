from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.runs import Call, Limits
from stocktake.store.pacing import NICE_IN_FLIGHT_MAX, Pace

LIMITS = Limits(concurrency=32)


def test_all_of_the_ceiling_is_allowed_until_the_store_says_otherwise() -> None:
    assert Pace(LIMITS).room(0, 0.0) == 32
    assert Pace(LIMITS).room(30, 0.0) == 2
    assert Pace(replace(LIMITS, nice=True)).room(0, 0.0) == NICE_IN_FLIGHT_MAX


def test_a_refusal_halves_and_those_of_the_same_moment_do_not_halve_again() -> None:
    pace = Pace(LIMITS)
    for _ in range(5):
        pace.refused(sent_at=1.0, now=2.0)
    assert pace.allowed == 16
    pace.refused(sent_at=2.5, now=3.0)
    assert pace.allowed == 8


def test_one_request_is_always_allowed() -> None:
    pace = Pace(LIMITS)
    for moment in range(20):
        pace.refused(sent_at=moment + 0.5, now=moment + 1.0)
    assert pace.allowed == 1


def test_answers_let_one_more_into_flight_a_round_up_to_the_ceiling() -> None:
    pace = Pace(LIMITS)
    pace.refused(sent_at=1.0, now=2.0)
    for _ in range(17):
        pace.answered(Call.LIST, [3.0], 3.2)
    assert pace.allowed == 17
    for _ in range(1000):
        pace.answered(Call.LIST, [4.0], 4.2)
    assert pace.allowed == 32


def test_answers_that_slow_down_are_a_reason_to_ask_for_less() -> None:
    pace = Pace(LIMITS)
    for moment in range(20):
        pace.answered(Call.HEAD, [float(moment)], moment + 0.05)
    assert pace.allowed == 32
    for moment in range(20, 60):
        pace.answered(Call.HEAD, [float(moment)], moment + 0.9)
    assert pace.allowed < 20


def test_calls_that_differ_in_kind_are_not_compared() -> None:
    pace = Pace(LIMITS)
    for moment in range(50):
        pace.answered(Call.HEAD, [float(moment)], moment + 0.01)
        pace.answered(Call.LIST, [float(moment)], moment + 0.9)
    assert pace.allowed == 32


@pytest.mark.parametrize(("nice", "gives_way"), [(False, False), (True, True)])
def test_nice_gives_way_sooner(*, nice: bool, gives_way: bool) -> None:
    pace = Pace(replace(LIMITS, nice=nice))
    before = pace.allowed
    for _ in range(10):
        pace.answered(Call.LIST, [0.0], 0.2)
    for moment in range(1, 14):
        pace.answered(Call.LIST, [float(moment)], moment + 0.5)
    assert (pace.allowed < before) is gives_way


@given(st.floats(0.5, 500), st.lists(st.floats(0.0, 0.3), min_size=10, max_size=200))
def test_the_rate_is_never_exceeded_beyond_its_burst(rate: float, steps: list[float]) -> None:
    pace = Pace(Limits(concurrency=1000, rate=rate))
    now, sent = 0.0, 0
    for step in steps:
        now += step
        for _ in range(pace.room(0, now)):
            pace.sent(1)
            sent += 1
        assert sent <= now * rate + max(1.0, rate / 10) + 1e-6
    waiting = pace.wait_s()
    assert pace.room(0, now + waiting + 1e-6) >= 1

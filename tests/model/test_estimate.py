"""What a run will come to, and how true that was."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.estimate import (
    START_S,
    Asked,
    Estimate,
    LastReport,
    Measured,
    compare,
    estimate,
)
from stocktake.model.figures import Figure, Sureness, least_sure
from stocktake.model.prices import AWS, FREE, GB
from stocktake.model.runs import Call, Limits

MILLION = Figure(1_000_000, "counted", Sureness.KNOWN)
EACH = Figure(1.0, "one for each", Sureness.KNOWN)
PLAIN = Asked({}, Limits(concurrency=32, processes=2), in_flight=32, to_bucket=True)
HEADED = replace(PLAIN, calls={Call.HEAD: EACH})
MEASURED = Measured(
    {Call.LIST: 0.2, Call.HEAD: 0.05},
    {Call.LIST: 300_000.0, Call.HEAD: 500.0},
    Figure(20.0, "a page", Sureness.LIKELY),
    requests=4,
)
LAST = LastReport("there", 2_000_000, 90.0, {"list": 2_080, "head": 2_000_000}, 30_000_000, 2, alike=True)  # fmt: skip


def planned(
    objects: Figure = MILLION, asked: Asked = PLAIN, last: LastReport | None = None
) -> Estimate:
    return estimate(objects, asked, MEASURED, prices=AWS, last=last)


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "lists"),
    [(0, 1), (1, 1), (999, 1), (1000, 2), (1001, 6), (100_000, 107), (1_000_000, 1034)],
)
def test_a_list_is_asked_for_each_page_and_a_few_more(objects: int, lists: int) -> None:
    assert planned(replace(MILLION, value=objects)).requests[Call.LIST].value == lists


def test_calls_about_objects_are_as_many_as_their_share() -> None:
    tagged = Figure(0.25, "some", Sureness.AT_MOST)
    requests = planned(
        asked=replace(HEADED, calls={Call.HEAD: EACH, Call.TAGGING: tagged})
    ).requests
    assert requests[Call.HEAD] == Figure(1_000_000, "one for each", Sureness.KNOWN)
    assert requests[Call.TAGGING] == Figure(250_000, "some", Sureness.AT_MOST)
    assert Call.ACL not in requests


def test_a_large_file_is_uploaded_in_parts() -> None:
    small = planned().requests[Call.CONTROL].value
    wide = replace(MEASURED, row_bytes=Figure(100.0, "a page", Sureness.LIKELY))
    large = estimate(MILLION, PLAIN, wide, prices=AWS).requests[Call.CONTROL].value
    assert large - small == 2 + 6 - 1  # 100 MB in six parts, a request before and one behind them
    local = estimate(MILLION, replace(PLAIN, to_bucket=False), wide, prices=AWS)
    assert local.requests[Call.CONTROL].value == 0
    assert local.storage.value == 0


def test_a_million_rows_make_a_file() -> None:
    files = [
        planned(replace(MILLION, value=n)).report_files.value for n in (0, 1, 10**6, 10**6 + 1)
    ]
    assert files == [0, 1, 1, 2]


# -- time ------------------------------------------------------------------------------------------


def test_time_is_what_the_answers_take_with_so_many_in_flight() -> None:
    slow = planned(asked=HEADED).seconds
    assert slow.value == pytest.approx(START_S + (1034 * 0.2 + 1_000_000 * 0.05) / 32)
    assert slow.sureness is Sureness.ROUGH


def test_time_is_no_less_than_the_cpu_and_the_rate_allow() -> None:
    quick = replace(MEASURED, seconds={Call.LIST: 0.0001, Call.HEAD: 0.0001})
    assert "CPU" in estimate(MILLION, HEADED, quick, prices=FREE).seconds.rests_on
    limited = replace(HEADED, limits=replace(HEADED.limits, rate=100.0))
    seconds = planned(asked=limited).seconds
    assert seconds.value == pytest.approx(START_S + (1034 + 1_000_000) / 100)
    assert "100 requests a second" in seconds.rests_on


def test_one_page_is_waited_for_in_full_however_many_may_be_in_flight() -> None:
    assert planned(replace(MILLION, value=10)).seconds.value == pytest.approx(START_S + 0.2)


def test_time_and_requests_are_those_of_the_last_run_where_there_is_one_like_it() -> None:
    again = planned(asked=HEADED, last=LAST)
    assert again.seconds.value == pytest.approx(45.0)
    assert again.requests[Call.LIST].value == 1040
    assert again.seconds.sureness is Sureness.LIKELY
    other = planned(asked=HEADED, last=replace(LAST, alike=False))
    assert other == planned(asked=HEADED)


# -- bytes and money -------------------------------------------------------------------------------


def test_money_is_the_requests_by_the_table() -> None:
    plan = planned(asked=HEADED)
    assert plan.money["list"].value == pytest.approx(1034 * 0.005 / 1000)
    assert plan.money["head"].value == pytest.approx(0.4)
    assert plan.total.value == pytest.approx(sum(each.value for each in plan.money.values()))
    assert plan.storage.value == pytest.approx(20e6 / GB * 0.023)
    assert plan.received_bytes.value == pytest.approx(1034 * 300_000 + 1_000_000 * 500)


def test_what_leaves_a_region_is_paid_for_where_the_table_says_so() -> None:
    prices = AWS.model_copy(update={"transfer_per_gb": 0.09})
    plan = estimate(MILLION, HEADED, MEASURED, prices=prices)
    assert plan.money["transfer"].value == pytest.approx(plan.received_bytes.value / GB * 0.09)


def test_nothing_costs_anything_where_it_is_free() -> None:
    plan = estimate(MILLION, HEADED, MEASURED, prices=FREE)
    assert (plan.total.value, plan.storage.value) == (0, 0)


# -- sureness --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "least"),
    [
        ([], Sureness.KNOWN),
        ([Sureness.KNOWN, Sureness.LIKELY], Sureness.LIKELY),
        ([Sureness.ROUGH, Sureness.LIKELY], Sureness.ROUGH),
        ([Sureness.AT_LEAST, Sureness.ROUGH], Sureness.AT_LEAST),
        ([Sureness.AT_MOST, Sureness.AT_LEAST], Sureness.ROUGH),
    ],
)
def test_no_figure_is_surer_than_what_it_is_made_of(
    kinds: Iterable[Sureness], least: Sureness
) -> None:
    assert least_sure(kinds) is least


@given(st.sampled_from(Sureness), st.integers(0, 10**10))
def test_every_figure_of_a_plan_is_as_unsure_as_the_number_of_objects(
    sureness: Sureness, objects: int
) -> None:
    plan = planned(Figure(objects, "somehow", sureness), HEADED)
    ranks = list(Sureness)
    figures = [plan.requests[Call.HEAD], plan.seconds, plan.report_bytes, plan.received_bytes]
    assert all(ranks.index(figure.sureness) >= ranks.index(sureness) for figure in figures)
    assert all(figure.value >= 0 and figure.rests_on for figure in figures)


# -- plan and truth --------------------------------------------------------------------------------


def test_a_plan_stands_beside_the_truth() -> None:
    requests = {"list": 1133, "head": 1_100_000, "proof": 3, "control": 9}
    counters = {"rows": 1_100_000} | {f"requests.{call}": n for call, n in requests.items()}
    compared = compare(planned(asked=HEADED), counters, seconds=2000.0, report_bytes=22_000_000)
    assert [each.line for each in compared] == [
        "rows: planned 1,000,000, came to 1,100,000 (110%)",
        "list requests: planned about 1,034, came to 1,133 (110%)",
        "head requests: planned 1,000,000, came to 1,100,000 (110%)",
        "control requests: planned about 8, came to 9 (112%)",
        "proof requests: planned 0, came to 3",
        "seconds: planned roughly 1,571, came to 2,000 (127%)",
        "report bytes: planned about 20,000,000, came to 22,000,000 (110%)",
        "USD for requests: planned about 0.41, came to 0.45 (110%)",
    ]


def test_a_free_store_is_not_compared_by_money() -> None:
    plan = estimate(MILLION, PLAIN, MEASURED, prices=FREE)
    names = [each.name for each in compare(plan, {"rows": 5}, seconds=1.0, report_bytes=10)]
    assert names == ["rows", "list requests", "control requests", "seconds", "report bytes"]


def test_programs_get_every_figure_with_what_it_rests_on() -> None:
    document = json.loads(json.dumps(planned(asked=HEADED).to_json()))
    assert document["objects"] == {"value": 1_000_000, "sureness": "known", "rests_on": "counted"}
    assert set(document["requests"]) == {"list", "head", "control"}
    assert document["money"]["currency"] == "USD"
    assert document["money"]["prices"]["list_per_1000"] == 0.005
    assert document["probe_requests"] == 4
    compared = compare(planned(), {"rows": 7}, seconds=1.5, report_bytes=10)[0].to_json()
    assert compared == {"planned": document["objects"], "actual": 7}

"""Growth over several reports, and what it lets expect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.analysis.report import Report
from stocktake.analysis.usage.counting import count_usage
from stocktake.analysis.usage.growth import Point, forecast_line, growth_of
from stocktake.analysis.usage.questions import Bounds
from stocktake.analysis.usage.tree import folder_tree
from stocktake.analysis.usage.usage import UsageSource, _found_in
from stocktake.model.configuration import Format
from stocktake.model.prices import AWS
from stocktake.model.usage import Dimension
from stocktake.service.usage import counted
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, objects, our_report

DAY = timedelta(days=1)


def reports(root: Path, keys: Sequence[Sequence[str]], **options: Sequence[str]) -> list[Report]:
    """A report a day, each of these keys in another format; object N of a report has N bytes."""
    made = []
    for number, each in enumerate(keys):
        report_format = list(Format)[number % 3]
        report = our_report(
            root, report_format, [objects(sorted(each))], moment=OUR_MOMENT + number * DAY,
            first_name=number, **options,
        )  # fmt: skip
        made.append(opened(report.manifest_path))
    return made


def told(made: Sequence[Report]) -> UsageSource:
    return UsageSource(made, AWS, count=counted, warn=pytest.fail)


def test_each_report_is_a_point_and_each_line_says_how_it_grew(tmp_path: Path) -> None:
    made = reports(tmp_path, [["a/1", "b/1"], ["a/1", "a/2", "b/1"], ["a/1", "a/2", "a/3", "c/1"]])
    usage = told(made).usage(Dimension.PREFIX, 1)
    assert usage.growth is not None
    assert [(p.dt, p.objects, p.bytes) for p in usage.growth.points] == [
        ("2026-11-22-10-17", 2, 1), ("2026-11-23-10-17", 3, 3), ("2026-11-24-10-17", 4, 6),
    ]  # fmt: skip
    assert {line.prefix: line.growth for line in usage.lines} == {"": 5, "c/": 3, "a/": 3}
    by_class = told(made).usage(Dimension.CLASS, 0)
    assert {line.value: line.growth for line in by_class.lines} == {"": 5, "STANDARD": 5}
    assert {each.what for each in usage.growth.forecasts} == {"objects", "bytes", "money"}


def test_without_sizes_growth_is_of_objects(tmp_path: Path) -> None:
    usage = told(reports(tmp_path, [["a"], ["a", "b"]], fields=("ETag",))).usage(
        Dimension.PREFIX, 0
    )
    assert usage.lines[0].growth == 1
    assert usage.growth is not None
    assert usage.growth.points[0].bytes is None


def test_growth_is_not_told_where_the_older_report_cannot_tell(tmp_path: Path) -> None:
    first = reports(tmp_path / "1", [["a"]], fields=("ETag",))
    second = reports(tmp_path / "2", [["a", "b"]], fields=("Size",))
    usage = told([*first, *second]).usage(Dimension.PREFIX, 0)
    assert usage.lines[0].growth is None


def test_a_folder_that_may_have_been_folded_is_not_taken_for_new(tmp_path: Path) -> None:
    [report] = reports(tmp_path, [["a/1", "b/1", "c/1"]])
    whole = folder_tree(count_usage(report), AWS)
    folded = folder_tree(count_usage(report, bounds=Bounds(prefixes_max=2)), AWS)
    assert _found_in(whole, "d/") == (None, True)
    assert _found_in(folded, "d/") == (None, False)
    found, certain = _found_in(folded, "c/")
    assert (found.prefix if found else "", certain) == ("c/", True)


def points(values: Sequence[int], *, step: timedelta = DAY) -> list[Point]:
    return [
        Point(str(number), "", OUR_MOMENT + number * step, value, value * 10, None)
        for number, value in enumerate(values)
    ]


def test_two_reports_forecast_nothing() -> None:
    found = growth_of(points([1, 2]))
    assert (found.forecasts, found.why_not) == ((), "it takes 3 reports to forecast")


def test_reports_of_one_moment_forecast_nothing() -> None:
    assert (
        growth_of(points([1, 2, 3], step=timedelta(0))).why_not == "all reports are of one moment"
    )


def test_what_cannot_be_told_is_not_forecast() -> None:
    assert [each.what for each in growth_of(points([1, 2, 3])).forecasts] == ["objects", "bytes"]


@given(
    start=st.integers(0, 10**15),
    slope=st.integers(0, 10**9),
    days=st.lists(st.integers(0, 1000), min_size=3, max_size=30, unique=True),
)
def test_a_straight_line_goes_straight_on(start: int, slope: int, days: list[int]) -> None:
    days.sort()
    moments = [OUR_MOMENT + day * DAY for day in days]
    found = forecast_line("bytes", moments, [start + slope * day for day in days])
    assert found.per_day == pytest.approx(slope, rel=1e-6, abs=(start + 1) * 1e-9)
    for each in found.expected:
        exact = start + slope * (days[-1] + each.days)
        assert each.value == pytest.approx(exact, rel=1e-6, abs=1e-3)
        assert each.low <= each.value <= each.high
        assert each.high - each.low <= 1e-4 * exact + 1


def test_the_range_is_two_standard_errors_of_a_single_value() -> None:
    # By hand: the line through 0, 2, 1 at days -2, -1, 0 has the slope 1/2, deviations -1/2, 1, -1/2.
    found = forecast_line("bytes", [OUR_MOMENT - (2 - n) * DAY for n in range(3)], [0, 2, 1])
    ahead = found.expected[0]
    error = 1.5**0.5 * (1 + 1 / 3 + 31**2 / 2) ** 0.5
    assert found.per_day == pytest.approx(0.5)
    assert ahead.days == 30
    assert ahead.value == pytest.approx(1 + 0.5 * 31)
    assert ahead.high - ahead.value == pytest.approx(2 * error)
    assert ahead.low == 0

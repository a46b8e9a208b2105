"""The page of usage, as a headless Chromium shows it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.analysis.usage.usage import UsageSource
from stocktake.cli.pages.charts import WIDTH, Value
from stocktake.cli.pages.treemaps import SHARE_MIN, TREEMAP_HEIGHT, treemap
from stocktake.cli.usage_page import usage_page
from stocktake.model.configuration import Format
from stocktake.model.prices import AWS
from stocktake.model.usage import Dimension
from stocktake.service.usage import counted
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, objects, our_report
from tests.faces.conftest import legible
from tests.faces.test_audit_page import HOSTILE, TAB
from tests.servers.browser import Browser

FOLDERS = [key.replace("/", "\\") + "/x" for key in HOSTILE]


def page_of(root: Path, reports: int, keys: list[str], depth: int = 2) -> str:
    made = []
    for number in range(reports):
        rows = objects(sorted([*keys, *(f"more/{n}" for n in range(number))], key=str.encode))
        report = our_report(
            root, Format.PARQUET, [rows], moment=OUR_MOMENT + timedelta(days=number),
            first_name=number,
        )  # fmt: skip
        made.append(opened(report.manifest_path))
    source = UsageSource(made, AWS, count=counted, warn=pytest.fail)
    return usage_page(source, source.usage(Dimension.PREFIX, depth))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "usage.html"
    path.write_text(page_of(folder, 4, FOLDERS), encoding="utf-8")
    return path


def test_it_renders_without_errors_and_asks_the_network_for_nothing(
    shown: Browser, page: Path
) -> None:
    assert shown.requests() == [page.as_uri()]
    assert shown.logged() == []
    assert shown.run("return document.title") == "Usage of s3://source"
    assert shown.run("return document.querySelectorAll('script, img, iframe').length") == 0


def test_hostile_folders_are_shown_as_text(shown: Browser) -> None:
    said = str(shown.run("return document.querySelector('table').textContent"))
    for folder in FOLDERS[:5]:
        assert folder.removesuffix("x") in said
    assert "a\\u202egpj.exe\\below/" in said
    assert "\u202e" not in shown.run("return document.body.textContent")


def test_its_charts_are_seen(shown: Browser) -> None:
    charts: Any = shown.run(
        "return [...document.querySelectorAll('svg.chart')].map(svg => {"
        " const box = svg.getBoundingClientRect(), parts = [...svg.querySelectorAll('rect')];"
        " return [svg.getAttribute('aria-label'), box.width, parts.length,"
        " Math.max(...parts.map(part => part.getBoundingClientRect().height))]; })"
    )
    names = {name: (width, parts, height) for name, width, parts, height in charts}
    assert {
        "Folders by bytes", "Age, by bytes", "Size, by bytes", "Storage class, by bytes",
        "Growth in objects", "Growth in bytes", "Growth in USD a month",
    } <= set(names)  # fmt: skip
    for width, parts, height in names.values():
        assert (width > 300, parts > 0, height > 5) == (True, True, True)
    assert names["Growth in objects"][1] == 4
    assert names["Folders by bytes"][1] > 5


def test_the_forecast_says_its_method(shown: Browser) -> None:
    said = str(shown.run("return document.querySelector('main').textContent"))
    assert "least squares" in said
    assert "in 365 days" in said


def test_the_keyboard_reaches_the_table(shown: Browser) -> None:
    reached = set()
    for _ in range(20):
        shown.press(TAB)
        reached.add(shown.run("return document.activeElement.getAttribute('aria-label')"))
    assert "Usage" in reached


def test_it_can_be_read_on_a_narrow_screen_and_on_paper(narrow: Browser) -> None:
    legible(narrow)
    assert narrow.printed().startswith(b"%PDF-")


def test_a_report_without_rows_has_a_page(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "empty.html"
    path.write_text(page_of(tmp_path, 1, []), encoding="utf-8")
    browser.open(path)
    assert browser.logged() == []


@given(st.lists(st.floats(0, 1e18), max_size=60))
def test_a_treemap_fills_its_area_in_proportion_and_nothing_overlaps(amounts: list[float]) -> None:
    boxes = treemap([Value(str(number), amount, "") for number, amount in enumerate(amounts)])
    seen = [each for each in amounts if each > sum(amounts) * SHARE_MIN]
    assert len(boxes) == len(seen)
    for box in boxes:
        assert -0.1 <= box.x <= box.x + box.width <= WIDTH + 0.2
        assert -0.1 <= box.y <= box.y + box.height <= TREEMAP_HEIGHT + 0.2
        area = box.value.amount / sum(seen) * WIDTH * TREEMAP_HEIGHT
        # Lengths are rounded to a tenth.
        assert abs(box.width * box.height - area) <= 0.06 * (box.width + box.height) + 0.01
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(wide, high) <= 0.21

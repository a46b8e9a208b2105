"""The page of an audit, as a headless Chromium shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stocktake.analysis.audits.asking import audit_report
from stocktake.cli.audit_page import audit_page
from tests.analysis.audits.planted import NOW, PLANTED, POLICY, Planted, planted_report
from tests.faces.conftest import legible
from tests.servers.browser import Browser

HOSTILE = (
    "<script>document.title = 'caught'</script>",
    '"><img src=x onerror="document.title = 1">',
    "</pre></details><iframe src=http://127.0.0.1:9/>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "a\u202egpj.exe/below",  # a folder, too
    "line\nbreak\x00\x1b[2J",
    "]]><!--",
)
TAB, ENTER = "\ue004", "\ue007"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a report in which every audit found something, among hostile keys."""
    folder = tmp_path_factory.mktemp("page")
    bad = [Planted(key, (), {"encryption_status": "NOT-SSE"}) for key in HOSTILE]
    report = planted_report(folder, planted=(*PLANTED, *bad), problems={"refused": 3})
    path = folder / "audit.html"
    text = audit_page(audit_report(report, now=NOW, policy=POLICY))
    path.write_text(text, encoding="utf-8")
    return path


def test_it_renders_without_errors_and_asks_the_network_for_nothing(
    shown: Browser, page: Path
) -> None:
    assert shown.requests() == [page.as_uri()]
    assert shown.logged() == []
    assert shown.run("return document.compatMode") == "CSS1Compat"
    assert shown.run("return document.title") == "Audit of s3://source"


def test_hostile_keys_are_shown_as_text(shown: Browser) -> None:
    said = str(shown.run("return document.body.textContent"))
    for key in HOSTILE[:5]:
        assert key in said
    assert "a\\u202egpj.exe" in said
    assert "line\\nbreak\\x00\\x1b[2J" in said
    assert "\u202e" not in said
    assert shown.run("return document.querySelectorAll('script, img, iframe').length") == 0


def test_its_policy_lets_nothing_be_loaded_or_run(shown: Browser) -> None:
    policy = str(shown.run("return document.querySelector('meta[http-equiv]').content"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    ran = """
        const script = document.createElement('script');
        script.textContent = "document.title = 'ran'";
        document.body.append(script);
        const image = document.createElement('img');
        image.src = 'http://127.0.0.1:9/x.png';
        document.body.append(image);
        return document.title;
    """
    assert shown.run(ran) == "Audit of s3://source"
    complaints = shown.logged()
    assert any("script" in each for each in complaints)
    assert any("x.png" in each for each in complaints)


def test_its_style_is_the_one_that_the_policy_names(shown: Browser) -> None:
    assert shown.run("return getComputedStyle(document.querySelector('.badge')).borderStyle") == (
        "solid"
    )


def test_charts_are_seen(shown: Browser) -> None:
    boxes: Any = shown.run(
        "return [...document.querySelectorAll('svg.chart')].map(svg => {"
        " const box = svg.getBoundingClientRect(), bars = [...svg.querySelectorAll('rect')];"
        " return [box.width, box.height, Math.max(...bars.map(bar => bar.getBoundingClientRect().width)),"
        " bars.every(bar => getComputedStyle(bar).fill !== 'none'), svg.getAttribute('aria-label')]; })"
    )
    assert len(boxes) > 20
    for width, height, longest, filled, label in boxes:
        assert (width > 300, height > 10, longest > 50, filled, bool(label)) == (True,) * 5
    assert "public-grant" in _texts(shown, "svg.chart text.label")


def _texts(shown: Browser, selector: str) -> list[str]:
    return list(
        shown.run(
            f"return [...document.querySelectorAll('{selector}')].map(each => each.textContent)"
        )
    )


def test_the_keyboard_reaches_everything_and_opens_what_is_closed(shown: Browser) -> None:
    active = "return document.activeElement.textContent.trim()"
    shown.press(TAB)
    assert shown.run(active) == "Skip to the content"
    shown.press(ENTER)
    assert shown.run("return document.activeElement.id") == "content"
    reached = set()
    for _ in range(400):
        shown.press(TAB)
        kind, name = shown.run(
            "const each = document.activeElement; return [each.tagName, each.id || each.textContent]"
        )
        if kind == "BODY":
            break
        reached.add(kind)
        if kind == "SUMMARY" and "not-encrypted" in name:
            before = shown.run("return document.activeElement.parentElement.open")
            shown.press(ENTER)
            assert shown.run("return document.activeElement.parentElement.open") is not before
            shown.press(ENTER)
    assert {"A", "SUMMARY", "PRE", "DIV"} <= reached


def test_it_can_be_read_on_a_narrow_screen_and_on_paper(narrow: Browser) -> None:
    legible(narrow)
    assert narrow.printed().startswith(b"%PDF-")


def test_a_page_without_findings_says_so(browser: Browser, tmp_path: Path) -> None:
    clean = tuple(each for each in PLANTED if not each.found_by)
    path = tmp_path / "clean.html"
    report = planted_report(tmp_path / "report", planted=clean)
    path.write_text(audit_page(audit_report(report, now=NOW, policy=POLICY)), encoding="utf-8")
    browser.open(path)
    assert browser.logged() == []
    assert "0 found something" in _texts(browser, "main strong")[0]
    assert browser.run("return document.querySelectorAll('svg').length") == 0

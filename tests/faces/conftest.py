"""What tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.browser import Browser


@pytest.fixture
def shown(browser: Browser, page: Path) -> Browser:
    """A browser that shows the module's `page`."""
    browser.open(page)
    return browser


@pytest.fixture
def narrow(browser: Browser, page: Path) -> Iterator[Browser]:
    """The same on a telephone."""
    browser.resize(390)
    browser.open(page)
    yield browser
    browser.resize(1200)


def legible(browser: Browser) -> None:
    """Nothing sticks out, the text of charts is not shrunk away, no word is broken letter by letter."""
    width, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= room == 390
    heights = browser.run(
        "return [...document.querySelectorAll('.chart .label, .treemap text')].filter("
        "each => each.textContent).map(each => each.getBoundingClientRect().height)"
    )
    assert min(heights) > 7
    columns = browser.run(
        "return [...document.querySelectorAll('thead th')].map(each => each.clientHeight)"
    )
    assert max(columns) < 60

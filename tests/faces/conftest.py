"""What tests of pages share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.browser import Browser


@pytest.fixture
def shown(browser: Browser, page: Path) -> Browser:
    """A browser that shows the module's `page`."""
    browser.open(page)
    return browser

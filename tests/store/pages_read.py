"""What the tests of both readers of pages ask."""

from __future__ import annotations

from pathlib import Path

from stocktake.store.pages import Page
from stocktake.store.pages_exact import read_exact
from stocktake.store.pages_fast import read_together

GOLDEN = Path(__file__).parent.parent / "golden" / "pages"


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def read_fast(body: bytes, *, versions: bool) -> Page | None:
    """The page as the fast reader gives it, by itself."""
    pages = read_together([body], versions=versions)
    return None if pages is None else pages[0]


def agreed(body: bytes, *, versions: bool) -> Page:
    """The page that both readers give; the test fails where the fast one leaves it to the exact one."""
    fast = read_fast(body, versions=versions)
    assert fast is not None
    exact = read_exact(body, versions=versions)
    assert fast == exact
    return exact


def keys(page: Page) -> list[str]:
    return page.batch.column("key").to_pylist()


def column(page: Page, name: str) -> list[object]:
    return page.batch.column(name).to_pylist()

"""Which report is called what, and on which store it lies."""

from __future__ import annotations

import pytest

from stocktake.model.errors import UsageError
from stocktake.service.naming import named_reports, named_stores


@pytest.mark.parametrize(
    ("words", "names", "addresses", "sql"),
    [
        (["r", "SELECT 1"], [], {"inventory_report": "r"}, "SELECT 1"),
        (["r", None], [], {"inventory_report": "r"}, None),
        (["SELECT 1", None], ["a=x", "b=s3://y/k=v"], {"a": "x", "b": "s3://y/k=v"}, "SELECT 1"),
        (["r", "SELECT 1"], ["a=x"], {"inventory_report": "r", "a": "x"}, "SELECT 1"),
        ([None, None], ["a=x"], {"a": "x"}, None),
    ],
)
def test_one_word_beside_named_reports_is_the_sql(
    words: list[str | None], names: list[str], addresses: dict[str, str], sql: str | None
) -> None:
    assert named_reports(words, names) == (addresses, sql)


@pytest.mark.parametrize(
    ("words", "names", "says"),
    [
        ([None, None], [], "REPORT is missing"),
        (["SELECT 1"], ["a"], "expected NAME=REPORT"),
        (["SELECT 1"], ["=x"], "expected NAME=REPORT"),
        (["SELECT 1"], ["a=x", "A=y"], "two reports are called `A`"),
    ],
)
def test_names_that_cannot_be_are_refused(
    words: list[str | None], names: list[str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        named_reports(words, names)


def test_a_store_of_its_own_is_the_shared_one_but_for_what_is_said() -> None:
    texts = ["b:endpoint-url=http://127.0.0.1:1", "b:no_sign_request=true"]
    stores = named_stores(texts, {"a": "x", "b": "y"}, {"profile": "p"})
    assert list(stores) == ["b"]
    assert (stores["b"].endpoint_url, stores["b"].profile) == ("http://127.0.0.1:1", "p")
    assert not stores["b"].sign_requests


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c:profile=x", "is of no report; expected one of a"),
        ("a:profil=x", "expected NAME:OPTION=VALUE with one of endpoint-url"),
        ("a:profile", "expected NAME:OPTION=VALUE"),
        ("a", "expected NAME:OPTION=VALUE"),
        ("a:endpoint-url=host", "is no endpoint"),
    ],
)
def test_what_says_nothing_of_a_store_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        named_stores([text], {"a": "x"}, {})

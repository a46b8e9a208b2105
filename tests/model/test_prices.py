"""Price tables."""

from __future__ import annotations

import pytest

from stocktake.model.errors import UsageError
from stocktake.model.prices import AWS, FREE, Prices, parse_prices
from stocktake.model.runs import Call

TABLE = """
name = "our store"
currency = "EUR"
as_of = 2026-01-31
list_per_1000 = 0.01
head_per_1000 = 0.002
"""


def test_aws_takes_more_for_a_list_than_for_a_head() -> None:
    assert AWS.of(Call.LIST, 1_000_000) == pytest.approx(5.0)
    assert AWS.of(Call.HEAD, 1_000_000) == pytest.approx(0.4)
    assert AWS.as_of is not None


def test_free_is_free_whatever_is_asked() -> None:
    assert sum(FREE.of(call, 1e9) for call in Call) == 0


def test_a_table_of_ones_own_costs_what_it_says_and_nothing_else() -> None:
    prices = parse_prices(TABLE, "prices.toml")
    assert (prices.name, prices.currency, str(prices.as_of)) == ("our store", "EUR", "2026-01-31")
    assert prices.of(Call.LIST, 500) == pytest.approx(0.005)
    assert prices.of(Call.HEAD, 500) == pytest.approx(0.001)
    assert prices.of(Call.ACL, 500) == 0
    assert parse_prices("", "prices.toml") == Prices(name="prices.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("list_per_1000", "is no TOML"),
        ("list_per_100 = 1", "list_per_100"),
        ("list_per_1000 = -1", "list_per_1000"),
        ("list_per_1000 = nan", "list_per_1000"),
        ("list_per_1000 = inf", "list_per_1000"),
        ("list_per_1000 = 'dear'", "list_per_1000"),
        ("as_of = 'lately'", "as_of"),
        ("name = ''", "name"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"prices\.toml") as caught:
        parse_prices(text, "prices.toml")
    assert said in caught.value.message

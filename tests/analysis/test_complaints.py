"""What DuckDB says is wrong with SQL, in one line that quotes the place: held against DuckDB's own words."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.analysis.complaints import on_one_line


def said(sql: str) -> str:
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (key VARCHAR, size BIGINT)")
        connection.execute("INSERT INTO t VALUES ('line\nfeed', 1)")
        try:
            connection.execute(sql).fetchall()
        except duckdb.Error as error:
            return on_one_line(str(error), sql)
    raise AssertionError(f"nothing is wrong with {sql}")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC" (at `SELEC 1`)'),
        ("SELECT key\nFORM t\n", 'Parser Error: syntax error at or near "t" (line 2, at `t`)'),
        (
            "SELECT sise FROM t",
            'Binder Error: Referenced column "sise" not found in FROM clause! Candidate bindings: "size"'
            " (at `sise FROM t`)",
        ),
        ("SELECT '漢字', 'e\u0301', x y z FROM t", 'Parser Error: syntax error at or near "z" (at `z FROM t`)'),
        (
            "SELECT '" + "a" * 200 + "', x y " + "z" * 90,
            f'Parser Error: syntax error at or near "{"z" * 90}" (at `{"z" * 37}...`)',
        ),
        (
            "SELECT 1 FROM t WHERE CAST(key AS INTEGER) = 1",
            "Conversion Error: Could not convert string 'line feed' to INT32 when casting from source column key"
            " (at `CAST(key AS INTEGER) = 1`)",
        ),
        (
            "SELECT abs(key, 1) FROM t",
            "Binder Error: No function matches the given name and argument types 'abs(VARCHAR, INTEGER_LITERAL)'."
            " You might need to add explicit type casts. (at `abs(key, 1) FROM t`)",
        ),
    ],
)  # fmt: skip
def test_it_is_one_line_with_the_place(sql: str, told: str) -> None:
    assert said(sql) == told


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_becomes_one_line_that_is_not_too_long(text: str, sql: str) -> None:
    told = on_one_line(text, sql)
    assert "\n" not in told
    assert len(told) < 600

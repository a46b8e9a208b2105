"""The first folders of a key, as SQL finds them, are those that a split at its slashes finds."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.analysis.folders import first_folders
from stocktake.analysis.usage.questions import folder_of_key

# Letters of one to four bytes, some of which are seen as one with those before them.
LETTERS = "/a.\\%_\n\0é\u0301日\u200d\U0001f469"


@settings(deadline=None)
@given(
    st.lists(st.text(LETTERS, min_size=1, max_size=16), min_size=1, max_size=200),
    st.integers(0, 8),
)
def test_a_key_lies_in_its_first_folders(keys: list[str], depth: int) -> None:
    expected = ["".join(f"{part}/" for part in key.split("/")[:-1][:depth]) for key in keys]
    with duckdb.connect() as connection:
        connection.register("keys", pa.table({"key": keys}))
        for sql in (first_folders("key", depth), folder_of_key(depth)):
            found = connection.sql(f"SELECT {sql} FROM keys").fetchall()
            assert [folder for [folder] in found] == expected

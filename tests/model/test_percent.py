"""Percent-encoded columns."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.keys import decode_csv_key
from stocktake.model.percent import percent_decoded

KEYS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
# Escapes, halves of escapes, and what may follow them in the next text.
SCRAPS = st.lists(
    st.sampled_from(["%", "4", "41", "%4", "%41", "%zz", "+", "%2B", "%25", "é", "%C3%A9", "a"]),
    max_size=8,
)


@given(st.lists(KEYS), st.booleans(), st.integers(0, 3))
def test_what_was_encoded_is_had_back(keys: list[str], lower: bool, skipped: int) -> None:
    texts = [quote(key, safe="/") for key in keys]
    column = pa.array(
        [
            text.lower() if lower and text.isascii() and text.upper() == text else text
            for text in texts
        ],
        pa.string(),
    )
    assert percent_decoded(column[skipped:]).to_pylist() == [
        decode_csv_key(text) for text in column[skipped:].to_pylist()
    ]


@given(st.lists(SCRAPS.map("".join)), st.integers(0, 2))
def test_what_begins_no_escape_stands_for_itself(texts: list[str], skipped: int) -> None:
    column = pa.array(texts, pa.string())[skipped:]
    expected = [unquote_to_bytes(text.replace("+", " ")) for text in column.to_pylist()]
    try:
        decoded = [each.decode() for each in expected]
    except UnicodeDecodeError:
        with pytest.raises(pa.ArrowInvalid):
            percent_decoded(column)
    else:
        assert percent_decoded(column).to_pylist() == decoded


@pytest.mark.parametrize(
    "texts", [["a%FF"], ["%C3", "%A9"], ["%ED%A0%80"], ["%C3%", "A9"], ["ok", "%E8%B3"]]
)
def test_what_is_no_utf_8_is_an_error(texts: list[str]) -> None:
    with pytest.raises(pa.ArrowInvalid):
        percent_decoded(pa.array(texts))

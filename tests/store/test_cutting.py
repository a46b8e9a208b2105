"""What cuts many texts out of one buffer: as Python itself would."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st

from stocktake.store.cutting import split

SEPARATORS = ("</", "<", "\0")
texts = st.lists(
    st.sampled_from([b"<", b"/", b"</", b"\0", b"\xff", b"a", "\u00e9".encode(), b"x" * 70])
).map(b"".join)


@given(texts, st.sampled_from(SEPARATORS))
def test_data_is_split_as_bytes_are(data: bytes, separator: str) -> None:
    found = split(data, separator)
    found.validate(full=True)
    assert found.to_pylist() == data.split(separator.encode())


def test_what_was_split_stays_when_all_else_is_gone() -> None:
    found = [split(b"%d</" % number * 10_000, "</")[1:-1] for number in range(50)]
    gc.collect()
    for number, parts in enumerate(found):
        assert parts.unique().to_pylist() == [b"%d" % number]
        assert len(parts) == 9_999

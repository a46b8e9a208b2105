"""What cuts many texts out of one buffer: as Python itself would."""

from __future__ import annotations

import gc
import struct

import pyarrow as pa
import pytest
import stringzilla
from hypothesis import given
from hypothesis import strategies as st

from stocktake.store.cutting import split
from stocktake.store.pages import read_page
from stocktake.store.pages_exact import read_exact
from tests.store.pages_written import AWS_STYLE, object_row, written

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


class _Parts:
    """Two parts as another version of the library may keep them."""

    def __init__(self, *offsets: int, form: str) -> None:
        self._texts = pa.py_buffer(b"some text")
        self._offsets = pa.py_buffer(struct.pack(f"<{len(offsets)}{form}", *offsets))
        self.tape_address, self.tape_nbytes = self._texts.address, self._texts.size
        self.offsets_address, self.offsets_nbytes = self._offsets.address, self._offsets.size

    def __len__(self) -> int:
        return 2

    def split(self, _separator: str) -> _Parts:
        return self


@pytest.mark.parametrize(
    ("offsets", "form"),
    [
        ((0, 4, 9), "q"),
        ((0, 4, 2**31 + 4), "I"),
        ((0, 4, 90), "i"),
        ((0, 9, 4), "i"),
        ((0, 4), "i"),
    ],
    ids=["64 bits", "beyond 2 GiB", "beyond its texts", "descending", "one too few"],
)
def test_what_is_kept_otherwise_than_by_arrow_is_never_read(
    monkeypatch: pytest.MonkeyPatch, offsets: tuple[int, ...], form: str
) -> None:
    monkeypatch.setattr(stringzilla, "Str", lambda _: _Parts(*offsets, form=form))
    with pytest.raises(pa.ArrowInvalid):
        split(b"some</ text", "</")
    page = written([object_row("a"), object_row("b")], AWS_STYLE, versions=False)
    assert read_page(page, versions=False) == read_exact(page, versions=False)

"""The fast reader of HEAD answers and the exact one give the same batch, whatever stores send."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stocktake.store import heads_fast
from stocktake.store.heads import read_heads
from stocktake.store.heads_cutting import Blocks, layout_of
from stocktake.store.heads_exact import CHECKSUMS, COLUMNS, METADATA, read_exact
from stocktake.store.requests import Answer
from tests.store.test_heads import CEPH

# Answers with the headers of moto and of AWS, in their orders.
MOTO = (
    b"Server: Werkzeug/3.1.3 Python/3.11.7\r\nDate: Sun, 22 Nov 2026 14:52:33 GMT\r\nETag: "
    b'"9e107d9d372bb6826bd81d3542a419d6"\r\nx-amz-server-side-encryption: AES256\r\nAccept-Ranges: bytes\r\n'
    b"last-modified: Sun, 22 Nov 2026 14:52:33 GMT\r\ncontent-length: 2\r\nContent-Encoding: gzip\r\n"
    b"Content-Type: binary/octet-stream\r\nConnection: close\r\n"
)
AWS = (
    b"x-amz-id-2: eftixk72aD6Ap51TnqcoF8eFidJG9Z/2\r\nx-amz-request-id: 318BC8BC148832E5\r\n"
    b"Date: Tue, 01 Dec 2026 09:00:00 GMT\r\nLast-Modified: Wed, 25 Nov 2026 12:00:00 GMT\r\n"
    b'x-amz-expiration: expiry-date="Fri, 24 Nov 2028 00:00:00 GMT", rule-id="a"\r\n'
    b'ETag: "fba9dede5f27731c9771645a39863328-3"\r\nx-amz-server-side-encryption: aws:kms\r\n'
    b"x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:x:1:key/a\r\n"
    b"x-amz-server-side-encryption-bucket-key-enabled: true\r\nx-amz-version-id: 3HL4kqtJlcpXroDTDmJ\r\n"
    b"x-amz-replication-status: COMPLETED\r\nx-amz-object-lock-mode: GOVERNANCE\r\n"
    b"x-amz-object-lock-retain-until-date: 2033-11-25T12:00:00.000Z\r\nx-amz-object-lock-legal-hold: OFF\r\n"
    b"x-amz-meta-department: finance\r\nContent-Type: text/csv\r\nContent-Length: 434234\r\n"
    b"x-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\nx-amz-checksum-type: FULL_OBJECT\r\n"
)

DATES = (
    b"Wed, 25 Nov 2026 12:00:00 GMT", b"Wed, 25 Nov 2026 23:59:60 GMT", b"Wed, 25 Nov 2026 24:00:00 GMT",
    b"Wed, 31 Feb 2026 12:00:00 GMT", b"Wed, 25 Nov 0000 12:00:00 GMT", b"Wed, 25 Nov 9999 12:00:00 GMT",
    b"Wed, 25 Nov 2026 1:00:00 GMT", b"Wed, 25 Nov 2026 12:00:00 UTC", b"Wed, 25 Nov 2026 12-00-00 GMT",
    b"Wed, 25 Nov 1969 12:00:00 GMT", b"Wed, 25 Nov 2026 12:00:00 +0100", b"Wednesday, 25-Nov-26 12:00:00 GMT",
    b"2033-11-25T12:00:00.000Z", b"2033-11-25T12:00:00Z", b"2033-11-25T12:00:00.000000000Z", b"2033-11-25",
    b"0000-01-01T00:00:00.000Z", b"0010-01-01T00:00:00.000Z", b"9999-12-31T23:59:59.999Z",
    b"2033-02-30T12:00:00.000Z", b"2033-11-25T24:00:00.000Z", b"2033-11-25T12:00:60.000Z", b"20331125T120000Z",
    b"2033-11-25T12:00:00+01:00", b"2033-11-25 12:00:00", "٣033-11-25T12:00:00.000Z".encode(), b"never",
)  # fmt: skip
WORDS = (
    b"", b"0", b"17", b"007", b"+5", b"-5", b"0x10", b"1e3", b"999999999999999999", b"1000000000000000000", b"1 7",
    "٣".encode(), "²".encode(), b'"abc"', b'W/"abc"', b'W/abc', b'""abc""', b'"', b'""', b"abc-2", b"null", b"NULL",
    b"true", b"TRUE ", b"AES256", b"aws:kms", b"COMPLETE", b"FAILED", b"failed", b"STANDARD", b"ON",
    b'ongoing-request="true"', b'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
    b'expiry-date="Fri, 21 Dec 2012 00:00:00 GMT", rule-id="x"', b'expiry-date="2012-12-21T00:00:00.000Z"',
    b"a: b", b"HTTP/1.1 200 OK", b"=?UTF-8?B?Z3LDtsOfZQ==?=", b"=?UTF-8?Q?_a?=", b' =?x', b'say "hi" \\',
    "größe".encode(), "größe".encode("latin-1"), b"\x00", b"\x07\x7f", b"\xc2\xa0x\xc2\xa0", b"\x0b x \x0c", b"\xff",
    "\u2028".encode(), b"\x1f", b"a\tb",
)  # fmt: skip
ODD = (
    b"a\rb",
    b"a\nb",
    b"a\n b: c",
    b"a\r\n folded",
    b"a\r\n\tfolded: b",
    b"a\r\nnonsense",
    b"a\r\n: b",
    b"a\r\n\r\nETag: b",
)

NAMES = sorted(
    {name for column in COLUMNS for name in column.headers if name != METADATA}
    | {METADATA + name for name in (b"a", b"b", b"", b"\xe9", "é".encode(), b'"', b"a b", b"\\")}
    | {b"date", b"x-amz-checksum-unknown", b"x-amz-meta", b"x"}
)

names = st.sampled_from(NAMES).flatmap(
    lambda name: st.sampled_from([name, name.title(), name.upper()])
)
plain_values = st.one_of(
    st.sampled_from(DATES),
    st.sampled_from(WORDS),
    st.from_regex(rb"[ -~]{0,12}", fullmatch=True),
    st.binary(max_size=6).filter(lambda value: b"\r" not in value and b"\n" not in value),
)
values = st.one_of(plain_values, plain_values, plain_values, st.sampled_from(ODD))
blanks = st.sampled_from([b" ", b" ", b" ", b"", b"\t", b"  "])


@st.composite
def batches(draw: st.DrawFn, values: st.SearchStrategy[bytes] = values) -> list[Answer]:
    """Answers of a few layouts in any order, each with values of its own; some repeat, some are odd."""
    layouts = draw(st.lists(st.lists(names, max_size=8), min_size=1, max_size=4))
    answers = []
    for layout in draw(st.lists(st.sampled_from(layouts), max_size=8)):
        raw = b"".join(
            name
            + b":"
            + draw(blanks)
            + draw(values)
            + draw(st.sampled_from([b"", b"", b" ", b"\t"]))
            + b"\r\n"
            for name in layout
        )
        ending = draw(st.sampled_from([b"", b"", b"", b"", b"\r\n", b"x", b"ETag: x"]))
        start = draw(st.sampled_from([b"", b"", b"", b"", b"HTTP/1.1 200 OK\r\n"]))
        status = draw(st.sampled_from([200] * 6 + [206, 403, 404, 0]))
        answers.append(Answer(status, start + raw + ending, b""))
    return answers


def agreed(answers: Sequence[Answer]) -> None:
    fast, exact = read_heads(answers), read_exact(answers)
    fast.validate(full=True)
    assert fast.to_pydict() == exact.to_pydict()
    assert fast.equals(exact)


@given(batches())
@example([Answer(200, b"", b"")])
@example(
    [Answer(200, b"ETag: a\r\n", b""), Answer(200, b"ETa", b""), Answer(200, b"ETag\r\n", b"")]
)
@example([Answer(200, b"ab:\r\nc: 1\r\n", b""), Answer(200, b"a\r\nb:c: 1\r\n", b"")])
def test_both_readers_agree_on_any_answers(answers: list[Answer]) -> None:
    agreed(answers)


@given(batches(plain_values))
def test_both_readers_agree_on_answers_of_plain_lines(answers: list[Answer]) -> None:
    agreed(answers)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_both_readers_agree_on_any_bytes(blocks: list[bytes]) -> None:
    agreed([Answer(200, block, b"") for block in blocks])


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not n.startswith(METADATA) or n == METADATA + b"a"]
)
def test_both_readers_agree_on_every_value_of_every_header(name: bytes) -> None:
    told = [name + b": " + value + b"\r\n" for value in (*DATES, *WORDS)]
    for line in told:
        # Together with one like it and alone: what reads all at once must notice the only odd one.
        agreed([Answer(200, line, b""), Answer(200, told[0], b"")])
        agreed([Answer(200, line, b"")])
    agreed([Answer(200, line, b"") for line in told])
    agreed(
        [
            Answer(200, line + CEPH[:-2].replace(b"\r\n" + name, b"\r\nx-" + name), b"")
            for line in told
        ]
    )


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [b"ETag", b"Content-Type", METADATA + b"a"])
def test_half_an_end_of_a_line_is_noticed_among_answers_of_one_layout(
    name: bytes, odd: bytes
) -> None:
    plain, strange = (Answer(200, name + b": " + value + b"\r\n", b"") for value in (b"a", odd))
    agreed([plain, strange, plain])
    agreed([strange, plain])


@given(st.permutations([AWS, MOTO, CEPH, CEPH[:-2]] * 3), st.data())
def test_both_readers_agree_on_answers_of_stores_mixed_and_damaged(
    blocks: list[bytes], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(blocks) - 1))
    at = data.draw(st.integers(0, len(blocks[place]) - 1))
    by = data.draw(st.binary(max_size=3))
    blocks[place] = blocks[place][:at] + by + blocks[place][at + data.draw(st.integers(0, 3)) :]
    agreed([Answer(200, block, b"") for block in blocks])


# --- which reader reads --------------------------------------------------------------------------------------------


def left_to_the_exact(monkeypatch: pytest.MonkeyPatch, blocks: Sequence[bytes]) -> list[bytes]:
    """The blocks that the fast reader hands on."""
    left: list[bytes] = []
    monkeypatch.setattr(
        heads_fast,
        "read_exact",
        lambda answers: (left.extend(answer.headers for answer in answers), read_exact(answers))[1],
    )
    answers = [Answer(200, block, b"") for block in blocks]
    assert heads_fast.read_fast(answers).equals(read_exact(answers))
    return left


def test_answers_of_stores_are_read_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert left_to_the_exact(monkeypatch, [AWS, MOTO, CEPH[:-2], AWS, MOTO] * 5) == []


@pytest.mark.parametrize(
    "odd",
    [
        b"ETag: a\r\netag: a\r\n",
        b"ETag: a\r\nETag: b\r\n",
        b"ETag: a\r\n b: folded\r\n",
        b"ETag: a\r\nnonsense\r\n",
        b"ETag: a",
        b"ETag: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nETag: a\r\n",
        b"x y: a\r\n",
        b"x-amz-meta-\xe9: a\r\n",
        b"",
    ],
)
def test_an_odd_answer_alone_is_left_to_the_exact_reader(
    monkeypatch: pytest.MonkeyPatch, odd: bytes
) -> None:
    assert left_to_the_exact(monkeypatch, [AWS, odd, MOTO, AWS]) == [odd]


def test_more_layouts_than_are_worth_it_are_left_to_the_exact_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = [b"x-amz-meta-%d: 1\r\n" % number for number in range(40)]
    assert left_to_the_exact(monkeypatch, blocks) == blocks[16:]


def test_a_layout_is_cut_out_of_those_that_have_it() -> None:
    layout = layout_of(b"A: 1\r\nb:2\r\n")
    blocks = Blocks.of(
        [b"A: 3\r\nb:\r\n", b"A: 4\r\nB:5\r\n", b"A:\r\nb: : \r\n", b"b:2\r\nA: 1\r\n"]
    )
    assert layout is not None
    assert blocks is not None
    cut = blocks.cut(layout, pa.array(range(4), pa.int32()))
    assert cut.rows.to_pylist() == [0, 2]
    assert cut.value(0).to_pylist() == [b" 3", b""]
    assert cut.value(1).to_pylist() == [b"", b" : "]


@pytest.mark.parametrize("header", [*CHECKSUMS])
def test_checksums_of_every_kind_are_read_all_at_once(
    monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    blocks = [header.title() + b": " + text + b"\r\n" for text in (b"a=", b"", b"c=-2")]
    assert left_to_the_exact(monkeypatch, blocks) == []

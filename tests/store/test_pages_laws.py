"""Whatever a store writes, and however it writes it: both readers give the same batch, and it is the truth."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import event, given, settings
from hypothesis import strategies as st

from stocktake.model.errors import ServerError
from stocktake.store.pages import LISTED_SCHEMA, read_page, read_pages
from stocktake.store.pages_exact import read_exact
from stocktake.store.pages_fast import read_together
from tests.store.pages_read import read_fast
from tests.store.pages_written import NAMESPACE, Row, Style, written

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What XML can carry; url-encoding can carry the rest.
xml_characters = st.characters(
    exclude_categories=["Cs"],
    exclude_characters=[*map(chr, {*range(0x20)} - {9, 10, 13}), "\ufffe", "\uffff"],
)
any_characters = st.characters(exclude_categories=["Cs"])
troublesome = st.sampled_from(
    [
        "%2F",
        "+",
        "&amp;",
        "<Key>",
        "]]>",
        "</Contents>",
        "<Contents>",
        '"',
        "\r\n",
        " ",
        "%",
        "é",
        "日",
        "\U0001f600",
        "\x01",
    ]
)
words = st.sampled_from(["STANDARD", "GLACIER", "R&D <x>", "", "null", "é", "a b"])


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A date as stores write it, and what it means."""
    moment = draw(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    digits = draw(st.sampled_from([0, 3, 6, 9]))
    fraction = f"{moment.microsecond:06d}000"[:digits]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if digits else "") + "Z"
    kept_ms = int(f"{fraction:0<3}"[:3]) if digits else 0
    return text.rjust(20, "0"), moment.replace(microsecond=kept_ms * 1000)


@st.composite
def records(
    draw: st.DrawFn, style: Style, record: str, *, whole: bool
) -> tuple[Row, dict[str, object]]:
    """One record and the row it means."""
    alphabet = any_characters if style.url_encoded else xml_characters
    pieces = draw(
        st.lists(
            st.one_of(st.text(alphabet, min_size=1, max_size=8), troublesome),
            min_size=1,
            max_size=4,
        )
    )
    key = "".join(pieces)
    if not style.url_encoded:
        key = key.replace("\x01", "x").replace("]]>", "]]")
    version = draw(st.sampled_from(["null", "v1", "3HL4kqtJlcpXroDTDmjVBH40Nrjfkd"]))
    latest, size, etag = (
        draw(st.booleans()),
        draw(st.integers(0, 2**62)),
        draw(st.text("0123456789abcdef-", max_size=34)),
    )
    written_moment, moment = draw(moments())
    texts: dict[str, str | None] = {
        "Size": str(size), "ETag": etag, "StorageClass": draw(words), "ChecksumAlgorithm": draw(words),
        "ChecksumType": draw(words), "Owner/DisplayName": draw(words), "Owner/ID": draw(words), "Type": draw(words),
        "RestoreStatus/IsRestoreInProgress": draw(st.sampled_from(["true", "false"])),
        "RestoreStatus/RestoreExpiryDate": "2012-12-21T00:00:00Z",
    }  # fmt: skip
    absent = set() if whole else draw(st.sets(st.sampled_from([*texts])))
    absent -= {"Size"} if record != "DeleteMarker" else set()  # an object has one
    present = {path: text for path, text in texts.items() if path not in absent}
    empty = {path for path, text in present.items() if text == "" and path != "ETag"}
    present |= dict.fromkeys(draw(st.sets(st.sampled_from(sorted(empty)))) if empty else (), None)
    marker = record == "DeleteMarker"
    always = {"Key": key, "LastModified": written_moment}
    if record != "Contents":
        always |= {"VersionId": version, "IsLatest": "true" if latest else "false"}
    known = lambda path: present.get(path) or None  # noqa: E731
    expiry = (
        ',"RestoreExpiryDate":"2012-12-21T00:00:00.000Z"'
        if known("RestoreStatus/RestoreExpiryDate")
        else ""
    )
    begun = known("RestoreStatus/IsRestoreInProgress")
    row: dict[str, object] = {
        "key": key,
        "version_id": None if record == "Contents" or version == "null" else version,
        "is_latest": record == "Contents" or latest,
        "is_delete_marker": marker,
        "last_modified_date": moment,
        "object_owner": known("Owner/ID"),
    } | {
        "size": None if marker else size,
        "e_tag": None if marker or "ETag" not in present else etag or None,
        "storage_class": None if marker else known("StorageClass") or "STANDARD",
        "checksum_algorithm": None if marker else known("ChecksumAlgorithm"),
        "checksum_type": None if marker else known("ChecksumType"),
        "restore_status": None
        if marker or not begun
        else f'{{"IsRestoreInProgress":{begun}{expiry}}}',
    }
    return Row(record, tuple((always | present).items())), row


styles = st.builds(
    Style,
    namespace=st.sampled_from([None, NAMESPACE, "urn:other"]),
    declaration=st.sampled_from(
        ["", '<?xml version="1.0" encoding="UTF-8"?>\n', "<?xml version='1.0'?>"]
    ),
    indent=st.sampled_from(["", "\n  "]),
    cdata=st.booleans(),
    comments=st.booleans(),
    quote=st.sampled_from(["&quot;", "&#34;", '"', ""]),
    url_encoded=st.booleans(),
    tail=st.sampled_from([(), (("NextContinuationToken", "a%41&"), ("NextKeyMarker", "k"))]),
    common_prefixes=st.sampled_from([(), ("a b/", "é/")]),
)


@st.composite
def pages(
    draw: st.DrawFn, *, regular: bool = False
) -> tuple[bytes, bool, list[dict[str, object]], Style]:
    """The bytes of a page, whether it lists versions, and the rows it means."""
    style = draw(styles)
    if regular:
        style = Style(**{**vars(style), "cdata": False, "comments": False})
    versions = draw(st.booleans())
    names = ["Version", "DeleteMarker"] if versions else ["Contents"]
    # What follows what is only known for elements that stood in one record, so a regular page begins with a whole one.
    drawn = [
        draw(records(style, draw(st.sampled_from(names)), whole=regular and number == 0))
        for number in range(draw(st.integers(0, 6)))
    ]
    rows = [row for row, _ in drawn]
    if not regular and draw(st.booleans()):
        rows = [Row(row.record, tuple(draw(shuffled(row.elements)))) for row in rows]
    return written(rows, style, versions=versions), versions, [truth for _, truth in drawn], style


def shuffled(
    elements: tuple[tuple[str, str | None], ...],
) -> st.SearchStrategy[list[tuple[str, str | None]]]:
    """The elements in any order, those of one group together."""
    groups: dict[str, list[tuple[str, str | None]]] = {}
    for path, text in elements:
        groups.setdefault(path.partition("/")[0], []).append((path, text))
    return st.permutations([*groups.values()]).map(
        lambda order: [each for group in order for each in group]
    )


@settings(max_examples=120)
@given(pages())
def test_every_page_is_read_as_what_was_written(
    drawn: tuple[bytes, bool, list[dict[str, object]], Style],
) -> None:
    event("fast" if check_readers(drawn) else "left to the exact reader")


@settings(max_examples=120)
@given(pages(regular=True))
def test_pages_of_one_order_of_elements_are_read_fast(
    drawn: tuple[bytes, bool, list[dict[str, object]], Style],
) -> None:
    _, _, truth, _ = drawn
    assert check_readers(drawn) or not truth


def check_readers(drawn: tuple[bytes, bool, list[dict[str, object]], Style]) -> bool:
    """Whether the page is read fast; the test fails where a reader does not give what was written."""
    body, versions, truth, style = drawn
    expected = pa.RecordBatch.from_pylist(truth, schema=LISTED_SCHEMA)
    exact = read_exact(body, versions=versions)
    assert exact.batch.equals(expected)
    assert exact.common_prefixes == style.common_prefixes
    fast = read_fast(body, versions=versions)
    assert fast is None or fast == exact
    assert read_page(body, versions=versions) == exact
    return fast is not None


@settings(max_examples=60)
@given(st.lists(pages(), min_size=2, max_size=4))
def test_a_page_is_read_alike_whatever_pages_were_read_before(
    drawn: list[tuple[bytes, bool, list[dict[str, object]], Style]],
) -> None:
    for page in drawn * 2:
        check_readers(page)


DAMAGE = [
    b"", b"<", b">", b"&", b"&#1;", b"&am", b"&amp;", b"\x00", b"\xff", b"\xc3", b"\r", b"]]>", b"<Key>x</Key>",
    b"</Contents>", b"<!--", b"<a/>", b"%", b'"', b"&quot;", b"\xef\xbf\xbe", b"text", b"<Contents>",
    b"<Size>1</Size>", b" ",
]  # fmt: skip

LONG_ROWS = 40


@st.composite
def long_pages(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Pages of many records that have few different forms, as stores write them."""
    style, versions = draw(styles), draw(st.booleans())
    style = Style(**{**vars(style), "cdata": False, "comments": False, "common_prefixes": ()})
    names = ["Version", "DeleteMarker"] if versions else ["Contents"]
    few = [
        draw(records(style, draw(st.sampled_from(names)), whole=False))[0]
        for _ in range(draw(st.integers(1, 3)))
    ]
    rows = draw(st.lists(st.sampled_from(few), min_size=LONG_ROWS, max_size=LONG_ROWS))
    return written(rows, style, versions=versions), versions


@settings(max_examples=60)
@given(st.lists(long_pages(), min_size=1, max_size=3), st.data())
def test_long_pages_of_few_forms_are_read_fast_and_damage_to_them_is_seen(
    drawn: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    for body, versions in drawn * 2:
        assert read_fast(body, versions=versions) == read_exact(body, versions=versions)
    body, versions = drawn[-1]
    at = data.draw(st.integers(body.find(b">", body.find(b"Result")), len(body)))
    cut = data.draw(st.integers(0, 3))
    body = body[:at] + data.draw(st.sampled_from(DAMAGE)) + body[at + cut :]
    fast = outcome(read_fast, body, versions)
    event(f"fast {type(fast).__name__}")
    assert fast is None or fast == outcome(read_exact, body, versions)


@settings(max_examples=200)
@given(pages(regular=True), st.data())
def test_damage_is_an_error_to_both_readers_or_to_none(
    drawn: tuple[bytes, bool, list[dict[str, object]], Style], data: st.DataObject
) -> None:
    body, versions, truth, _ = drawn
    if data.draw(st.booleans(), label="the page is known without its damage"):
        read_fast(body, versions=versions)
    at = data.draw(st.integers(body.find(b">", body.find(b"Result")) if truth else 0, len(body)))
    body = (
        body[:at] + data.draw(st.sampled_from(DAMAGE)) + body[at + data.draw(st.integers(0, 3)) :]
    )
    exact = outcome(read_exact, body, versions)
    fast = outcome(read_fast, body, versions)
    event(f"fast {type(fast).__name__}")
    assert fast is None or fast == exact


@settings(max_examples=100)
@given(st.lists(st.one_of(long_pages(), pages(regular=True)), min_size=2, max_size=5), st.data())
def test_pages_that_are_read_together_are_what_each_is_by_itself(
    drawn: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    versions = drawn[0][1]
    bodies = [body for body, *_ in drawn]
    if data.draw(st.booleans(), label="alike"):
        bodies = data.draw(st.lists(st.sampled_from(bodies[:2]), min_size=2, max_size=5))
    if data.draw(st.booleans(), label="damaged"):
        place = data.draw(st.integers(0, len(bodies) - 1))
        at = data.draw(st.integers(0, len(bodies[place])))
        bodies[place] = bodies[place][:at] + data.draw(st.sampled_from(DAMAGE)) + bodies[place][at:]
    alone = [outcome(read_page, body, versions) for body in bodies]
    read = read_pages(bodies, versions=versions)
    assert [type(each) if isinstance(each, ServerError) else each for each in read] == alone
    together = outcome(read_together, bodies, versions)
    event(f"together {type(together).__name__}")
    assert together in (None, ServerError, alone)


def outcome(read: object, body: object, versions: bool) -> object:
    try:
        return read(body, versions=versions)  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001
        return type(error)

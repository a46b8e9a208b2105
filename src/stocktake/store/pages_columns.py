"""The texts of a page's records -> the typed columns of a listing.

Both readers of pages, the exact and the fast one, end here, so what a value means is written down once: which text is
a null, how a key is decoded, what a delete marker does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, cast
from urllib.parse import unquote_plus, unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import ServerError
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT
from stocktake.model.percent import percent_decoded
from stocktake.store.moments import iso_moment, iso_moments

# One row per version, delete marker or object, in document order.
LISTED_SCHEMA = pa.schema([
    pa.field("key", TEXT, nullable=False),
    pa.field("version_id", TEXT),
    pa.field("is_latest", FLAG),
    pa.field("is_delete_marker", FLAG),
    pa.field("size", NUMBER),
    pa.field("last_modified_date", MOMENT),
    pa.field("e_tag", TEXT),
    pa.field("storage_class", TEXT),
    pa.field("checksum_algorithm", TEXT),
    pa.field("checksum_type", TEXT),
    pa.field("object_owner", TEXT),
    pa.field("restore_status", TEXT),
])  # fmt: skip

# Where the texts stand in a record. RECORD is the name of the record itself.
RECORD = "record"
TEXT_PATHS: tuple[str, ...] = (
    "Key", "VersionId", "IsLatest", "LastModified", "ETag", "Size", "StorageClass", "ChecksumAlgorithm",
    "ChecksumType", "Owner/ID", "RestoreStatus/IsRestoreInProgress", "RestoreStatus/RestoreExpiryDate",
)  # fmt: skip
RECORD_NAMES: dict[bool, tuple[str, ...]] = {
    False: ("Contents",),
    True: ("Version", "DeleteMarker"),
}

# Path -> one text a record, in document order, decoded of XML, an ETag without its quotes; null where the record has
# none or an empty one. A path that no record has may be missing.
Texts: TypeAlias = Mapping[str, pa.StringArray]

_CONSTANTS_MAX = 32


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to LIST: its rows, and what it says about the next one; `bucket` is the Name it gives.

    `next_*` are the texts as the store wrote them, decoded only of XML, never percent-decoded: some stores encode
    them, some do not. None where the page has none.
    """

    batch: pa.RecordBatch
    bucket: str | None
    truncated: bool
    next_token: str | None
    next_key: str | None
    next_version: str | None
    common_prefixes: tuple[str, ...] = ()


def listed_batch(texts: Texts, *, versions: bool, url_encoded: bool) -> pa.RecordBatch:
    """The records' texts, with RECORD among them, as one batch of LISTED_SCHEMA.

    Raises:
        ServerError: a record without a key, a key that is no UTF-8, an object without a size, a size or date that is
            none.
    """
    rows = len(texts[RECORD])
    markers = _markers(texts, rows) if versions else None
    columns = {
        "key": _keys(_text(texts, "Key", rows), url_encoded=url_encoded),
        "version_id": _versions(texts, rows) if versions else nulls(rows),
        "is_latest": _flag(texts, "IsLatest", rows) if versions else _repeated(True, rows),  # noqa: FBT003
        "is_delete_marker": _repeated(False, rows) if markers is None else markers,  # noqa: FBT003
        "size": _sizes(texts, rows, markers),
        "last_modified_date": _moments(texts, rows),
        "e_tag": _text(texts, "ETag", rows),
        "storage_class": _text(texts, "StorageClass", rows).fill_null("STANDARD"),
        "checksum_algorithm": _text(texts, "ChecksumAlgorithm", rows),
        "checksum_type": _text(texts, "ChecksumType", rows),
        "object_owner": _text(texts, "Owner/ID", rows),
        "restore_status": _restore_status(texts, rows),
    }
    if markers is not None and markers.true_count:
        for name in _ABSENT_IN_MARKERS:
            if columns[name].null_count < rows:
                columns[name] = pc.if_else(markers, None, columns[name])
    return pa.RecordBatch.from_arrays(
        [columns[name] for name in LISTED_SCHEMA.names], schema=LISTED_SCHEMA
    )


# MinIO lists a size and a class for delete markers too; AWS's reports leave them empty.
_ABSENT_IN_MARKERS = (
    "size",
    "e_tag",
    "storage_class",
    "checksum_algorithm",
    "checksum_type",
    "restore_status",
)


def decode_key(text: str, *, url_encoded: bool) -> str:
    """One key or prefix as the store means it.

    Raises:
        ServerError: what it decodes to is no UTF-8.
    """
    if not url_encoded:
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise ServerError(
            f"the listing holds the key `{text}`, which decodes to no UTF-8"
        ) from error


def text_buffer(texts: pa.StringArray | pa.BinaryArray) -> pa.Buffer:
    """All the texts in a row."""
    _, bounds, data = texts.buffers()
    offsets = memoryview(bounds).cast("i")
    start, stop = offsets[texts.offset], offsets[texts.offset + len(texts)]
    return data[start:stop] if data is not None else pa.py_buffer(b"")


def _keys(keys: pa.StringArray, *, url_encoded: bool) -> pa.StringArray:
    if keys.null_count:
        raise ServerError("the listing holds a record without a key")
    return _decoded(keys) if url_encoded else keys


# What stores write most. No character on the right can be part of another escape, so each can be replaced by itself.
_ESCAPES = {b"%2F": "/", b"%20": " ", b"%3D": "=", b"%3A": ":"}


def _decoded(keys: pa.StringArray) -> pa.StringArray:
    """The keys without percent-encoding, all of a page at once."""
    data = text_buffer(keys).to_pybytes()
    if b"+" in data:
        keys = pc.replace_substring(keys, "+", " ")
    for escape, character in _ESCAPES.items():
        if b"%" not in data:
            return keys
        if escape in data:
            keys = pc.replace_substring(keys, escape.decode(), character)
            data = text_buffer(keys).to_pybytes()
    if b"%" not in data:
        return keys
    try:
        return percent_decoded(keys)
    except pa.ArrowInvalid as error:
        raise _undecodable(keys.to_pylist()) from error


def _undecodable(encoded: Sequence[str]) -> ServerError:
    for key in map(unquote_to_bytes, encoded):
        try:
            key.decode()
        except UnicodeDecodeError:
            return ServerError(
                f"the listing holds the key {key!r}, which is no UTF-8; expected UTF-8 keys"
            )
    return ServerError("the listing holds a key that is no UTF-8; expected UTF-8 keys")


def _text(texts: Texts, path: str, rows: int) -> pa.StringArray:
    return texts[path] if path in texts else nulls(rows)


def _versions(texts: Texts, rows: int) -> pa.StringArray:
    versions = _text(texts, "VersionId", rows)
    return cast("pa.StringArray", pc.if_else(pc.equal(versions, "null"), None, versions))


def _flag(texts: Texts, path: str, rows: int) -> pa.BooleanArray:
    return cast("pa.BooleanArray", pc.equal(_text(texts, path, rows), "true"))


def _markers(texts: Texts, rows: int) -> pa.BooleanArray:
    return cast("pa.BooleanArray", pc.equal(_text(texts, RECORD, rows), "DeleteMarker"))


# What whole columns of many pages have in common is made once.


@lru_cache(maxsize=_CONSTANTS_MAX)
def _repeated(value: bool, rows: int) -> pa.BooleanArray:  # noqa: FBT001
    return cast("pa.BooleanArray", pa.repeat(pa.scalar(value, FLAG), rows))


@lru_cache(maxsize=_CONSTANTS_MAX)
def repeated_text(text: str, rows: int) -> pa.StringArray:
    """So many rows of one text."""
    return pa.repeat(pa.scalar(text, TEXT), rows)


@lru_cache(maxsize=_CONSTANTS_MAX)
def nulls(rows: int) -> pa.StringArray:
    """So many rows without a text."""
    return pa.nulls(rows, TEXT)


def _sizes(texts: Texts, rows: int, markers: pa.BooleanArray | None) -> pa.Array:
    """All objects have one; what is no object may have none."""
    sizes = _text(texts, "Size", rows)
    if sizes.null_count:
        _check_missing(pc.is_null(sizes), texts, markers)
    digits = text_buffer(sizes).to_pybytes()
    try:
        # The cast takes other spellings as well, such as 0x5.
        if not digits or digits.isdigit():
            return sizes.cast(NUMBER)
    except pa.ArrowInvalid:
        pass
    each = sizes.drop_null().to_pylist()
    largest = max(each, key=lambda text: (len(text), text))
    found = next((text for text in each if not (text.isascii() and text.isdigit())), largest)
    raise ServerError(f"the listing holds the Size `{found}`; expected a number of bytes")


def _check_missing(missing: pa.BooleanArray, texts: Texts, markers: pa.BooleanArray | None) -> None:
    lacking = missing if markers is None else pc.and_not(missing, markers)
    if (row := pc.index(lacking, True).as_py()) >= 0:
        raise ServerError(f"the listing holds no Size of `{texts['Key'][row]}`; expected one")


def _moments(texts: Texts, rows: int) -> pa.Array:
    values = _text(texts, "LastModified", rows)
    try:
        return iso_moments(values)
    except pa.ArrowInvalid as error:
        found = next(
            (v for v in values.to_pylist() if v is not None and iso_moment(v) is None), str(error)
        )
        raise ServerError(
            f"the listing holds the LastModified `{found}`; expected a date such as 2024-05-06T22:37:48.000Z"
        ) from error


def _restore_status(texts: Texts, rows: int) -> pa.StringArray:
    """`{"IsRestoreInProgress":true|false[,"RestoreExpiryDate":"...Z"]}` where the store says anything."""
    if "RestoreStatus/IsRestoreInProgress" not in texts:
        return nulls(rows)
    begun = pc.if_else(_flag(texts, "RestoreStatus/IsRestoreInProgress", rows), "true", "false")
    expiry = _text(texts, "RestoreStatus/RestoreExpiryDate", rows).to_pylist()
    moments = pa.array([None if text is None else iso_moment(text) for text in expiry], MOMENT)
    dated = pc.strftime(moments, "%Y-%m-%dT%H:%M:%SZ")
    member = pc.fill_null(pc.binary_join_element_wise(',"RestoreExpiryDate":"', dated, '"', ""), "")
    return cast(
        "pa.StringArray",
        pc.binary_join_element_wise('{"IsRestoreInProgress":', begun, member, "}", ""),
    )

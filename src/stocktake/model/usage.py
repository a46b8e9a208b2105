"""What the usage of a bucket is told by, and the small file that holds it beside a report.

A usage cube is `usage.parquet` beside manifest.json. Each row counts versions that are alike; all moments are UTC
milliseconds:

    prefix         string     the folder they lie below: empty for the whole report, else with a `/` at its end
    dimension      string     a word of `Dimension`
    value          string     theirs in that dimension; NULL: it is not known, or `folded`. Of `prefix` always NULL
    storage_class  string     NULL: it is not known, or a delete marker
    version_state  string     a word of `VersionState`; NULL: it is not known
    objects        int64      how many
    unsized        int64      how many of them have no size
    bytes          int64      of those that have
    oldest         timestamp  the least LastModifiedDate; NULL: none is known
    newest         timestamp  the greatest
    folded         int64      how many folders, or values, are counted here because they are too many to be kept apart

Rows of the dimension `prefix` count each object once, in the folder that holds it or the nearest one above it that is
kept. Rows of every other dimension count each object once, too, in one of the kept folders of at most `value_depth`
levels. A folder's usage is the sum over all rows at and below it. What the file is of stands in its key-value metadata,
under `METADATA`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stocktake.model.errors import ReportError
from stocktake.model.fields import MOMENT, NUMBER, TEXT

USAGE_VERSION = 1
USAGE_BYTES_MAX = 256 * 2**20
METADATA = b"stocktake.usage"

SCHEMA = pa.schema(
    [
        pa.field("prefix", TEXT, nullable=False),
        pa.field("dimension", TEXT, nullable=False),
        pa.field("value", TEXT),
        pa.field("storage_class", TEXT),
        pa.field("version_state", TEXT),
        pa.field("objects", NUMBER, nullable=False),
        pa.field("unsized", NUMBER, nullable=False),
        pa.field("bytes", NUMBER, nullable=False),
        pa.field("oldest", MOMENT),
        pa.field("newest", MOMENT),
        pa.field("folded", NUMBER, nullable=False),
    ]
)

DEPTH_MAX = 8  # folders that are told apart, one below the other
VALUE_DEPTH = 2  # of them, those for which every dimension is kept
PREFIXES_MAX = 20_000
VALUE_PREFIXES_MAX = 500
VALUES_MAX = 50  # of one dimension


class Dimension(StrEnum):
    """What usage can be told by."""

    PREFIX = "prefix"
    CLASS = "class"
    AGE = "age"
    SIZE = "size"
    EXTENSION = "extension"
    OWNER = "owner"
    ENCRYPTION = "encryption"
    VERSION_STATE = "version-state"


class VersionState(StrEnum):
    """What a row of a report of all versions is."""

    CURRENT = "current"
    NONCURRENT = "noncurrent"
    DELETE_MARKER = "delete marker"


# The fields that each dimension is told by.
NEEDS: dict[Dimension, tuple[str, ...]] = {
    Dimension.PREFIX: (),
    Dimension.CLASS: ("StorageClass",),
    Dimension.AGE: ("LastModifiedDate",),
    Dimension.SIZE: ("Size",),
    Dimension.EXTENSION: (),
    Dimension.OWNER: ("ObjectOwner",),
    Dimension.ENCRYPTION: ("EncryptionStatus",),
    Dimension.VERSION_STATE: ("IsLatest", "IsDeleteMarker"),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bar of a histogram: what is less than `end` and not in the one before; None has no end."""

    name: str
    end: int | None


_KIB, _MIB, _GIB = 2**10, 2**20, 2**30
# Days before the moment of the report. What was modified later, while it was taken, is of the first.
AGES = (
    Bucket("under 1 day", 1),
    Bucket("1 to 7 days", 7),
    Bucket("7 to 30 days", 30),
    Bucket("30 to 90 days", 90),
    Bucket("90 to 180 days", 180),
    Bucket("180 days to 1 year", 365),
    Bucket("1 to 2 years", 730),
    Bucket("2 to 3 years", 1095),
    Bucket("3 to 5 years", 1826),
    Bucket("5 to 7 years", 2557),
    Bucket("7 to 10 years", 3652),
    Bucket("over 10 years", None),
)
# Bytes. 128 KiB is the least that three storage classes charge for, 5 GiB the most that one PUT takes.
SIZES = (
    Bucket("empty", 1),
    Bucket("under 1 KiB", _KIB),
    Bucket("1 to 16 KiB", 16 * _KIB),
    Bucket("16 to 128 KiB", 128 * _KIB),
    Bucket("128 KiB to 1 MiB", _MIB),
    Bucket("1 to 16 MiB", 16 * _MIB),
    Bucket("16 to 128 MiB", 128 * _MIB),
    Bucket("128 MiB to 1 GiB", _GIB),
    Bucket("1 to 5 GiB", 5 * _GIB),
    Bucket("5 to 100 GiB", 100 * _GIB),
    Bucket("100 GiB and more", None),
)
# The values of dimensions that have an order of their own.
ORDERED: dict[Dimension, tuple[str, ...]] = {
    Dimension.AGE: tuple(each.name for each in AGES),
    Dimension.SIZE: tuple(each.name for each in SIZES),
    Dimension.VERSION_STATE: tuple(VersionState),
}


class UsageFacts(BaseModel):
    """What a usage cube is of: `manifest_md5` is what manifest.checksum says, `known` the names of the fields that its
    report can tell. `folded` is how many folders have no row of their own.
    """

    model_config = ConfigDict(frozen=True)

    version: int = USAGE_VERSION
    manifest_md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    source_bucket: str
    created: datetime
    known: tuple[str, ...]
    prefix_depth: int
    value_depth: int
    folded: Annotated[int, Field(ge=0)]


def parse_usage_facts(text: bytes) -> UsageFacts:
    """The facts in the metadata of a usage cube.

    Raises:
        ReportError: they are none, or of another version.
    """
    try:
        facts = UsageFacts.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ReportError(f"not the facts of a usage cube: {where}: {first['msg']}") from error
    if facts.version != USAGE_VERSION:
        raise ReportError(f"the usage cube has version {facts.version}, expected {USAGE_VERSION}")
    return facts

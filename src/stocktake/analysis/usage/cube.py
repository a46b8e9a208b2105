"""The usage cube of a report, as it is written, and as it is found beside one. What counts it is `counting.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from stocktake.analysis.report import CHECKSUM_BYTES_MAX, Report
from stocktake.formats.tables import decode_table, encode_table
from stocktake.model.errors import AccessDeniedError, NoSuchKeyError, ReportError
from stocktake.model.paths import CHECKSUM, USAGE
from stocktake.model.usage import (
    METADATA,
    NEEDS,
    SCHEMA,
    USAGE_BYTES_MAX,
    Dimension,
    UsageFacts,
    parse_usage_facts,
)


@dataclass(frozen=True, slots=True)
class Cube:
    """Rows of `model.usage.SCHEMA`, and what they are of."""

    facts: UsageFacts
    table: pa.Table

    def encode(self) -> bytes:
        """The file `usage.parquet`."""
        metadata = {METADATA: self.facts.model_dump_json().encode()}
        return encode_table(self.table.replace_schema_metadata(metadata))


def known_fields(report: Report) -> tuple[str, ...]:
    """The names of the report's fields, but for those that nobody could fill in."""
    never = report.sidecar.never if report.sidecar else ()
    return tuple(field.name for field in report.fields if field.name not in never)


def tellable(known: Sequence[str]) -> tuple[Dimension, ...]:
    """The dimensions that a report with the fields `known` can be told by."""
    return tuple(each for each, needs in NEEDS.items() if set(needs) <= set(known))


def manifest_md5(report: Report) -> str:
    """What the report's manifest.checksum says, with which its manifest was compared when it was opened."""
    body = report.files.read(_beside(report, CHECKSUM), CHECKSUM_BYTES_MAX)
    return body.decode("ascii", errors="replace").strip()


def find_cube(report: Report) -> Cube | None:
    """The usage cube beside the report, if there is one and it is of this very report.

    Raises:
        ReportError: what is there is damaged, of another report, or of another version.
    """
    try:
        body = report.files.read(_beside(report, USAGE), USAGE_BYTES_MAX)
    except (NoSuchKeyError, AccessDeniedError):  # 403 is for what is absent, too
        return None
    table = decode_table(body, SCHEMA)
    facts = parse_usage_facts((table.schema.metadata or {}).get(METADATA, b""))
    if facts.manifest_md5 != manifest_md5(report):
        raise ReportError("it is of another report: its manifest's checksum differs")
    return Cube(facts, table.replace_schema_metadata(None))


def _beside(report: Report, name: str) -> str:
    return f"{report.folder}/{name}".removeprefix("/")

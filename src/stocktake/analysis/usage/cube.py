"""The usage cube of a report: counted in one pass over its rows, or found beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

import pyarrow as pa

from stocktake.analysis.query import QueryLimits, run_query
from stocktake.analysis.report import CHECKSUM_BYTES_MAX, Report
from stocktake.analysis.usage.questions import Bounds, usage_sql
from stocktake.formats.tables import decode_table, encode_table
from stocktake.model.errors import NoSuchKeyError, ReportError
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

# So that the process, with Python and Arrow beside DuckDB, stays below 2 GB.
USAGE_LIMITS = QueryLimits(memory_bytes_max=3 * 2**29)
DEFAULT_BOUNDS = Bounds()
_PREFIX = Dimension.PREFIX


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


def count_usage(
    report: Report,
    *,
    dimensions: Sequence[Dimension] | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
    limits: QueryLimits = USAGE_LIMITS,
    stop: Event | None = None,
) -> Cube:
    """Read the whole report once, and count it by `dimensions`: by all that it can be told by, unless they are named.

    Memory is `limits`' whatever the number of rows; DuckDB spills what does not fit, which grows with the number of
    different folders.

    Raises:
        DataFileError: a data file is missing, short or damaged.
        QueryError: it takes more room than `limits` allow.
        StoreError: the store was asked for a data file and did not give it.
        StoppedError: `stop` was set.
    """
    known = known_fields(report)
    asked = tellable(known) if dimensions is None else (_PREFIX, *dimensions)
    sql = usage_sql(known, tuple(dict.fromkeys(asked)), report.manifest.created, bounds)
    with run_query(report, sql, limits=limits, stop=stop) as answer:
        table = answer.arrow().cast(SCHEMA)
    return Cube(_facts(report, known, table, bounds), table)


def _facts(report: Report, known: tuple[str, ...], table: pa.Table, bounds: Bounds) -> UsageFacts:
    folded = {
        row["prefix"]: row["folded"]
        for row in table.select(["prefix", "dimension", "folded"]).to_pylist()
        if row["dimension"] == _PREFIX
    }
    return UsageFacts(
        manifest_md5=manifest_md5(report),
        source_bucket=report.manifest.source_bucket,
        created=report.manifest.created,
        known=known,
        prefix_depth=bounds.prefix_depth,
        value_depth=bounds.value_depth,
        folded=sum(folded.values()),
    )


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
    except NoSuchKeyError:
        return None
    table = decode_table(body, SCHEMA)
    facts = parse_usage_facts((table.schema.metadata or {}).get(METADATA, b""))
    if facts.manifest_md5 != manifest_md5(report):
        raise ReportError("it is of another report: its manifest's checksum differs")
    return Cube(facts, table.replace_schema_metadata(None))


def _beside(report: Report, name: str) -> str:
    return f"{report.folder}/{name}".removeprefix("/")

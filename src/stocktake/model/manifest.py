"""manifest.json, manifest.checksum and symlink.txt: AWS's exact bytes, and reading them back.

Genuine manifests are what Jackson's default pretty printer writes: two spaces of indent, a blank on both sides of the
colon, `[ {` and `}, {` on one line, one newline at the end. Some readers take them line by line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from stocktake.model.configuration import Format, parse_bucket_arn
from stocktake.model.errors import ConfigurationError, ManifestError
from stocktake.model.fields import BY_COLUMN, BY_NAME, FLAG, MOMENT, NUMBER, TEXT, Field, Source

VERSION = "2016-11-30"
MANIFEST_BYTES_MAX = 256 * 2**20  # about a million data files; anything larger is not a manifest
_T = TypeVar("_T")
_MD5 = re.compile(r"[0-9a-f]{32}")

_ORC_TYPES = {TEXT: "string", FLAG: "boolean", NUMBER: "bigint", MOMENT: "timestamp"}
_PARQUET_TYPES = {
    TEXT: "binary {} (STRING)", FLAG: "boolean {}", NUMBER: "int64 {}", MOMENT: "int64 {} (TIMESTAMP(MILLIS,true))",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One data file: its key in the destination, the bytes stored there and their MD5 in lower-case hex."""

    key: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.json says. `destination_bucket` is an ARN; `created` is the start of the run, UTC milliseconds."""

    source_bucket: str
    destination_bucket: str
    created: datetime
    format: Format
    schema: str
    files: tuple[ManifestFile, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The report's columns, in file order.

        Raises:
            ManifestError: the schema names none.
        """
        return parse_file_schema(self.format, self.schema)


def file_schema(report_format: Format, fields: Sequence[Field]) -> str:
    """The manifest's `fileSchema`, in the form genuine manifests have (the documentation's Parquet form is stale)."""
    if report_format is Format.CSV:
        return ", ".join(field.name for field in fields)
    if report_format is Format.ORC:
        return f"struct<{','.join(f'{field.column}:{_ORC_TYPES[field.type]}' for field in fields)}>"
    parts = (
        f"  {'optional' if field.nullable else 'required'} {_PARQUET_TYPES[field.type].format(field.column)};"
        for field in fields
    )
    return f"message s3.inventory {{{''.join(parts)}}}"


# How each format's schema names a column and its type; the documentation's older forms are read too.
_COLUMNS = {
    Format.CSV: re.compile(r"(?:^|,)\s*(?P<name>\w+)(?P<kind>)"),
    Format.ORC: re.compile(r"(?:<|,)\s*(?P<name>\w+):(?P<kind>\w+)"),
    Format.PARQUET: re.compile(
        r"(?:required|optional)\s+(?P<kind>\w+)\s+(?P<name>\w+)(?:\s*\((?P<note>\w+))?"
    ),
}
_BY_ANY_NAME = {field.name.lower(): field for field in BY_NAME.values()} | BY_COLUMN
_KINDS = {
    "boolean": FLAG, "bigint": NUMBER, "int": NUMBER, "int32": NUMBER, "int64": NUMBER, "timestamp": MOMENT,
}  # fmt: skip


def parse_file_schema(report_format: Format, schema: str) -> tuple[Field, ...]:
    """The columns a `fileSchema` names, in its order. One that the table of fields does not have, as AWS adds them from
    time to time, becomes a field of its own, with the type the schema gives it. Other writers than AWS may spell names
    in lower case.

    Raises:
        ManifestError: it names none, or one twice.
    """
    found = list(_COLUMNS[report_format].finditer(schema))
    if not found:
        raise ManifestError(f"the manifest's fileSchema names no columns: {schema[:200]}")
    fields = tuple(
        _BY_ANY_NAME.get(match["name"].lower()) or _unknown_field(match) for match in found
    )
    [(column, times)] = Counter(field.column for field in fields).most_common(1)
    if times > 1:
        raise ManifestError(f"the manifest's fileSchema names the column `{column}` {times} times")
    return fields


def _unknown_field(match: re.Match[str]) -> Field:
    name = match["name"]
    dated = str(match.groupdict().get("note")).startswith("TIMESTAMP")
    kind = MOMENT if dated else _KINDS.get(match["kind"].lower(), TEXT)
    return Field(name, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), kind, Source.NEVER)


def render_manifest(manifest: Manifest) -> bytes:
    """manifest.json to the byte."""
    head = {
        "sourceBucket": manifest.source_bucket,
        "destinationBucket": manifest.destination_bucket,
        "version": VERSION,
        "creationTimestamp": str(round(manifest.created.timestamp() * 1000)),
        "fileFormat": str(manifest.format),
        "fileSchema": manifest.schema,
    }
    lines = [f'  "{name}" : {_text(value)},\n' for name, value in head.items()]
    files = ", ".join(
        f'{{\n    "key" : {_text(file.key)},\n    "size" : {file.size},\n    "MD5checksum" : {_text(file.md5)}\n  }}'
        for file in manifest.files
    )
    # Jackson prints an empty array as `[ ]`.
    return f'{{\n{"".join(lines)}  "files" : [ {files + " " if files else ""}]\n}}\n'.encode()


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def render_checksum(manifest_bytes: bytes) -> bytes:
    """manifest.checksum: 32 hex digits and a newline, over every byte of manifest.json."""
    return hashlib.md5(manifest_bytes, usedforsecurity=False).hexdigest().encode() + b"\n"


def render_symlink(uris: Sequence[str]) -> bytes:
    """symlink.txt: one URI a line in the manifest's order, no newline at the end."""
    return "\n".join(uris).encode()


def parse_manifest(body: bytes) -> Manifest:
    """The manifest in `body`; keys nobody knows are ignored, a destination may be a bare name.

    Raises:
        ManifestError: not JSON, or a part is missing or of the wrong kind.
    """
    try:
        document = json.loads(body)
        files = tuple(
            ManifestFile(
                _kind(file["key"], str), _kind(file["size"], int), _md5(file["MD5checksum"])
            )
            for file in _kind(document["files"], list)
        )
        return Manifest(
            source_bucket=_kind(document["sourceBucket"], str),
            destination_bucket=_kind(document["destinationBucket"], str),
            created=datetime.fromtimestamp(int(document["creationTimestamp"]) / 1000, UTC),
            format=Format(document["fileFormat"]),
            schema=_kind(document["fileSchema"], str),
            files=files,
        )
    except KeyError as error:
        raise ManifestError(f"the manifest lacks {error.args[0]!r}") from error
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise ManifestError(f"not an inventory manifest: {error}") from error


def destination_bucket_name(manifest: Manifest) -> str:
    """The destination's plain name, from the ARN or from a bare name as some tools write it."""
    try:
        return parse_bucket_arn(manifest.destination_bucket)
    except ConfigurationError:
        return manifest.destination_bucket


def _kind(value: object, kind: type[_T]) -> _T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"found {str(value)[:80]!r}, expected {kind.__name__}")
    return value


def _md5(value: object) -> str:
    text = _kind(value, str)
    if _MD5.fullmatch(text) is None:
        raise ValueError(f"found MD5checksum {text[:80]!r}, expected 32 lower-case hex digits")
    return text

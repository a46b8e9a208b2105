"""One page of a LIST as bytes: as AWS writes it, but for the quirks that are wished."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from tests.servers.fault_fixtures import FixtureObject
from tests.servers.fault_values import Request
from tests.servers.fault_xml import (
    element,
    elements,
    encoded_as_aws,
    escaped,
    iso,
    result,
)

ROWS_MAX = 1000
_TOKEN = "1page-"


@dataclass(slots=True)
class Quirks:
    """How one answer differs from AWS's. Rules set these; the names say what the store does
    wrong."""

    raw_tokens: bool = False
    etags_unquoted: bool = False
    encoding_ignored: bool = False
    encode: Callable[[str], str] = encoded_as_aws
    ceph_elements: bool = False
    rows_max: int | None = None
    max_keys_ignored: bool = False
    start_ignored: bool = False
    stops_early: bool = False
    stuck: bool = False
    repeats: bool = False
    drops: Callable[[list[str]], Iterable[str]] | None = None
    arrange: Callable[[list[Row]], list[Row]] | None = None
    subresource_ignored: bool = False


class Row(NamedTuple):
    """One row of a page: a version, or (`version` None) a common prefix. `size`, where given,
    stands in place of the version's."""

    key: str
    version: FixtureObject | None = None
    latest: bool = True
    size: int | None = None


def read_token(token: str, delimiter: str) -> tuple[str, bool]:
    """The key or common prefix that a continuation token goes on behind, and whether it is a
    prefix."""
    if not token.startswith(_TOKEN):
        return token, bool(delimiter) and token.endswith(delimiter)
    text = base64.urlsafe_b64decode(token[len(_TOKEN) :]).decode()
    return text[1:], text[0] == "p"


def _token(key: str, *, prefix: bool = False) -> str:
    text = ("p" if prefix else "k") + key
    return _TOKEN + base64.urlsafe_b64encode(text.encode()).decode()


class Form:
    """How one LIST request wants its answer written."""

    def __init__(self, request: Request, operation: str, quirks: Quirks) -> None:
        query = self._query = request.query
        self._operation, self._quirks = operation, quirks
        self._encoded = "encoding-type" in query and not quirks.encoding_ignored
        self._spell = quirks.encode if self._encoded else escaped
        self._versions = operation == "ListObjectVersions"
        self._owner = operation != "ListObjectsV2" or query.get("fetch-owner") == "true"
        wanted = request.headers.get("x-amz-optional-object-attributes", "")
        self._restore = "RestoreStatus" in wanted
        self._parts: dict[tuple[int, bool], tuple[str, str, str]] = {}
        self._quote = "" if quirks.etags_unquoted else "&quot;"

    def page(self, bucket: str, rows: list[Row], last: Row | None) -> bytes:
        """The document that holds `rows`; the listing goes on behind `last`, or ends where that is
        None."""
        spell, query = self._spell, self._query
        parts = [elements(Name=bucket), f"<Prefix>{spell(query.get('prefix', ''))}</Prefix>"]
        parts.append(elements(MaxKeys=query.get("max-keys") or ROWS_MAX))
        if delimiter := query.get("delimiter"):
            parts.append(f"<Delimiter>{spell(delimiter)}</Delimiter>")
        if self._encoded:
            parts.append(elements(EncodingType="url"))
        parts.append(elements(IsTruncated="false" if last is None else "true"))
        v2 = self._operation == "ListObjectsV2"
        parts.append(self._tokens(len(rows), last) if v2 else self._markers(last))
        parts += [self._version(row, row.version) for row in rows if row.version]
        parts += [
            f"<CommonPrefixes><Prefix>{spell(row.key)}</Prefix></CommonPrefixes>"
            for row in rows
            if not row.version
        ]
        return result(
            "ListVersionsResult" if self._versions else "ListBucketResult", "".join(parts)
        )

    def _tokens(self, rows: int, last: Row | None) -> str:
        query = self._query
        text = elements(KeyCount=rows)
        if "continuation-token" in query:
            text += elements(ContinuationToken=query["continuation-token"])
        if "start-after" in query:
            text += f"<StartAfter>{self._spell(query['start-after'])}</StartAfter>"
        if last is None:
            return text
        token = last.key if self._quirks.raw_tokens else _token(last.key, prefix=not last.version)
        if self._quirks.stuck:
            token = query.get("continuation-token") or _token(query.get("start-after", ""))
        return text + elements(NextContinuationToken=token)

    def _markers(self, last: Row | None) -> str:
        query, stuck = self._query, self._quirks.stuck
        name = "KeyMarker" if self._versions else "Marker"
        asked = query.get("key-marker" if self._versions else "marker", "")
        text = f"<{name}>{self._spell(asked)}</{name}>"
        if self._versions:
            text += elements(VersionIdMarker=query.get("version-id-marker", ""))
        if last is None:
            return text
        # AWS names NextMarker of the plain LIST only where there is a delimiter.
        if self._versions or "delimiter" in query or self._quirks.ceph_elements:
            spell = escaped if self._quirks.raw_tokens else self._spell
            text += f"<Next{name}>{spell(asked if stuck else last.key)}</Next{name}>"
        if self._versions and last.version:
            following = last.version.version_id or "null"
            text += elements(
                NextVersionIdMarker=query.get("version-id-marker", "") if stuck else following
            )
        return text

    def _version(self, row: Row, version: FixtureObject) -> str:
        place = (id(version), row.latest)
        parts = self._parts.get(place)
        if parts is None:
            parts = self._parts[place] = self._split(row, version)
        before, behind, end = parts
        if version.delete_marker:
            return f"{before}{self._spell(row.key)}{behind}{end}"
        size = version.size if row.size is None else row.size
        return f"{before}{self._spell(row.key)}{behind}<Size>{size}</Size>{end}"

    def _split(self, row: Row, version: FixtureObject) -> tuple[str, str, str]:
        """What stands before the key of a version, between key and size, and behind them."""
        behind = "</Key>"
        if self._versions:
            latest = str(row.latest).lower()
            behind += elements(VersionId=version.version_id or "null", IsLatest=latest)
        behind += elements(LastModified=iso(version.last_modified))
        owner = f"<Owner>{elements(ID=version.owner)}</Owner>" if self._owner else ""
        if version.delete_marker:
            return "<DeleteMarker><Key>", behind, f"{owner}</DeleteMarker>"
        behind += f"<ETag>{self._quote}{escaped(version.etag)}{self._quote}</ETag>"
        storage = elements(StorageClass=version.storage_class) if version.storage_class else ""
        if self._quirks.ceph_elements:
            end = f"{storage}{owner}<Type>Normal</Type>"
        else:
            behind += _checksum(version)
            end = f"{owner}{storage}"
            if self._restore and version.restore:
                end += _restore_status(version.restore)
        name = "Version" if self._versions else "Contents"
        return f"<{name}><Key>", behind, f"{end}</{name}>"


def _checksum(version: FixtureObject) -> str:
    if not version.checksum_algorithm:
        return ""
    names = version.checksum_algorithm.split(",")
    text = "".join(element("ChecksumAlgorithm", name) for name in names)
    return text + elements(ChecksumType=version.checksum_type) if version.checksum_type else text


def _restore_status(header: str) -> str:
    under_way = 'ongoing-request="true"' in header
    text = elements(IsRestoreInProgress=str(under_way).lower())
    _, _, rest = header.partition('expiry-date="')
    if rest:
        text += elements(RestoreExpiryDate=iso(parsedate_to_datetime(rest.partition('"')[0])))
    return f"<RestoreStatus>{text}</RestoreStatus>"

"""LIST in its three forms, as AWS writes it, and with every defect that was seen in a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.servers.fault_fixtures import Bucket, Entry
from tests.servers.fault_pages import ROWS_MAX, Form, Quirks, Row, read_token
from tests.servers.fault_values import Request, Response, document, error


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one LIST request asks for. `after` is where to go on: behind that key, or, where
    `after_version` is not None, behind that version of it; `behind_prefix` means behind everything
    that starts with `after`."""

    prefix: str
    delimiter: str
    rows_max: int
    after: str
    after_version: str | None = None
    behind_prefix: bool = False


@dataclass(slots=True)
class RecentPages:
    """The pages given lately, by bucket, kind and the place they end at: what `repeats` gives once
    more."""

    recent: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def remember(self, place: tuple[str, str, str], body: bytes) -> None:
        """Keep one page, and not too many of them."""
        self.recent[place] = body
        if len(self.recent) > 64:
            del self.recent[next(iter(self.recent))]


def list_page(bucket: Bucket, request: Request, quirks: Quirks, pages: RecentPages) -> Response:
    """The answer to ListObjects, ListObjectsV2 or ListObjectVersions."""
    operation = "ListObjects" if quirks.subresource_ignored else request.operation
    if request.query.get("encoding-type", "url") != "url":
        return error(400, "InvalidArgument", "Invalid Encoding Method specified in Request")
    try:
        wanted = _wanted(request, operation, quirks)
    except ValueError:
        return error(
            400, "InvalidArgument", "Provided max-keys not an integer or within integer range"
        )
    if quirks.repeats and (again := pages.recent.get((bucket.name, operation, wanted.after))):
        return document(again)
    rows, truncated = _rows(bucket, wanted, versions=operation == "ListObjectVersions")
    last = rows[-1] if rows else None
    if quirks.drops:
        gone = set(quirks.drops([row.key for row in rows]))
        rows = [row for row in rows if row.key not in gone]
    if quirks.arrange:
        rows = quirks.arrange(rows)
    more = last if truncated and not quirks.stops_early else None
    body = Form(request, operation, quirks).page(bucket.name, rows, more)
    pages.remember((bucket.name, operation, last.key if last else ""), body)
    return document(body)


def _wanted(request: Request, operation: str, quirks: Quirks) -> Wanted:
    query = request.query
    rows_max = int(query.get("max-keys") or ROWS_MAX)
    if rows_max < 0:
        raise ValueError(rows_max)
    limit = quirks.rows_max if quirks.rows_max is not None else ROWS_MAX
    rows_max = limit if quirks.max_keys_ignored else min(rows_max, limit)
    wanted = Wanted(query.get("prefix", ""), query.get("delimiter", ""), rows_max, "")
    token = query.get("continuation-token")
    if operation == "ListObjectsV2" and token is not None:
        after, behind_prefix = read_token(token, wanted.delimiter)
        return replace(wanted, after=after, behind_prefix=behind_prefix)
    if quirks.start_ignored:
        return wanted
    name = {
        "ListObjectsV2": "start-after",
        "ListObjects": "marker",
        "ListObjectVersions": "key-marker",
    }[operation]
    after = query.get(name, "")
    after_version = query.get("version-id-marker") or None
    # A marker of these two kinds may be a common prefix that was listed; start-after is only a key.
    rolled = operation != "ListObjectsV2" and after_version is None
    rolled = rolled and bool(wanted.delimiter) and after.endswith(wanted.delimiter)
    return replace(wanted, after=after, after_version=after_version, behind_prefix=rolled)


def _rows(bucket: Bucket, wanted: Wanted, *, versions: bool) -> tuple[list[Row], bool]:
    rows: list[Row] = []
    for row in _walk(bucket, wanted, versions=versions):
        if len(rows) == wanted.rows_max:
            return rows, bool(rows)
        rows.append(row)
    return rows, False


def _walk(bucket: Bucket, wanted: Wanted, *, versions: bool) -> Iterator[Row]:
    """Every row behind where the request goes on; keys under one common prefix are leapt over, not
    read."""
    prefix, delimiter, after = wanted.prefix, wanted.delimiter, wanted.after
    start = max(prefix, _successor(after) if wanted.behind_prefix else after)
    entries = bucket.entries(start)
    if start == after and wanted.after_version is not None:
        yield from _rest_of_key(bucket, wanted)
    while (entry := next(entries, None)) is not None and entry.key.startswith(prefix):
        key = entry.key
        if key == after and not wanted.behind_prefix and after:
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            yield from _versions(entry) if versions else _newest(entry)
            continue
        common = key[: end + len(delimiter)]
        if versions or _holds_objects(bucket, common):
            yield Row(common)
        entries = bucket.entries(_successor(common))


def _holds_objects(bucket: Bucket, prefix: str) -> bool:
    for entry in bucket.entries(prefix):
        if not entry.key.startswith(prefix):
            return False
        if not entry.history[0].delete_marker:
            return True
    return False


def _successor(text: str) -> str:
    """The least text behind everything that starts with `text`."""
    last = ord(text[-1])
    # Surrogates are no characters of UTF-8.
    return (
        text[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        if last < 0x10FFFF
        else text + text[-1]
    )


def _newest(entry: Entry) -> Iterator[Row]:
    newest = entry.history[0]
    if not newest.delete_marker:
        yield Row(entry.key, newest, size=entry.size)


def _versions(entry: Entry) -> Iterator[Row]:
    for index, version in enumerate(entry.history):
        latest = index == 0 if version.is_latest is None else version.is_latest
        yield Row(entry.key, version, latest, entry.size)


def _rest_of_key(bucket: Bucket, wanted: Wanted) -> Iterator[Row]:
    marker = None if wanted.after_version == "null" else wanted.after_version
    rows = list(_versions(Entry(wanted.after, bucket.history(wanted.after))))
    places = [
        index for index, row in enumerate(rows) if row.version and row.version.version_id == marker
    ]
    return iter(rows[places[0] + 1 :] if places else [])

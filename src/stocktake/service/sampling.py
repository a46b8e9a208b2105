"""A first page of a bucket and an answer of each kind that a run will ask for: how long they take, how large they are,
and how large the report's rows come out.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.formats import open_writer
from stocktake.inventory.calls import call_plan
from stocktake.model.fields import Source, report_schema
from stocktake.model.figures import Figure, Sureness
from stocktake.model.runs import Call, InventoryRun
from stocktake.store.heads import head_request
from stocktake.store.probe_pages import Asking, ProbedPage
from stocktake.store.requests import Request
from stocktake.store.subresources import acl_request, tagging_request

# Fewer rows than this say little of what a row costs where there are many.
ROWS_MIN = 200
# What a page cannot show: bytes of a compressed row for a column that only other calls know. Most hold one of a few
# words; these hold something else in each row.
GUESSED_BYTES: Mapping[str, float] = {
    "checksum_value": 34.0,
    "user_metadata": 16.0,
    "object_tags": 8.0,
    "object_access_control_list": 4.0,
    "lifecycle_expiration_date": 2.0,
    "object_lock_retain_until_date": 2.0,
}
GUESSED_BYTES_OTHERWISE = 0.3
_LISTED = (Source.RUN, Source.LIST, Source.LIST_OWNER, Source.LIST_RESTORE)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a few answers show. `objects` is the share of rows that are objects, not delete markers."""

    page: ProbedPage | None = None
    seconds: Mapping[Call, float] = field(default_factory=dict)
    answer_bytes: Mapping[Call, float] = field(default_factory=dict)
    objects: float = 1.0
    storage_classes: frozenset[str] = frozenset()


def take_sample(run: InventoryRun, asking: Asking) -> Sample:
    """Ask for the first page twice, because a first request has to connect first, and for each kind of call about one
    of its objects.

    Raises:
        StoreError: the store refuses to list, or gives no answer.
    """
    plan, versions = call_plan(run.fields), run.configuration.all_versions
    pages = [
        asking.page(owner=plan.owner, restore=plan.restore, versions=versions) for _ in range(2)
    ]
    page, batch = pages[-1], pages[-1].page.batch
    seconds = [each.seconds for each in pages if each.seconds is not None]
    found_s = {Call.LIST: min(seconds)} if seconds else {}
    found_bytes = {Call.LIST: float(page.body_bytes)}
    markers = batch.column("is_delete_marker")
    for call, request in _requests(run, batch.filter(pc.invert(markers))).items():
        answers = [asking.answer(request) for _ in range(2)]
        took_s = [each for _, each in answers if each is not None]
        found_s |= {call: min(took_s)} if took_s else {}
        answer, _ = answers[-1]
        found_bytes[call] = float(len(answer.headers) + len(answer.body))
    return Sample(
        page=page,
        seconds=found_s,
        answer_bytes=found_bytes,
        objects=1 - markers.true_count / batch.num_rows if batch.num_rows else 1.0,
        storage_classes=frozenset(filter(None, batch.column("storage_class").to_pylist())),
    )


def _requests(run: InventoryRun, objects: pa.RecordBatch) -> dict[Call, Request]:
    """A request of each kind that the run makes, about one of the objects."""
    if objects.num_rows == 0:
        return {}
    plan, row = call_plan(run.fields), objects.num_rows // 2
    key = objects.column("key")[row].as_py()
    version = objects.column("version_id")[row].as_py() or "null"
    named = version if run.configuration.all_versions else None
    payer = run.source.request_payer
    requests = {}
    if plan.head:
        checksum = bool(plan.checksums)
        requests[Call.HEAD] = head_request(
            run.bucket, key, named, checksum=checksum, request_payer=payer
        )
    if plan.acl:
        requests[Call.ACL] = acl_request(run.bucket, key, named, request_payer=payer)
    if plan.tagging:
        requests[Call.TAGGING] = tagging_request(run.bucket, key, named, request_payer=payer)
    return requests


def row_bytes(run: InventoryRun, sample: Sample) -> Figure:
    """About how many bytes of the report a row takes, in its format and with its fields."""
    report_format = run.configuration.delivery.format
    guessed = [each for each in run.fields if each.source not in _LISTED]
    extra = sum(GUESSED_BYTES.get(each.column, GUESSED_BYTES_OTHERWISE) for each in guessed)
    batch = None if sample.page is None else _report_rows(run, sample.page.page.batch)
    if batch is None or batch.num_rows == 0:
        return Figure(extra, "there is no row to go by", Sureness.ROUGH)
    rows = batch.num_rows
    fixed = rows // 2 if rows >= ROWS_MIN else 0
    # What the second half adds: what every file begins and ends with stands in the first half as well.
    added = _written_bytes(run, batch) - _written_bytes(run, batch.slice(0, fixed))
    what = f"the first page, written as {report_format}"
    what += "; fields that listing does not know are guessed" if guessed else ""
    sure = Sureness.ROUGH if guessed or not fixed else Sureness.LIKELY
    return Figure(added / (rows - fixed) + extra, what, sure)


def _report_rows(run: InventoryRun, listed: pa.RecordBatch) -> pa.RecordBatch:
    """The report's rows for listed ones, as far as listing knows them."""
    rows = listed.num_rows
    known = {name: listed.column(name) for name in listed.schema.names}
    known["bucket"] = pa.repeat(pa.scalar(run.bucket), rows)
    known["is_multipart_uploaded"] = pc.match_substring(listed.column("e_tag"), "-")
    schema = report_schema(run.fields)
    columns = [
        known[each.name].cast(each.type) if each.name in known else pa.nulls(rows, each.type)
        for each in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _written_bytes(run: InventoryRun, batch: pa.RecordBatch) -> int:
    sink = io.BytesIO()
    with open_writer(run.configuration.delivery.format, sink, batch.schema) as writer:
        writer.write(batch)
    return len(sink.getvalue())

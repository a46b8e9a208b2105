"""One KeyRange -> record batches of what LIST says, complete and in order, or an error. A store can lie.

Every page is checked: its first key lies behind the marker, its keys ascend and have the prefix, the marker advances,
no version comes twice. Paging goes on from the last key seen, never from the store's token where that can be avoided:
tokens are node-bound on some stores and unreadable on others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan
from stocktake.model.errors import AccessDeniedError, ContradictionError, ServerError
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Counters, InventoryRun
from stocktake.store.failures import failure
from stocktake.store.pages import Page, page_request, read_page
from stocktake.store.requests import Request
from stocktake.store.transport import Transport

# Pages without a row but with more to come: legal (a store may skip over what was deleted), but not for ever.
EMPTY_PAGES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Marker:
    """Where the next page begins: behind `key`, within it behind `version` where versions are listed."""

    key: str
    version: str | None = None
    token: str | None = None


def list_range(
    run: InventoryRun, plan: CallPlan, keys: KeyRange, transport: Transport, counters: Counters
) -> Iterator[pa.RecordBatch]:
    """The rows of `keys`, a batch (LISTED_SCHEMA) a page, in the store's order: keys ascending, versions newest first.

    Counts `pages`; adds `ended_early` when the store said that nothing follows before the range's end was seen.

    Raises:
        ContradictionError: a page cannot be true.
        StoreError: a page could not be had within the bound of retries.
    """
    versions = run.configuration.all_versions
    marker = Marker(keys.after)
    empty = 0
    # The version markers of the current key: none may come twice.
    versions_behind: set[str | None] = set()
    while True:
        page = fetch_page(run, plan, marker, transport)
        counters["pages"] += 1
        batch = check_page(page, marker, prefix=run.configuration.prefix, versions=versions)
        behind = batch.slice(_count_upto(batch, keys.after)) if versions else batch
        inside = behind if keys.upto is None else behind.slice(0, _count_upto(behind, keys.upto))
        if inside.num_rows:
            yield inside
        if inside.num_rows < behind.num_rows:
            return
        if not page.truncated:
            counters["ended_early"] += keys.upto is not None
            return
        empty = 0 if batch.num_rows else empty + 1
        if empty > EMPTY_PAGES_MAX:
            raise ContradictionError(
                f"{EMPTY_PAGES_MAX} pages in a row held no key and promised more, after {marker.key!r}"
            )
        following = next_marker(page, batch, marker)
        if following.key != marker.key:
            versions_behind.clear()
        elif following.version in versions_behind and following.token is None:
            raise ContradictionError(f"the store lists the versions of {marker.key!r} in a circle")
        versions_behind.add(following.version)
        marker = following


def fetch_page(
    run: InventoryRun, plan: CallPlan, marker: Marker, transport: Transport, delimiter: str = ""
) -> Page:
    """The page behind `marker`. A damaged one is asked for again: a proxy's error page comes with status 200, too.

    Raises:
        StoreError: the store refuses it, or no readable page came within the bound of tries.
    """
    versions, prefix = run.configuration.all_versions, run.configuration.prefix
    request = page_request(
        run.bucket,
        prefix,
        after=marker.key,
        after_version=marker.version,
        token=marker.token,
        versions=versions,
        owner=plan.owner,
        restore=plan.restore,
        request_payer=run.source.request_payer,
        rows_max=run.limits.page_rows_max,
        delimiter=delimiter,
    )
    behind = f" after {marker.key!r}" if marker.key else ""
    what = f"cannot list s3://{run.bucket}/{prefix}{behind}"
    for tries in range(1, run.limits.tries_max + 1):
        body = _listing(transport, request, what, versions=versions)
        try:
            return read_page(body, versions=versions)
        except ServerError as error:
            if tries == run.limits.tries_max:
                raise ServerError(
                    f"{what}: {error.message} ({tries} tries)", hint=error.hint
                ) from error
    raise AssertionError("unreachable: the last try returns or raises")


def _listing(transport: Transport, request: Request, what: str, *, versions: bool) -> bytes:
    """The body of the answer to a LIST, which the store gave with 200."""
    [answer] = transport.exchange([request])
    if answer.error is not None:
        raise answer.error
    if answer.status != HTTPStatus.OK:
        error = failure(answer.status, answer.body, answer.headers, what)
        if isinstance(error, AccessDeniedError):
            permission = "s3:ListBucketVersions" if versions else "s3:ListBucket"
            error.hint = f"the run needs {permission} on {request.bucket}"
        raise error
    return answer.body


def check_page(page: Page, marker: Marker, *, prefix: str, versions: bool) -> pa.RecordBatch:
    """The page's rows, once nothing in them contradicts the marker, the prefix or their order. Where versions are
    listed, some stores begin with those of the marker's own key although no version of it was named.

    Raises:
        ContradictionError: something does; the message names the keys.
    """
    batch = _interleaved(page.batch) if versions else page.batch
    if batch.num_rows == 0:
        return batch
    keys = batch.column("key")
    first, last = keys[0].as_py(), keys[-1].as_py()
    if first < marker.key or (first == marker.key and not versions):
        raise ContradictionError(
            f"asked for the keys after {marker.key!r}, the store answered from {first!r}"
        )
    ascends = pc.greater_equal if versions else pc.greater
    if not pc.all(ascends(keys[1:], keys[:-1]), min_count=0).as_py():
        raise ContradictionError(
            f"the keys of a page do not ascend, between {first!r} and {last!r}"
        )
    if not (first.startswith(prefix) and last.startswith(prefix)):
        raise ContradictionError(
            f"asked for keys with the prefix {prefix!r}, the store answered {first!r} to {last!r}"
        )
    return batch


def _interleaved(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a page whose delete markers all stand behind its versions, as moto has them, by key; any other
    page as it is.
    """
    markers = batch.column("is_delete_marker")
    first = pc.index(markers, True).as_py()
    if first < 1 or not pc.all(markers[first:]).as_py():
        return batch
    runs = (batch.column("key")[:first], batch.column("key")[first:])
    if not all(pc.all(pc.greater_equal(run[1:], run[:-1]), min_count=0).as_py() for run in runs):
        return batch
    keys = pa.table({"key": batch.column("key"), "row": pa.array(range(batch.num_rows))})
    # pyarrow does not promise a stable order, so the row's place decides among equal keys.
    order = pc.sort_indices(keys, sort_keys=[("key", "ascending"), ("row", "ascending")])
    return batch.take(order)


def next_marker(page: Page, batch: pa.RecordBatch, marker: Marker) -> Marker:
    """Where the page behind `page` begins.

    Raises:
        ContradictionError: the store promises more but gives nothing to go on from, or the marker would stand still.
    """
    if batch.num_rows:
        key = batch.column("key")[-1].as_py()
        following = Marker(key, _last_version(page, batch, key))
    else:
        following = Marker(
            page.next_key or marker.key, page.next_version or marker.version, page.next_token
        )
    if following == marker:
        raise ContradictionError(
            f"the store promises more, but its marker stands still after {marker.key!r}"
        )
    return following


def _last_version(page: Page, batch: pa.RecordBatch, key: str) -> str:
    """The version of `key` that the page ends with: the last row's own rather than the store's marker, for one store
    says `null` behind a delete marker and so skips rows. Where the rows had to be put in order, which of them came
    last only the marker tells.
    """
    own = batch.column("version_id")[-1].as_py() or "null"
    if batch is page.batch:
        return str(own)
    of_key = batch.filter(pc.equal(batch.column("key"), key)).column("version_id").to_pylist()
    return page.next_version if page.next_version in of_key and page.next_version else str(own)


def _count_upto(batch: pa.RecordBatch, key: str) -> int:
    """How many of the rows, the first ones as keys ascend, have keys that are not beyond `key`."""
    return int(pc.sum(pc.less_equal(batch.column("key"), pa.scalar(key)), min_count=0).as_py())

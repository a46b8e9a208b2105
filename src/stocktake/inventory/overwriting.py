"""Which objects were written again between LIST and HEAD, so that HEAD answered for another object than the one listed.

Another ETag or size says so. A moment alone does not: Ceph's HEAD, not its LIST, moves on when an object's ACL is set.
So an object of which only the moment is another is listed once more, and the two listings decide.
"""

from __future__ import annotations

from http import HTTPStatus

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import ServerError
from stocktake.model.runs import InventoryRun
from stocktake.store.pages import Page, page_request, read_page
from stocktake.store.requests import Answer
from stocktake.store.transport import Transport

# How much the store's clock may be behind ours.
CLOCK_TOLERANCE_S = 1.0


async def find_changed(
    run: InventoryRun,
    listed: pa.RecordBatch,
    heads: pa.RecordBatch,
    transport: Transport,
    *,
    since_s: float,
) -> pa.BooleanArray:
    """Whether each row of `listed` (LISTED_SCHEMA) was written again before its row of `heads` (HEADS_SCHEMA) was; the
    listing began at `since_s`, in seconds since 1970. A version that has an id is never overwritten.

    Never raises for one object: what cannot be listed again is taken as overwritten, for HEAD has told of it.
    """
    mutable = pc.and_(
        pc.equal(heads.column("status"), HTTPStatus.OK), pc.is_null(listed.column("version_id"))
    )
    differ = pc.or_(_differ(listed, heads, "e_tag"), _differ(listed, heads, "size"))
    doubtful = pc.and_(mutable, pc.and_not(_moved(listed, heads, since_s), differ))
    changed = pc.fill_null(pc.and_(mutable, differ), False)  # noqa: FBT003
    if not doubtful.true_count:
        return changed
    rows = pc.indices_nonzero(doubtful)
    same = await _still_listed(run, listed.take(rows), transport)
    return pc.replace_with_mask(changed, doubtful, pc.invert(same))


def _moved(listed: pa.RecordBatch, heads: pa.RecordBatch, since_s: float) -> pa.BooleanArray:
    """Whether HEAD knows another moment, since the listing began.

    Moments are compared to the second, which is all that HEAD has; a store that lists fractions may round either way.
    """
    was, now = listed.column("last_modified_date"), heads.column("last_modified_date")
    moved = pc.and_(
        pc.not_equal(pc.floor_temporal(was, unit="second"), now),
        pc.not_equal(pc.ceil_temporal(was, unit="second"), now),
    )
    since = pa.scalar(int((since_s - CLOCK_TOLERANCE_S) * 1000), pa.int64()).cast(now.type)
    return pc.fill_null(pc.and_(moved, pc.greater_equal(now, since)), False)  # noqa: FBT003


def _differ(listed: pa.RecordBatch, heads: pa.RecordBatch, name: str) -> pa.BooleanArray:
    return pc.fill_null(pc.not_equal(listed.column(name), heads.column(name)), False)  # noqa: FBT003


async def _still_listed(
    run: InventoryRun, listed: pa.RecordBatch, transport: Transport
) -> pa.BooleanArray:
    """Whether a second listing has each row of `listed` as it is, of the same moment."""
    keys = listed.column("key").to_pylist()
    versions = run.configuration.all_versions
    requests = [
        page_request(
            run.bucket,
            key,
            versions=versions,
            request_payer=run.source.request_payer,
            # A key comes before all that it begins; of its versions, the null one may be anywhere.
            rows_max=run.limits.page_rows_max if versions else 1,
        )
        for key in keys
    ]
    answers = await transport.ask(requests)
    found = [
        _moment(_page(answer, versions=versions), key)
        for key, answer in zip(keys, answers, strict=True)
    ]
    moments = listed.column("last_modified_date")
    return pc.fill_null(pc.equal(moments, pa.array(found, moments.type)), False)  # noqa: FBT003


def _page(answer: Answer, *, versions: bool) -> Page | None:
    """The page in `answer`, if there is one."""
    if answer.error is not None or answer.status != HTTPStatus.OK:
        return None
    try:
        return read_page(answer.body, versions=versions)
    except ServerError:
        return None


def _moment(page: Page | None, key: str) -> pa.Scalar | None:
    """When the object `key` was written that has no version id, as `page` lists it."""
    if page is None:
        return None
    rows = page.batch.filter(
        pc.and_(
            pc.equal(page.batch.column("key"), pa.scalar(key)),
            pc.is_null(page.batch.column("version_id")),
        )
    )
    return rows.column("last_modified_date")[0] if rows.num_rows else None

"""One KeyRange -> record batches of what LIST says, complete and in order, or an error. A store can lie.

Every page is checked: its first key lies behind the marker, its keys ascend and have the prefix, the marker advances,
no version comes twice. Paging goes on from the last key seen, never from the store's token where that can be avoided:
tokens are node-bound on some stores and unreadable on others. A store that cannot begin a page behind a key is walked
from the first key on, by its tokens; what is asked of every page is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan
from stocktake.inventory.reading import PageReader
from stocktake.inventory.splitting import PageFacts
from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    MarkerIgnoredError,
    ServerError,
    StoreError,
)
from stocktake.model.keys import KeyRange
from stocktake.model.runs import InventoryRun
from stocktake.store.errands import Exchange
from stocktake.store.failures import failure
from stocktake.store.pages import Page, check_bucket, glimpse_last_key, page_request
from stocktake.store.requests import Answer, Request
from stocktake.store.transport import Transport

# Pages without a row but with more to come: legal (a store may skip over what was deleted), but not for ever.
EMPTY_PAGES_MAX = 1000
# Pairs of neighbouring keys that a page tells the splitter about.
SAMPLES_PER_PAGE = 8


@dataclass(frozen=True, slots=True)
class Marker:
    """Where the next page begins: behind `key`, within it behind `version` where versions are listed. `guessed`: nobody
    has listed the key.
    """

    key: str
    version: str | None = None
    token: str | None = None
    guessed: bool = field(default=False, compare=False)


class OpenRange:
    """A KeyRange being listed by one lane. Its end may come nearer meanwhile; what was kept of it stays its own. A
    `serial` one is come to from the first key on, over the rows that are another range's.
    """

    def __init__(self, keys: KeyRange, *, serial: bool = False) -> None:
        self.serial = serial
        self.after, self.upto = keys.after, keys.upto
        self.kept = keys.after  # the last key kept, or where the range begins
        self.done = False

    def split(self, pivot: str) -> bool:
        """Let go of the keys behind `pivot`, for somebody else to list; False where that cannot be done any more."""
        if self.done or pivot <= self.kept or (self.upto is not None and pivot >= self.upto):
            return False
        self.upto = pivot
        return True


@dataclass(frozen=True, slots=True)
class ListedPage:
    """What one page added to its range: rows (LISTED_SCHEMA, the store's order), what the splitter is told of it, how
    often it had to be asked for, whether the store said with it that no key follows, and where it began.
    """

    rows: pa.RecordBatch
    facts: PageFacts
    requests: int
    ended: bool
    marker: Marker


async def list_range(
    run: InventoryRun,
    plan: CallPlan,
    keys: OpenRange,
    transport: Transport,
    reader: PageReader,
    *,
    remembers: bool = False,
) -> AsyncIterator[ListedPage]:
    """The pages of `keys`: keys ascending, versions newest first. The range's end counts as it is when a page arrives.
    Lanes that share a `reader` have their pages read together. `remembers`: most of what the plan asks for is known.

    Raises:
        ContradictionError: a page cannot be true.
        StoreError: a page could not be had within the bound of retries.
    """
    versions = run.configuration.all_versions
    marker = Marker("" if keys.serial else keys.after, guessed=True)
    empty = 0
    # The version markers of the current key: none may come twice.
    versions_behind: set[str | None] = set()
    # What is asked about one by one should have been listed just before.
    skips_ahead = versions or keys.serial or (plan.asks and not remembers)
    ahead = None if skips_ahead else PageAhead(run, plan, keys, transport)
    while not keys.done:
        try:
            page, requests = await fetch_page(run, plan, marker, transport, reader, ahead=ahead)
        except StoreError as error:
            raise _missing(error, keys) from None
        batch = check_page(page, marker, run)
        # Only versions may begin with those of the marker's own key, and only a serial walk with other ranges' rows.
        skips = versions or keys.serial
        behind = batch.slice(_count_upto(batch, keys.after)) if skips else batch
        inside = behind if keys.upto is None else behind.slice(0, _count_upto(behind, keys.upto))
        keys.done = inside.num_rows < behind.num_rows or not page.truncated
        if inside.num_rows:
            keys.kept = inside.column("key")[-1].as_py()
        facts = page_facts(behind, inside.num_rows, done=keys.done)
        yield ListedPage(inside, facts, requests, ended=not page.truncated, marker=marker)
        if keys.done:
            return
        empty = 0 if batch.num_rows else empty + 1
        if empty > EMPTY_PAGES_MAX:
            raise ContradictionError(
                f"{EMPTY_PAGES_MAX} pages in a row held no key and promised more, after {marker.key!r}"
            )
        following = next_marker(page, batch, marker, serial=keys.serial)
        if following.key != marker.key:
            versions_behind.clear()
        elif following.version in versions_behind and following.token is None:
            raise ContradictionError(f"the store lists the versions of {marker.key!r} in a circle")
        versions_behind.add(following.version)
        marker = following


class PageAhead:
    """The page behind the one that is being read, asked for as soon as its marker can be guessed: reading takes a
    while, and with many lanes the last one would wait for all others' pages. A wrong guess costs a request, no more.
    """

    def __init__(
        self, run: InventoryRun, plan: CallPlan, keys: OpenRange, transport: Transport
    ) -> None:
        self._run, self._plan, self._keys, self._transport = run, plan, keys, transport
        self._key: str | None = None
        self._asked: Exchange | None = None

    def ask(self, body: bytes) -> None:
        """Ask for the page behind that in `body`, if there seems to be one that belongs to the range."""
        key = glimpse_last_key(body)
        upto = self._keys.upto
        if key is None or key <= self._keys.kept or (upto is not None and key >= upto):
            return
        self._key = key
        request = _page_request(self._run, self._plan, Marker(key))
        self._asked = self._transport.ask([request])

    def take(self, marker: Marker) -> Exchange | None:
        """What was asked for behind `marker`, if that was guessed right."""
        asked, self._asked = self._asked, None
        return asked if marker.key == self._key and marker.token is None else None


def _missing(error: StoreError, keys: OpenRange) -> StoreError:
    """`error`, also saying which keys are missing for it, where that is not all of them."""
    if keys.kept:
        upto = "the end" if keys.upto is None else repr(keys.upto)
        error.message = f"{error.message}; missing are the keys after {keys.kept!r} up to {upto}"
        error.args = (error.message,)
    return error


def page_facts(rows: pa.RecordBatch, kept: int, *, done: bool) -> PageFacts:
    """What the splitter is told of a page: of its `rows` behind the marker, the first `kept` belong to the range."""
    keys, count = rows.column("key"), rows.num_rows
    spread = {count * index // SAMPLES_PER_PAGE for index in range(1, SAMPLES_PER_PAGE)} - {0}
    places = [0, *sorted(spread)] if count else []
    return PageFacts(
        rows=kept,
        discarded=count - kept,
        samples=tuple((keys[at - 1].as_py() if at else "", keys[at].as_py()) for at in places),
        last=keys[kept - 1].as_py() if kept else None,
        beyond=keys[kept].as_py() if kept < count else None,
        done=done,
    )


async def fetch_page(
    run: InventoryRun,
    plan: CallPlan,
    marker: Marker,
    transport: Transport,
    reader: PageReader,
    *,
    ahead: PageAhead | None = None,
) -> tuple[Page, int]:
    """The page behind `marker`, and how many requests it took. A damaged one is asked for again: a proxy's error page
    comes with status 200, too. `ahead` may have asked for it already, and asks for the one behind it.

    Raises:
        StoreError: the store refuses it, or no readable page came within the bound of tries.
    """
    prefix = run.configuration.prefix
    asked = ahead.take(marker) if ahead is not None else None
    behind = f" after {marker.key!r}" if marker.key else ""
    what = f"cannot list s3://{run.bucket}/{prefix}{behind}"
    requests = 0
    for tries in range(1, run.limits.tries_max + 1):
        if asked is None:
            asked = transport.ask([_page_request(run, plan, marker)])
        answer = await _listing(asked, run, what)
        asked = None
        requests += answer.tries
        if ahead is not None:
            ahead.ask(answer.body)
        try:
            return await reader.read(answer.body), requests
        except ServerError as error:
            if tries == run.limits.tries_max:
                where = transport.endpoint(run.bucket)
                raise ServerError(
                    f"{what} at {where}: {error.message} ({tries} tries)", hint=error.hint
                ) from error
    raise AssertionError("unreachable: the last try returns or raises")


def _page_request(run: InventoryRun, plan: CallPlan, marker: Marker) -> Request:
    return page_request(
        run.bucket,
        run.configuration.prefix,
        after=marker.key,
        after_version=marker.version,
        token=marker.token,
        versions=run.configuration.all_versions,
        owner=plan.owner,
        restore=plan.restore,
        request_payer=run.source.request_payer,
        rows_max=run.limits.page_rows_max,
    )


async def _listing(asked: Exchange, run: InventoryRun, what: str) -> Answer:
    """The answer to a LIST, which the store gave with 200."""
    [answer] = await asked
    if answer.error is not None:
        raise answer.error
    if answer.status != HTTPStatus.OK:
        error = failure(answer.status, answer.body, answer.headers, what)
        if isinstance(error, AccessDeniedError):
            versions = run.configuration.all_versions
            permission = "s3:ListBucketVersions" if versions else "s3:ListBucket"
            error.hint = f"the run needs {permission} on {run.bucket}"
        raise error
    return answer


def check_page(page: Page, marker: Marker, run: InventoryRun) -> pa.RecordBatch:
    """The page's rows, once nothing in them contradicts the bucket, the marker, the prefix or their order. Where
    versions are listed, some stores begin with those of the marker's own key although no version of it was named.

    Raises:
        MarkerIgnoredError: the page begins too soon.
        ContradictionError: something else does; the message names the keys.
    """
    check_bucket(page, run.bucket)
    prefix, versions = run.configuration.prefix, run.configuration.all_versions
    batch = _interleaved(page.batch) if versions else page.batch
    if batch.num_rows == 0:
        return batch
    keys = batch.column("key")
    first, last = keys[0].as_py(), keys[-1].as_py()
    if first < marker.key or (first == marker.key and not versions):
        error = MarkerIgnoredError(
            f"asked for the keys after {marker.key!r}, the store answered from {first!r}"
        )
        error.inclusive, error.guessed = first == marker.key, marker.guessed
        raise error
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


def next_marker(
    page: Page, batch: pa.RecordBatch, marker: Marker, *, serial: bool = False
) -> Marker:
    """Where the page behind `page` begins; on a `serial` walk that is where the store's token leads, if it gave one.

    Raises:
        ContradictionError: the store promises more but gives nothing to go on from, or the marker would stand still.
    """
    if batch.num_rows:
        key = batch.column("key")[-1].as_py()
        token = page.next_token if serial else None
        following = Marker(key, _last_version(page, batch, key), token)
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
    keys = batch.column("key")
    if not len(keys) or keys[-1].as_py() <= key:
        return len(keys)
    return int(pc.sum(pc.less_equal(keys, pa.scalar(key)), min_count=0).as_py())

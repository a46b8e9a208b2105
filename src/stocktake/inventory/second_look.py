"""A second look: some places of a finished listing are listed again and compared.

A store that drops keys in one answer and not in the next, that forgets what follows a marker, or that ended a listing
too soon, contradicts itself here. What was written or deleted meanwhile is no contradiction: a key that is new was
modified since the listing began, and a key that is gone is not found by HEAD either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan
from stocktake.inventory.listing import ListedPage, Marker, check_page, fetch_page
from stocktake.model.errors import ContradictionError
from stocktake.model.runs import InventoryRun
from stocktake.store.heads import head_request
from stocktake.store.transport import Transport

# How much the store's clock may be behind ours.
CLOCK_TOLERANCE_S = 1.0
# Keys of one spot that are asked for one by one: the others are compared by their listing alone.
HEADS_PER_SPOT_MAX = 20


@dataclass(frozen=True, slots=True)
class Spot:
    """The keys that were listed behind `after` and up to `upto` (None: the end), ascending."""

    after: str
    keys: tuple[str, ...]
    upto: str | None


class Memory:
    """What a worker has listed and may look at again: a few pages drawn with equal chances from all of them, and apart
    from these, a few that are suspect: pages that promised more and held less than others did, and those that ended
    the bucket. From both it draws by reservoir sampling.
    """

    def __init__(self, spots_max: int, random: Random) -> None:
        self._pages = _Reservoir(spots_max, random)
        self._suspects = _Reservoir(spots_max, random)
        self._largest = 0

    def add(self, after: str, page: ListedPage, upto: str | None) -> None:
        """Consider a page that was asked for behind the key `after`, of a range that ends at `upto`."""
        size = page.facts.rows + page.facts.discarded
        self._largest = max(self._largest, size)
        keys = page.rows.column("key")
        if page.rows.num_rows:
            suspect = page.ended or size < self._largest
            (self._suspects if suspect else self._pages).add(_Page(after, keys, page.facts.last))
        if page.ended and page.facts.last != upto:
            self._suspects.add(_Page(page.facts.last or after, keys.slice(0, 0), upto))

    def spots(self, count_max: int) -> list[Spot]:
        """What is suspect, and at most so many other pages."""
        chosen = [*self._suspects.drawn, *self._pages.drawn[:count_max]]
        return [
            Spot(page.after, tuple(pc.unique(page.keys).to_pylist()), page.upto) for page in chosen
        ]


@dataclass(frozen=True, slots=True)
class _Page:
    """A spot whose keys are still a column."""

    after: str
    keys: pa.Array
    upto: str | None


class _Reservoir:
    """So many of the pages that were added, each with the same chance."""

    def __init__(self, most: int, random: Random) -> None:
        self._most = most
        self._random = random
        self._seen = 0
        self.drawn: list[_Page] = []

    def add(self, page: _Page) -> None:
        self._seen += 1
        if len(self.drawn) < self._most:
            self.drawn.append(page)
        elif (place := self._random.randrange(self._seen)) < self._most:
            self.drawn[place] = page


async def look_again(
    run: InventoryRun, spot: Spot, transport: Transport, *, since_s: float
) -> None:
    """List `spot` a second time; the first listing began at `since_s`, in seconds since 1970.

    Raises:
        ContradictionError: the two listings cannot both be true.
        StoreError: the store does not answer.
    """
    page, _ = await fetch_page(run, CallPlan(), Marker(spot.after), transport)
    batch = check_page(
        page,
        Marker(spot.after),
        prefix=run.configuration.prefix,
        versions=run.configuration.all_versions,
    )
    batch = batch.filter(pc.greater(batch.column("key"), spot.after))
    upto = spot.upto
    if page.truncated and batch.num_rows:
        # What the page did not reach cannot be compared.
        reached = batch.column("key")[-1].as_py()
        upto = reached if upto is None else min(upto, reached)
    if upto is not None:
        batch = batch.filter(pc.less_equal(batch.column("key"), upto))
    now = set(batch.column("key").to_pylist())
    before = {key for key in spot.keys if upto is None or key <= upto}
    _check_new(batch, before, spot, since_s)
    await _check_gone(run, sorted(before - now), spot, transport)


def _check_new(batch: pa.RecordBatch, before: set[str], spot: Spot, since_s: float) -> None:
    """Keys that the first listing did not have must be younger than it."""
    since = datetime.fromtimestamp(since_s - CLOCK_TOLERANCE_S, UTC)
    rows = zip(
        batch.column("key").to_pylist(), batch.column("last_modified_date").to_pylist(), strict=True
    )
    for key, modified in rows:
        if key not in before and modified < since:
            raise ContradictionError(
                f"the store did not list {key!r} of {modified:%Y-%m-%dT%H:%M:%SZ} at first, after {spot.after!r},"
                " and lists it now",
            )


async def _check_gone(run: InventoryRun, keys: list[str], spot: Spot, transport: Transport) -> None:
    """Keys that the second listing does not have must be gone."""
    asked = keys[:HEADS_PER_SPOT_MAX]
    payer = run.source.request_payer
    heads = [
        head_request(run.bucket, key, None, checksum=False, request_payer=payer) for key in asked
    ]
    for key, answer in zip(asked, await transport.ask(heads), strict=True):
        if answer.error is None and answer.status == 200:  # noqa: PLR2004
            raise ContradictionError(
                f"the store listed {key!r} at first, after {spot.after!r}, has it still, and does not list it now"
            )

"""A second look: some places of a finished listing are listed again and compared.

A store that drops keys in one answer and not in the next, that forgets what follows a marker, or that ended a listing
too soon, contradicts itself here. What was written or deleted meanwhile is no contradiction: a key that is new was
modified since the listing began, and a key that is gone is not found by HEAD either.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan
from stocktake.inventory.listing import (
    ListedPage,
    Marker,
    check_page,
    fetch_page,
    next_marker,
)
from stocktake.inventory.overwriting import CLOCK_TOLERANCE_S
from stocktake.inventory.reading import PageReader
from stocktake.model.configuration import Filter
from stocktake.model.errors import ContradictionError, RequestRefusedError
from stocktake.model.runs import InventoryRun
from stocktake.store.heads import head_request
from stocktake.store.transport import Transport

# Keys of one spot that are asked for one by one: the others are compared by their listing alone.
HEADS_PER_SPOT_MAX = 20
# Characters at the start, and at the end, of a key behind which nothing is said to follow.
PLACES_MAX = 16
KEPT_MAX = 32  # keys of rows that an earlier attempt has kept
FIRST = Marker("")  # where a bucket's first page begins


@dataclass(frozen=True, slots=True)
class Spot:
    """The keys that were listed behind `after` and up to `upto` (None: the end), ascending. `marker` is where the page
    with them began, where no other way leads to it; `prefix` is what they start with, where they are only some.
    """

    after: str
    keys: tuple[str, ...]
    upto: str | None
    marker: Marker | None = None
    prefix: str | None = None


class Memory:
    """What a worker has listed and may look at again: the bucket's first page, for keys that no bucket has are missing
    from no other; a few pages drawn with equal chances from all of them; and apart from these, a few that are suspect:
    pages that promised more and held less than others did, and those that ended the bucket. From both it draws by
    reservoir sampling. `prefix` is what all keys start with.
    """

    def __init__(self, spots_max: int, random: Random, prefix: str = "") -> None:
        self._prefix = prefix
        self._random = random
        self._pages = _Reservoir(spots_max, random)
        self._suspects = _Reservoir(spots_max, random)
        self._first: list[_Page] = []
        self._behind: list[Spot] = []
        self._largest = 0

    def add(self, after: str, page: ListedPage, upto: str | None, *, serial: bool = False) -> None:
        """Consider a page that was asked for behind the key `after`, of a range that ends at `upto`. On a `serial` walk
        what lies behind the end cannot be asked for: the last page is, and what keys there would probably start with.
        """
        size, last = page.facts.rows + page.facts.discarded, page.facts.last
        self._judge_size(size)
        keys = page.rows.column("key")
        if page.rows.num_rows or (page.ended and serial):
            end = upto if page.ended and serial else last
            self._add_listed(_Page(after, keys, end, page.marker if serial else None), page, size)
        if page.ended and last != upto and not serial:
            self._suspects.add(_Page(last or after, keys.slice(0, 0), upto))
        if page.ended and serial:
            end, known = last or after, "".join(keys.to_pylist())
            self._behind += [
                Spot(end, (), upto, FIRST, prefix)
                for prefix in prefixes_behind(end, known)
                if prefix.startswith(self._prefix)
            ]

    def _judge_size(self, size: int) -> None:
        """Where a page holds more than all before it, those held less than they might have."""
        if size <= self._largest:
            return
        self._largest = size
        for page in self._pages.drawn:
            self._suspects.add(page)
        self._pages.clear()

    def _add_listed(self, keys: _Page, page: ListedPage, size: int) -> None:
        if not keys.after and page.marker == FIRST:
            self._first = [replace(keys, keys=_own(keys.keys))]
        elif page.ended or size < self._largest:
            self._suspects.add(keys)
        else:
            self._pages.add(keys)

    def spots(self, count_max: int) -> list[Spot]:
        """At most so many pages of which nothing is suspect, from a key in their first half on: a store that leaves out
        the same part of every page would leave it out again behind the same marker.
        """
        return [self._within(page) for page in self._pages.drawn[:count_max]]

    def _within(self, page: _Page) -> Spot:
        spot = page.spot()
        half = len(spot.keys) // 2
        if spot.marker is not None or not half:
            return spot
        place = self._random.randrange(half)
        return replace(spot, after=spot.keys[place], keys=spot.keys[place + 1 :])

    def suspects(self) -> list[Spot]:
        """What is suspect, and the first page."""
        pages = [*self._first, *self._suspects.drawn]
        return [*(page.spot() for page in pages), *self._behind]


def kept_spots(keys: Sequence[str]) -> tuple[Spot, ...]:
    """Each of these keys by itself, come to from the bucket's first page on; of many, as many as are enough, evenly
    chosen, the last among them.
    """
    step = -(-len(keys) // KEPT_MAX) or 1
    return tuple(Spot("", (key,), key, FIRST, prefix=key) for key in keys[::-step])


def prefixes_behind(key: str, known: str) -> Iterator[str]:
    """What keys that come behind `key` may start with: `key` itself, and what differs from it first in one character,
    the next one among those in `known`. Only the first and the last places of a long key are tried.
    """
    yield key
    characters = sorted(set(known))
    places = range(len(key))
    for place in sorted({*places[:PLACES_MAX], *places[-PLACES_MAX:]}):
        following = bisect_right(characters, key[place])
        if following < len(characters):
            yield key[:place] + characters[following]


@dataclass(frozen=True, slots=True)
class _Page:
    """A spot whose keys are still a column."""

    after: str
    keys: pa.Array
    upto: str | None
    marker: Marker | None = None

    def spot(self) -> Spot:
        return Spot(self.after, tuple(pc.unique(self.keys).to_pylist()), self.upto, self.marker)


class _Reservoir:
    """So many of the pages that were added, each with the same chance."""

    def __init__(self, most: int, random: Random) -> None:
        self._most = most
        self._random = random
        self._seen = 0
        self.drawn: list[_Page] = []

    def add(self, page: _Page) -> None:
        self._seen += 1
        place = len(self.drawn)
        if place == self._most and (place := self._random.randrange(self._seen)) >= self._most:
            return
        self.drawn[place : place + 1] = [replace(page, keys=_own(page.keys))]

    def clear(self) -> None:
        """Begin anew."""
        self._seen = 0
        self.drawn = []


def _own(keys: pa.Array) -> pa.Array:
    """A copy: a page's column would keep all pages that were read together."""
    return keys.take(pa.array(range(len(keys)), pa.int32()))


async def look_again(
    run: InventoryRun, spot: Spot, transport: Transport, *, since_s: float, further: bool = True
) -> bool:
    """List `spot` a second time; the first listing began at `since_s`, in seconds since 1970. What a page does not
    reach is looked for on one `further` page. False where nothing can be seen: the store does not take its token again,
    or gives a page without keys that promises more.

    Raises:
        ContradictionError: the two listings cannot both be true.
        StoreError: the store does not answer.
    """
    marker = spot.marker or Marker(spot.after)
    run = run if spot.prefix is None else _narrowed(run, spot.prefix)
    reader = PageReader(versions=run.configuration.all_versions)
    try:
        page, _ = await fetch_page(run, CallPlan(), marker, transport, reader)
    except RequestRefusedError:
        if marker.token is None:
            raise
        return False
    listed = check_page(page, marker, run)
    if page.truncated and not listed.num_rows:
        return False
    batch = listed.filter(pc.greater(listed.column("key"), spot.after))
    rest: Spot | None = None
    upto = spot.upto
    if page.truncated and batch.num_rows:
        # What the page did not reach cannot be compared.
        reached = batch.column("key")[-1].as_py()
        if upto is None or reached < upto:
            following = next_marker(page, listed, marker, serial=spot.marker is not None)
            rest = Spot(reached, tuple(k for k in spot.keys if k > reached), upto, following)
            upto = reached
    if upto is not None:
        batch = batch.filter(pc.less_equal(batch.column("key"), upto))
    now = set(batch.column("key").to_pylist())
    # A page may begin with more versions of the key that the one before ended with.
    before = {key for key in spot.keys if spot.after < key and (upto is None or key <= upto)}
    _check_new(batch, before, spot, since_s)
    await _check_gone(run, sorted(before - now), spot, transport)
    if rest is None or not further:
        return True
    return await look_again(run, rest, transport, since_s=since_s, further=False)


def _narrowed(run: InventoryRun, prefix: str) -> InventoryRun:
    """The run, as if it were only about the keys that start with `prefix`."""
    wanted = run.configuration.model_copy(update={"filter": Filter(prefix=prefix)})
    return replace(run, configuration=wanted)


def _check_new(batch: pa.RecordBatch, before: set[str], spot: Spot, since_s: float) -> None:
    """Keys that the first listing did not have must be younger than it."""
    since = datetime.fromtimestamp(since_s - CLOCK_TOLERANCE_S, UTC)
    rows = zip(
        batch.column("key").to_pylist(), batch.column("last_modified_date").to_pylist(), strict=True
    )
    for key, modified in rows:
        if key not in before and modified is not None and modified < since:
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

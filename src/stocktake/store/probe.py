"""What a store can do with the keys of one bucket: found out by asking it, never assumed. Nothing is written.

Each question is a request or two whose answer follows from what was listed before: behind the n-th key comes the next
one, and so it does behind a key that does not exist but would stand between the two. A key that does not come where it
should is looked for once more by itself, so that a bucket people work on is not mistaken for a store that lies.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from statistics import median

from stocktake.model.capabilities import ABILITIES, Ability, Capabilities, Capability, Found
from stocktake.model.errors import StoreError
from stocktake.store import probe_evidence as evidence
from stocktake.store.headers import header_text
from stocktake.store.heads import head_request
from stocktake.store.probe_evidence import counted, shown, shown_first, shown_version
from stocktake.store.probe_pages import Asking, ProbedPage, refuses_all
from stocktake.store.transport import Transport

PAGE_ROWS, SHORT_PAGE_ROWS = 1000, 2
CLOCK_SKEW_S_MAX = 60.0
KEY_BYTES_MAX = 1024
# What makes, of a key that exists, one that does not: something low, everything that is encoded or not, by some or by
# all, with characters of two, three and four bytes; and what XML cannot carry.
LOW_TAIL = "!"
UNICODE_TAIL = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~é中\U0001f600"
CONTROL_TAIL = "\x01"


def _has_control(key: str) -> bool:
    return any(character < " " for character in key)


# The tail, and the keys to which it is best appended.
_ODD: Mapping[Ability, tuple[str, Callable[[str], bool]]] = {
    Ability.ANYWHERE: (LOW_TAIL, lambda _key: False),
    Ability.UNICODE: (UNICODE_TAIL, lambda key: not key.isascii()),
    Ability.CONTROL: (CONTROL_TAIL, _has_control),
}


def probe_store(
    transport: Transport,
    bucket: str,
    prefix: str = "",
    *,
    endpoint: str,
    request_payer: bool = False,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Capabilities:
    """Ask about twelve times what the store can do with the keys below `prefix`.

    Raises:
        StoreError: no bucket, no way there, no permission to list it.
    """
    asking = Asking(
        transport, bucket, prefix, request_payer=request_payer, clock=clock, monotonic=monotonic
    )
    probe = _Probe(asking, bucket, request_payer=request_payer)
    probe.run()
    first = probe.first
    return Capabilities(
        address=asking.address,
        endpoint=endpoint,
        server="" if first is None else header_text(first.headers.get(b"server", b"")),
        rows=tuple(probe.rows()),
        list_s=median(probe.list_s) if probe.list_s else None,
        head_s=probe.head_s,
        clock_skew_s=None if first is None else first.clock_skew_s,
        requests=asking.requests,
    )


@dataclass(slots=True)
class _Probe:
    """The questions, in the order they are asked: later ones rest on the answers to earlier ones."""

    asking: Asking
    bucket: str
    request_payer: bool
    first: ProbedPage | None = None
    keys: list[str] = field(default_factory=list)  # of the first page, ascending
    list_s: list[float] = field(default_factory=list)  # of pages asked for whole
    head_s: float | None = None
    _found: dict[Ability, tuple[Found, str]] = field(default_factory=dict)

    def run(self) -> None:
        """Ask everything that can be asked of this bucket."""
        self._ask_first_page()
        if self.first is None:
            return
        if self.keys:
            self._ask_short_page()
            self._ask_options()
            self._ask_behind_a_key()
            self._ask_behind_the_last()
            self._ask_behind_odd_keys()
            self._ask_head()
        self._ask_versions()

    def rows(self) -> Iterator[Capability]:
        """What was found, in the order of ABILITIES."""
        untold = "not asked" if self.first is None else "the bucket holds too few keys to tell"
        for ability in ABILITIES:
            yield Capability(ability, *self._found.get(ability, (Found.UNKNOWN, untold)))

    def _note(self, ability: Ability, found: Found, text: str) -> None:
        self._found[ability] = (found, text)

    def _note_whether(self, ability: Ability, text: str, *, it_does: bool) -> None:
        self._found[ability] = (Found.YES if it_does else Found.NO, text)

    def _note_error(self, error: StoreError, *abilities: Ability) -> None:
        """Note a refusal. That a permission or the connection is missing says nothing of an ability."""
        for ability in abilities:
            self._note(ability, Found.UNKNOWN if refuses_all(error) else Found.NO, error.message)

    def _lacks(self, ability: Ability) -> bool:
        return ability in self._found and self._found[ability][0] is Found.NO

    def _page(self, **wanted: str | int | bool) -> ProbedPage:
        """A page asked for whole, whose time counts."""
        page = self.asking.page(rows_max=PAGE_ROWS, **wanted)  # type: ignore[arg-type]
        if page.seconds is not None:
            self.list_s.append(page.seconds)
        return page

    @property
    def _middle(self) -> str:
        return self.keys[(len(self.keys) - 1) // 2]

    # -- the first page ----------------------------------------------------------------------------

    def _ask_first_page(self) -> None:
        try:
            self.first = first = self._page()
        except StoreError as error:
            if refuses_all(error):
                raise
            self._note_error(error, Ability.LIST)
            return
        keys = first.keys
        self.keys = sorted(keys)
        self._note(Ability.LIST, Found.YES, f"a page of {counted(len(keys), 'key')}")
        if self.request_payer:
            self._note(Ability.PAYER, Found.UNKNOWN, "it was sent, as --request-payer says")
        else:
            self._note(Ability.PAYER, Found.YES, "it was not sent")
        self._note_clock(first.clock_skew_s)
        self._note_order(keys)
        self._note_count(first)
        self._note_encoding(first, "")

    def _note_clock(self, skew_s: float | None) -> None:
        if skew_s is None:
            self._note(Ability.CLOCK, Found.UNKNOWN, "its answers have no Date")
        else:
            agrees = abs(skew_s) <= CLOCK_SKEW_S_MAX
            self._note_whether(Ability.CLOCK, evidence.skew(skew_s), it_does=agrees)

    def _note_order(self, keys: list[str]) -> None:
        wrong = next(((a, b) for a, b in pairwise(keys) if a >= b), None)
        if wrong is not None:
            self._note(
                Ability.ORDER, Found.NO, f"{shown(wrong[0])} stands before {shown(wrong[1])}"
            )
        elif len(keys) > 1:
            self._note(Ability.ORDER, Found.YES, evidence.order(keys))

    def _note_count(self, page: ProbedPage) -> None:
        if not self._lacks(Ability.KEY_COUNT):
            count, rows = page.listing.member("KeyCount").strip(), len(page.keys)
            text = f"it says {count or 'nothing'} of {counted(rows, 'key')}"
            self._note_whether(Ability.KEY_COUNT, text, it_does=count in ("", str(rows)))

    def _note_encoding(self, page: ProbedPage, asked: str) -> None:
        text = evidence.spelling(page, asked)
        self._note_whether(Ability.ENCODING, text, it_does=page.listing.url_encoded)

    # -- pages -------------------------------------------------------------------------------------

    def _ask_short_page(self) -> None:
        """max-keys, IsTruncated, and the token behind a short page."""
        try:
            short = self.asking.page(rows_max=SHORT_PAGE_ROWS)
        except StoreError as error:
            self._note_error(error, Ability.MAX_KEYS)
            return
        self._note_count(short)
        rows = len(short.keys)
        if len(self.keys) <= SHORT_PAGE_ROWS:
            return
        kept = rows <= SHORT_PAGE_ROWS
        text = f"asked for {SHORT_PAGE_ROWS}, {rows} came"
        self._note_whether(Ability.MAX_KEYS, text, it_does=kept)
        if kept:
            more = short.page.truncated
            text = f"it says that {'more' if more else 'nothing'} follows the first {rows} of {len(self.keys)} keys"
            self._note_whether(Ability.IS_TRUNCATED, text, it_does=more)
        if not kept or not short.page.truncated:
            self._note(Ability.TOKEN, Found.UNKNOWN, "there was no page to go on from")
        elif not short.page.next_token:
            self._note(Ability.TOKEN, Found.NO, "a short page has no NextContinuationToken")
        else:
            self._ask_token(short.page.next_token, max(short.keys))

    def _ask_token(self, token: str, last: str) -> None:
        try:
            page = self.asking.page(token=token, rows_max=SHORT_PAGE_ROWS)
        except StoreError as error:
            self._note_error(error, Ability.TOKEN)
        else:
            self._note(Ability.TOKEN, *self._judged(last, page))

    def _ask_options(self) -> None:
        """Owners and RestoreStatus together; owners alone where the store refuses that."""
        try:
            page = self._page(owner=True, restore=True)
        except StoreError as error:
            self._note_error(error, Ability.RESTORE)
            self._ask_owner()
            return
        self._note_owner(page)
        told = page.page.batch.num_rows - page.page.batch.column("restore_status").null_count
        if told:
            text = f"of {told} of {counted(len(page.keys), 'object')}"
            self._note(Ability.RESTORE, Found.YES, text)
        else:
            text = "the header is taken; perhaps nothing here was ever restored"
            self._note(Ability.RESTORE, Found.UNKNOWN, text)

    def _ask_owner(self) -> None:
        try:
            page = self._page(owner=True)
        except StoreError as error:
            self._note_error(error, Ability.OWNER)
        else:
            self._note_owner(page)

    def _note_owner(self, page: ProbedPage) -> None:
        rows = page.page.batch.num_rows
        if rows:
            named = rows - page.page.batch.column("object_owner").null_count
            text = f"of {named} of {counted(rows, 'object')}"
            self._note_whether(Ability.OWNER, text, it_does=named > 0)

    # -- start-after -------------------------------------------------------------------------------

    def _ask_behind_a_key(self) -> None:
        """start-after with a key that was listed."""
        asked = self._middle
        try:
            page = self._page(after=asked)
        except StoreError as error:
            self._note_error(error, Ability.START_AFTER, Ability.EXCLUSIVE)
            return
        if min(page.keys, default=None) == asked:
            self._note(Ability.START_AFTER, Found.YES, f"behind {shown(asked)} it came first")
            self._note(Ability.EXCLUSIVE, Found.NO, f"behind {shown(asked)} it came itself")
            return
        found, text = self._judged(asked, page)
        self._note(Ability.START_AFTER, found, text)
        self._note(Ability.EXCLUSIVE, found, text)

    def _ask_behind_the_last(self) -> None:
        """start-after with something behind the whole first page: whether its IsTruncated was true."""
        assert self.first is not None
        if self._lacks(Ability.IS_TRUNCATED):
            return
        asked = self.keys[-1]
        try:
            page = self.asking.page(after=asked, rows_max=SHORT_PAGE_ROWS)
        except StoreError as error:
            self._note_error(error, Ability.IS_TRUNCATED)
            return
        behind = sum(key > asked for key in page.keys)
        truncated = self.first.page.truncated
        text = f"it says that {'more' if truncated else 'nothing'} follows the first page; {behind} came"
        if not any(key < asked for key in page.keys):
            self._note_whether(Ability.IS_TRUNCATED, text, it_does=bool(behind) == truncated)
        elif Ability.IS_TRUNCATED not in self._found:
            self._note(
                Ability.IS_TRUNCATED, Found.UNKNOWN, "what is behind a page cannot be asked for"
            )

    def _ask_behind_odd_keys(self) -> None:
        """start-after with keys that do not exist, made of one that does: of an odd one itself, where there is one."""
        room = KEY_BYTES_MAX - len(UNICODE_TAIL.encode())
        stems = [key for key in self.keys if len(key.encode()) <= room]
        for ability, (tail, is_odd) in _ODD.items():
            if self._lacks(Ability.ORDER) or not stems:
                why = (
                    "keys do not ascend" if stems else "keys are too long for anything behind them"
                )
                self._note(ability, Found.UNKNOWN, why)
                continue
            middle = stems[(len(stems) - 1) // 2]
            self._ask_behind_odd_key(ability, next(filter(is_odd, stems), middle) + tail)

    def _ask_behind_odd_key(self, ability: Ability, asked: str) -> None:
        try:
            page = self._page(after=asked)
        except StoreError as error:
            self._note_error(error, ability)
            return
        self._note(ability, *self._judged(asked, page))
        if ability is Ability.UNICODE:
            self._note_encoding(page, asked)

    def _judged(self, asked: str, page: ProbedPage) -> tuple[Found, str]:
        """Whether `page` begins where the page behind `asked` should."""
        first = min(page.keys, default=None)
        place = bisect_right(self.keys, asked)
        expected = self.keys[place] if place < len(self.keys) else None
        came = f"behind {shown(asked)} came {shown_first(first)}"
        if first is not None and first <= asked:
            return Found.NO, came
        if expected is None or (first is not None and first <= expected):
            return Found.YES, came
        if not self._still_there(expected):
            return Found.UNKNOWN, f"{came}; {shown(expected)} was removed meanwhile"
        return Found.NO, f"{came}; expected {shown(expected)}"

    def _still_there(self, key: str) -> bool:
        try:
            return key in self.asking.page(prefix=key, rows_max=1).keys
        except StoreError:
            return True

    # -- objects and versions ----------------------------------------------------------------------

    def _ask_head(self) -> None:
        key = self._middle
        request = head_request(self.bucket, key, None, request_payer=self.request_payer)
        try:
            answer, self.head_s = self.asking.answer(request)
        except StoreError as error:
            self._note_error(error, Ability.HEAD)
            return
        if answer.status == HTTPStatus.OK:
            self._note(Ability.HEAD, Found.YES, evidence.object_headers(answer.headers))
        else:
            # One object tells nothing of the others: it may be gone, foreign, or under its owner's own key.
            self._note(Ability.HEAD, Found.UNKNOWN, f"{answer.status} for {shown(key)}")

    def _ask_versions(self) -> None:
        try:
            page = self.asking.page(versions=True, rows_max=SHORT_PAGE_ROWS)
        except StoreError as error:
            self._note_error(error, Ability.VERSIONS, Ability.KEY_MARKER, Ability.VERSION_MARKER)
            return
        versions = page.versions
        text = f"asked for {SHORT_PAGE_ROWS} versions, {len(versions)} came"
        self._note(Ability.VERSIONS, Found.YES, text)
        if versions:
            self._ask_key_marker(self._middle if self.keys else versions[0][0])
        if len(versions) == SHORT_PAGE_ROWS:
            # Some stores put delete markers behind the versions of a page; the newest of its key is the first.
            newest = page.page.batch.column("is_latest").to_pylist()
            first = newest.index(True) if True in newest else 0
            self._ask_version_marker(versions[first], versions[1 - first])

    def _ask_key_marker(self, asked: str) -> None:
        try:
            page = self.asking.page(after=asked, versions=True, rows_max=SHORT_PAGE_ROWS)
        except StoreError as error:
            self._note_error(error, Ability.KEY_MARKER)
            return
        first = min(page.keys, default=None)
        text = f"behind {shown(asked)} came {shown_first(first)}"
        if first == asked:
            text += " itself; a run leaves these versions out"
        right = first is None or first >= asked
        self._note_whether(Ability.KEY_MARKER, text, it_does=right)

    def _ask_version_marker(self, asked: tuple[str, str], following: tuple[str, str]) -> None:
        try:
            page = self.asking.page(
                after=asked[0], after_version=asked[1], versions=True, rows_max=SHORT_PAGE_ROWS
            )
        except StoreError as error:
            self._note_error(error, Ability.VERSION_MARKER)
            return
        came = next(iter(page.versions), None)
        text = f"behind {shown_version(asked)} came {shown_version(came)}"
        if following not in page.versions:
            text += f"; expected {shown_version(following)}"
        right = following in page.versions and asked not in page.versions
        self._note_whether(Ability.VERSION_MARKER, text, it_does=right)

"""The actions of rules: everything that was ever seen to go wrong between a client and a store, one
function each.

On the wire   latency hold stall reset truncate
Refusals      respond slow_down internal_error too_many_requests throttle access_denied
              refuse_checksum_mode
Damage        malformed_xml html wrong_root empty_body without_headers with_headers
Listings      raw_tokens unquoted_etags encoding_ignored slash_encoded ceph_style short_pages
              huge_pages ignore_start_after stop_early stuck_marker repeat_page drop_keys unordered
Sub-resources ignore_subresource
Races         do_before do_after
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping

from tests.servers.fault_pages import Quirks, Row
from tests.servers.fault_rules import Action, Exchange
from tests.servers.fault_values import Body, Response, error
from tests.servers.fault_xml import encoded_as_ceph, encoded_slash, result

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><br></body></html>\n"


def latency(seconds: float, jitter_s: float = 0.0, *, seed: int = 0) -> Action:
    """Every answer leaves later by `seconds`, plus up to `jitter_s`."""
    draw = random.Random(seed)

    def after(exchange: Exchange) -> None:
        exchange.answer.delay_s += seconds + jitter_s * draw.random()

    return Action("latency", after=after)


def hold(until: threading.Event) -> Action:
    """No answer leaves before `until` is set."""

    def after(exchange: Exchange) -> None:
        exchange.answer.held = until

    return Action("hold", after=after)


def stall(seconds: float = 3600.0, *, after_bytes: int | None = None) -> Action:
    """Silence for `seconds`: before the headers, or, with `after_bytes`, after that many bytes of
    the body."""

    def after(exchange: Exchange) -> None:
        answer = exchange.answer
        if after_bytes is None:
            answer.delay_s += seconds
        else:
            answer.stall_at, answer.stall_s = min(after_bytes, len(answer.body)), seconds

    return Action("stall", after=after)


def reset(when: str = "at once", *, after_bytes: int = 0) -> Action:
    """A TCP reset: "at once" instead of an answer (the request was carried out), "after headers",
    or "in body" after `after_bytes` of it."""

    def after(exchange: Exchange) -> None:
        exchange.answer.reset = when
        if when == "in body":
            exchange.answer.cut_at = min(after_bytes, len(exchange.answer.body))

    return Action("reset", after=after)


def truncate(after_bytes: int | None = None) -> Action:
    """The connection is closed in good order after `after_bytes` of the body (by default half of
    it), although Content-Length names the whole."""

    def after(exchange: Exchange) -> None:
        whole = len(exchange.answer.body)
        exchange.answer.cut_at = whole // 2 if after_bytes is None else min(after_bytes, whole)

    return Action("truncate", after=after)


def respond(
    status: int,
    code: str = "",
    message: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    body: Body | None = None,
) -> Action:
    """This answer in place of the bucket's, which is not asked: an error document with `code`, or
    `body` as it is."""

    def before(exchange: Exchange) -> None:
        if exchange.response is None:
            answer = error(status, code or "Error", message, headers=headers)
            if body is not None:
                answer = Response(status, dict(headers or {}), body)
            exchange.response = answer

    return Action(code or str(status), before=before)


def slow_down(retry_after_s: int | None = None) -> Action:
    """503 SlowDown, with Retry-After where given."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return respond(503, "SlowDown", "Please reduce your request rate.", headers=headers)


def internal_error() -> Action:
    """500 InternalError."""
    return respond(500, "InternalError", "We encountered an internal error. Please try again.")


def too_many_requests() -> Action:
    """429, with a body that is no XML, as gateways in front of a store answer."""
    return respond(429, headers={"Content-Type": "text/plain"}, body=b"Too Many Requests\n")


def access_denied() -> Action:
    """403 AccessDenied."""
    return respond(403, "AccessDenied", "Access Denied")


def throttle(requests_per_s: float, burst: int = 1) -> Action:
    """503 SlowDown for whatever comes faster than `requests_per_s`; `burst` requests may come at
    once."""
    refuse = slow_down()
    assert refuse.before is not None
    room, seen = float(burst), time.monotonic()
    give_503 = refuse.before

    def before(exchange: Exchange) -> None:
        nonlocal room, seen
        now = time.monotonic()
        room, seen = min(float(burst), room + (now - seen) * requests_per_s), now
        if room < 1.0:
            give_503(exchange)
        else:
            room -= 1.0

    return Action("throttle", before=before)


def refuse_checksum_mode() -> Action:
    """403 to every request that asks for checksums, as a store does where the KMS key may not be
    used."""
    refuse = access_denied()

    def before(exchange: Exchange) -> None:
        if "x-amz-checksum-mode" in exchange.request.headers and refuse.before:
            refuse.before(exchange)

    return Action("refuse checksum mode", before=before)


def _body(name: str, change: Callable[[Response], None]) -> Action:
    return Action(name, after=lambda exchange: change(exchange.answer))


def malformed_xml() -> Action:
    """The first two thirds of the document, as if it were the whole: well framed, not
    well-formed."""

    def change(answer: Response) -> None:
        answer.body = answer.body[: len(answer.body) * 2 // 3]

    return _body("malformed XML", change)


def html() -> Action:
    """A page for people, with 200, as a captive portal answers."""
    return respond(200, headers={"Content-Type": "text/html"}, body=HTML)


def wrong_root(name: str = "ListAllMyBucketsResult") -> Action:
    """200 with a well-formed document of another kind."""
    body = result(name, "<Owner><ID>fault</ID></Owner>")
    return respond(200, headers={"Content-Type": "application/xml"}, body=body)


def empty_body() -> Action:
    """The status and headers alone."""

    def change(answer: Response) -> None:
        answer.body = b""

    return _body("empty body", change)


def with_headers(headers: Mapping[str, str]) -> Action:
    """More headers, or others in their place."""
    return _body("with headers", lambda answer: answer.headers.update(headers))


def without_headers(*names: str) -> Action:
    """Without these headers, whatever their letter case."""
    gone = {name.lower() for name in names}

    def change(answer: Response) -> None:
        answer.headers = {
            name: value for name, value in answer.headers.items() if name.lower() not in gone
        }

    return _body("without headers", change)


def _quirk(name: str, change: Callable[[Quirks], None]) -> Action:
    return Action(name, before=lambda exchange: change(exchange.quirks))


def _setting(name: str, **values: object) -> Action:
    def change(quirks: Quirks) -> None:
        for attribute, value in values.items():
            setattr(quirks, attribute, value)

    return _quirk(name, change)


def raw_tokens() -> Action:
    """Continuation tokens and markers are the last key as it is, control characters as `&#x1;`,
    never URL-encoded."""
    return _setting("raw tokens", raw_tokens=True)


def unquoted_etags() -> Action:
    """ETags in listings without quotes."""
    return _setting("unquoted ETags", etags_unquoted=True)


def encoding_ignored() -> Action:
    """`encoding-type=url` is neither done nor echoed."""
    return _setting("encoding ignored", encoding_ignored=True)


def slash_encoded() -> Action:
    """`/` of keys written `%2F`."""
    return _setting("slash encoded", encode=encoded_slash)


def ceph_style() -> Action:
    """Pages as Ceph writes them: its tokens, its encoding, its order of elements."""
    return _setting("as Ceph", raw_tokens=True, encode=encoded_as_ceph, ceph_elements=True)


def short_pages(rows: int) -> Action:
    """At most `rows` on a page, whatever max-keys says."""
    return _setting("short pages", rows_max=rows)


def huge_pages(rows: int = 1_000_000) -> Action:
    """Up to `rows` on a page, max-keys ignored."""
    return _setting("huge pages", rows_max=rows, max_keys_ignored=True)


def ignore_start_after() -> Action:
    """start-after, marker and key-marker are ignored: the page begins at the first key. Tokens
    work."""
    return _setting("start ignored", start_ignored=True)


def stop_early() -> Action:
    """IsTruncated=false although keys remain."""
    return _setting("stops early", stops_early=True)


def stuck_marker() -> Action:
    """IsTruncated=true, and the next marker or token leads to this page once more."""
    return _setting("stuck marker", stuck=True)


def repeat_page() -> Action:
    """The page before this one, once more, with its markers. Where none came before, the right
    page."""
    return _setting("repeats page", repeats=True)


def drop_keys(which: Callable[[str], bool] | int = 1) -> Action:
    """Keys missing from a page: those for which `which` is true, or that many from its middle."""

    def chosen(keys: list[str]) -> Collection[str]:
        if callable(which):
            return [key for key in keys if which(key)]
        first = max((len(keys) - which) // 2, 0)
        return keys[first : first + which]

    return _setting("drops keys", drops=chosen)


def unordered() -> Action:
    """The rows of a page in the reverse of their order."""

    def reverse(rows: list[Row]) -> list[Row]:
        return rows[::-1]

    return _setting("unordered", arrange=reverse)


def ignore_subresource() -> Action:
    """The sub-resource is not known: of a bucket, 200 with a plain listing; of an object, 200 with
    its body."""
    return _setting("sub-resource ignored", subresource_ignored=True)


def do_before(action: Callable[[], object]) -> Action:
    """`action()` right before the request is answered: the answer shows what it did."""
    return Action("do before", before=lambda _exchange: _ignored(action()))


def do_after(action: Callable[[], object]) -> Action:
    """`action()` right after the answer was made: it does not show what was done, the next one
    does."""
    return Action("do after", after=lambda _exchange: _ignored(action()))


def _ignored(_result: object) -> None:
    return None

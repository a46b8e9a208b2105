"""Many requests in flight over kept-alive connections: LIST, HEAD and what else is asked in bulk.

One thread, no task or future per request; carriers speak HTTP. The life of a request:

    fresh ──send──▶ in flight ──▶ answered
                       │  ▲
                       ▼  │ when it is due
                    waiting (back-off with full jitter)

What a store may refuse once and grant when asked again is retried within `Limits.tries_max`. An answer
that says how to ask better (other region, other clock, other credentials) is followed at once. One that
waits keeps no other from being sent; how many are in flight together is for `pacing.py` to say.

Requests come in exchanges: a batch of requests, answered by a batch of answers. Coroutines that each await
an exchange share one transport, driven by `turn`; who has but one thing to ask calls `exchange`.
"""

from __future__ import annotations

import heapq
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from random import random as random_fraction

from stocktake.model.errors import (
    CredentialsError,
    ExpiredTokenError,
    ServerError,
    StoppedError,
    StoreError,
    ThrottledError,
    UnreachableError,
)
from stocktake.model.runs import Call, Counters, Limits
from stocktake.store.carriers import open_carrier
from stocktake.store.connection import USER_AGENT, Connection
from stocktake.store.errands import Broken, Carrier, Errand, Exchange
from stocktake.store.failures import failure, from_curl, read_error
from stocktake.store.identity import Identity
from stocktake.store.pacing import Pace
from stocktake.store.requests import PUT_OFF, Answer, Request
from stocktake.store.signing import encode_path, encode_query
from stocktake.store.wire import WireOptions

STOP_NOTICED_S_MAX = 0.2  # the longest wait for the network before looking whether to stop
BROKEN = "broken"  # instead of a status, where no whole answer arrived
CORRECTIONS_MAX = 4  # of one request, beside its tries

_COUNTS = {call: f"requests.{call}" for call in Call}
_WHAT = {
    Call.LIST: "cannot list",
    Call.HEAD: "cannot look at",
    Call.ACL: "cannot read the ACL of",
    Call.TAGGING: "cannot read the tags of",
    Call.PROOF: "cannot read",
    Call.CONTROL: "cannot ask about",
}
_RETRY_AFTER = re.compile(rb"^retry-after:[ \t]*(\d{1,5})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Transport(AbstractContextManager["Transport"]):
    """The door for requests in bulk. For one thread; only `stop` may be called from others.

    Memory: that of the carriers, plus the answers of the exchanges under way.
    """

    def __init__(
        self,
        connection: Connection,
        limits: Limits,
        counters: Counters,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_fraction,  # noqa: S311 - no secret hangs on it
    ) -> None:
        self._limits = limits
        self._counters = counters
        self._monotonic = monotonic
        self._random = random
        self._identity = Identity(connection, counters, clock, monotonic)
        self._carrier: Carrier = open_carrier(WireOptions(limits, connection.verify, USER_AGENT))
        self.pace = Pace(limits)
        self._fresh: deque[Errand] = deque()
        self._waiting: list[tuple[float, Errand]] = []
        self._answered: list[Exchange] = []
        self._open: set[Exchange] = set()
        self._ends_at: float | None = None
        self._stopping = threading.Event()
        self._stop_signal = 0

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._drop_all()
        self._carrier.close()

    def stop(self, signal_number: int = 2) -> None:
        """End the exchanges under way, and any later one, with StoppedError within a second. May be called
        from any thread and from a signal handler.
        """
        self._stop_signal = signal_number
        self._stopping.set()

    def end(self, within_s: float) -> None:
        """Send nothing any more, not now and not later: what is asked is answered with PUT_OFF. What is under way may
        be answered for so many seconds; then it has failed.
        """
        self._ends_at = self._monotonic() + within_s

    @property
    def ended(self) -> bool:
        """Whether nothing is sent any more."""
        return self._ends_at is not None

    def now(self) -> float:
        """Seconds since 1970 by the store's clock, as far as it is known to differ from this machine's."""
        return self._identity.now()

    def endpoint(self, bucket: str) -> str:
        """`scheme://host[:port]` of requests about `bucket`."""
        return self._identity.route(bucket).url.origin

    @property
    def renewals(self) -> int:
        """How often credentials were renewed so far."""
        return self._counters["renewals"]

    def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """Send all `requests` and wait; their answers, in the same order. See `ask`."""
        exchange = self.ask(requests)
        while exchange.unanswered:
            self.turn()
        return exchange.answers()

    def ask(self, requests: Sequence[Request]) -> Exchange:
        """Have all `requests` sent by the turns to come. What lists goes before what only looks at objects.

        An answer that the store gave on purpose is one, whatever its status. One with `error` is a request
        that failed: no connection, a store that kept failing within the bound of tries, credentials
        that expired and could not be renewed.

        Counts `requests.<Call>` for every request sent, `refusals.<Call>.<status>` for every answer that was no
        success, `retries` for every one sent again, and `renewals` of credentials.
        """
        exchange = Exchange(len(requests))
        if requests:
            self._open.add(exchange)
        errands = [Errand(exchange, index, request) for index, request in enumerate(requests)]
        if requests and requests[0].call is Call.LIST:
            self._fresh.extendleft(reversed(errands))
        else:
            self._fresh.extend(errands)
        return exchange

    def turn(self, wait_s_max: float = STOP_NOTICED_S_MAX) -> list[Exchange]:
        """Send what may be sent and take what arrives, until an exchange is answered in full or so many seconds are
        over; 0 never waits. The exchanges that this has answered in full.

        Raises:
            StoppedError: `stop` was called. No exchange under way will be answered.
            UsageError: a name that no bucket can have. Neither.
        """
        try:
            if self._stopping.is_set():
                raise StoppedError("stopped", signal_number=self._stop_signal)  # noqa: TRY301
            self._move(wait_s_max)
        except BaseException:
            self._drop_all()
            raise
        answered, self._answered = self._answered, []
        return answered

    def _move(self, wait_s_max: float) -> None:
        until = self._monotonic() + wait_s_max
        while True:
            self._identity.keep_fresh()  # a store's clock, too, is known only once an answer told it
            if self._ends_at is None:
                self._send_due()
            else:
                self._put_off(until=self._ends_at)
            arrived = self._collect()
            if self._answered or (left_s := until - self._monotonic()) <= 0:
                return
            if not arrived:
                self._wait(left_s)

    def push(self) -> None:
        """Send what may be sent, before what has arrived is taken."""
        if self._fresh and not self.ended:
            self._send_due()
            self._carrier.push()

    # -- sending -----------------------------------------------------------------------------------

    def _send_due(self) -> None:
        if not (self._fresh or self._waiting):
            return
        now = self._monotonic()
        room = self.pace.room(len(self._carrier), now)
        sent = 0
        while sent < room:
            if self._waiting and self._waiting[0][0] <= now:
                self._send(heapq.heappop(self._waiting)[1], now)
            elif self._fresh:
                self._send(self._fresh.popleft(), now)
            else:
                break
            sent += 1
        self.pace.sent(sent)

    def _send(self, errand: Errand, now: float) -> None:
        request = errand.request
        errand.sent_at = now
        errand.seal = seal = self._identity.seal(request)
        base = seal.route.url.path
        path = f"{base}/{encode_path(request.key)}" if request.key else base or "/"
        if request.query:
            signed_query, sent_query = encode_query(request.query)
            errand.target = f"{path}?{sent_query}"
        else:
            signed_query, errand.target = "", path
        errand.signature = seal.signer.signature(path, signed_query)
        self._carrier.send(errand)
        self._counters[_COUNTS[request.call]] += 1
        if errand.tries or errand.corrections:
            self._counters["retries"] += 1
        errand.tries += 1

    def _wait(self, wait_s_max: float) -> None:
        """Wait for the network, the next retry or the next request that the rate allows."""
        now = self._monotonic()
        wait_s = wait_s_max
        if self.pace.room(len(self._carrier), now) > 0:
            if self._fresh:
                return
            if self._waiting:
                wait_s = min(wait_s, max(0.001, self._waiting[0][0] - now))
        elif (rate_s := self.pace.wait_s()) and (self._fresh or self._waiting):
            wait_s = min(wait_s, rate_s)
        if len(self._carrier):
            self._carrier.wait(wait_s)
        else:
            self._stopping.wait(wait_s)

    def _put_off(self, until: float) -> None:
        """Answer what was not sent, or was refused and would be sent again; once it is `until`, all else, too."""
        put_off = Answer(PUT_OFF, b"", b"")
        for errand in (*self._fresh, *(errand for _, errand in self._waiting)):
            self._take_in(errand, put_off)
        self._fresh.clear()
        self._waiting.clear()
        if self._open and self._monotonic() >= until:
            self._carrier.forget()
            late = UnreachableError("no answer came in time")
            for exchange in self._open:
                exchange.answer_rest(Answer(0, b"", b"", error=late))
            self._answered += self._open
            self._open.clear()

    # -- receiving ---------------------------------------------------------------------------------

    def _collect(self) -> bool:
        """Take what has arrived; whether anything had."""
        arrivals = self._carrier.arrived()
        if not arrivals:
            return False
        sent_at: defaultdict[Call, list[float]] = defaultdict(list)
        for errand, came in arrivals:
            answer: Answer | None
            if isinstance(came, Broken):
                answer = self._broken(errand, came)
            elif came.status // 100 == 2:  # noqa: PLR2004
                sent_at[errand.request.call].append(errand.sent_at)
                tries = errand.tries + errand.corrections
                answer = came if tries == 1 else came._replace(tries=tries)
            else:
                answer = self._refused(errand, came)
            if answer is not None:
                self._take_in(errand, answer)
        now = self._monotonic()
        for call, moments in sent_at.items():
            self.pace.answered(call, moments, now)
        return True

    def _take_in(self, errand: Errand, answer: Answer) -> None:
        if errand.exchange.answer(errand.index, answer):
            self._open.discard(errand.exchange)
            self._answered.append(errand.exchange)

    def _refused(self, errand: Errand, answer: Answer) -> Answer | None:
        """What to make of a status that is no success: an answer, or None where it is asked again."""
        self._count_refusal(errand, str(answer.status))
        said = read_error(answer.body)
        error = failure(answer.status, answer.body, answer.headers, _what(errand.request))
        if errand.corrections < CORRECTIONS_MAX and self._identity.corrects(
            error,
            said,
            answer.headers,
            bucket=errand.request.bucket,
            generation=errand.seal.generation,
            route=errand.seal.route,
        ):
            errand.corrections += 1
            errand.tries -= 1
            self._postpone(errand, 0.0)
            return None
        if isinstance(error, ThrottledError):
            self.pace.refused(errand.sent_at, self._monotonic())
        if not error.retryable:
            return answer
        if errand.tries < self._limits.tries_max:
            self._postpone(errand, self._delay_s(errand, answer.headers))
            return None
        return answer._replace(error=_given_up(error, errand.tries))

    def _broken(self, errand: Errand, broken: Broken) -> Answer | None:
        """What to make of a request to which no whole answer arrived."""
        self._count_refusal(errand, BROKEN)
        what = _what(errand.request)
        error = (
            from_curl(broken.code, broken.text, what, errand.seal.route.url.host)
            if broken.code
            else ServerError(f"{what}: the answer broke off in its headers", status=broken.status)
        )
        if isinstance(error, UnreachableError):
            self.pace.refused(errand.sent_at, self._monotonic())
        if error.retryable and errand.tries < self._limits.tries_max:
            self._postpone(errand, self._delay_s(errand, b""))
            return None
        return Answer(broken.status, b"", b"", error=_given_up(error, errand.tries))

    def _count_refusal(self, errand: Errand, status: str) -> None:
        self._counters[f"refusals.{errand.request.call}.{status}"] += 1

    def _delay_s(self, errand: Errand, headers: bytes) -> float:
        """Full jitter: anything up to a bound that doubles with every try; no less than the store asks."""
        limits = self._limits
        bound = min(limits.retry_delay_s_max, limits.retry_delay_s_min * 2.0 ** (errand.tries - 1))
        asks = _RETRY_AFTER.search(headers) if headers else None
        least = min(float(asks[1]), limits.retry_delay_s_max) if asks else 0.0
        return max(least, self._random() * float(bound))

    def _postpone(self, errand: Errand, delay_s: float) -> None:
        heapq.heappush(self._waiting, (self._monotonic() + delay_s, errand))

    def _drop_all(self) -> None:
        """Forget what is under way."""
        self._carrier.forget()
        self._fresh.clear()
        self._waiting.clear()
        self._answered.clear()
        self._open.clear()


def _what(request: Request) -> str:
    key = request.key or next((value for name, value in request.query if name == "prefix"), "")
    shown = key if key.isprintable() else ascii(key)[1:-1]
    return f"{_WHAT[request.call]} s3://{request.bucket}/{shown}"


def _given_up(error: StoreError, tries: int) -> StoreError:
    if isinstance(error, ExpiredTokenError):
        # Renewing brought nothing better: no later request will fare better.
        given_up: StoreError = CredentialsError(
            f"{error.message}; fetched anew, the credentials are the same",
            hint="sign in anew", code=error.code, status=error.status,
        )  # fmt: skip
        return given_up
    if tries > 1:
        error.message = f"{error.message} ({tries} tries)"
        error.args = (error.message,)
    return error

"""Many requests in flight over kept-alive connections: LIST, HEAD and what else is asked in bulk.

One libcurl multi handle, one thread, no task or future per request. The life of a request:

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
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from random import random as random_fraction

import pycurl

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
from stocktake.store.connection import USER_AGENT, Connection
from stocktake.store.failures import failure, from_curl, read_error
from stocktake.store.identity import Identity, Seal
from stocktake.store.pacing import Pace
from stocktake.store.requests import Answer, Request
from stocktake.store.signing import encode_path, encode_query
from stocktake.store.wire import Wire, WireOptions

STOP_NOTICED_S_MAX = 0.2  # the longest wait for the network before looking whether to stop
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


class Exchange:
    """Requests under way together. Awaiting it gives their answers, in the order of the requests."""

    __slots__ = ("_answers", "unanswered")

    def __init__(self, count: int) -> None:
        self._answers: list[Answer | None] = [None] * count
        self.unanswered = count

    def answer(self, index: int, answer: Answer) -> None:
        """Take in the answer to the request at `index`."""
        self._answers[index] = answer
        self.unanswered -= 1

    def answers(self) -> list[Answer]:
        """The answers; all of them once `unanswered` is 0."""
        return [answer for answer in self._answers if answer is not None]

    def __await__(self) -> Generator[Exchange, None, list[Answer]]:
        # Whoever drives the coroutine sees what it waits for, and goes on with it when that is answered.
        while self.unanswered:
            yield self
        return self.answers()


class _Asked:
    """One request of an exchange under way."""

    def __init__(self, exchange: Exchange, index: int, request: Request) -> None:
        self.exchange, self.index, self.request = exchange, index, request
        self.tries = self.corrections = 0
        self.sent_at = 0.0
        self.seal: Seal | None = None

    def __lt__(self, other: _Asked) -> bool:
        return self.index < other.index


class Transport(AbstractContextManager["Transport"]):
    """The door for requests in bulk. For one thread; only `stop` may be called from others.

    Memory: `limits.concurrency` times the two buffers of a wire, plus the answers of the exchanges under way.
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
        self._options = WireOptions(limits, connection.verify, "", USER_AGENT)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, limits.concurrency)
        self.pace = Pace(limits)
        self._idle: list[Wire] = []
        self._fresh: deque[_Asked] = deque()
        self._in_flight: dict[pycurl.Curl, tuple[Wire, _Asked]] = {}
        self._waiting: list[tuple[float, _Asked]] = []
        self._answered: list[Exchange] = []
        self._stopping = threading.Event()
        self._stop_signal = 0

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._drop_all()
        while self._idle:
            self._idle.pop().close()
        self._multi.close()

    def stop(self, signal_number: int = 2) -> None:
        """End the exchanges under way, and any later one, with StoppedError within a second. May be called
        from any thread and from a signal handler.
        """
        self._stop_signal = signal_number
        self._stopping.set()

    def now(self) -> float:
        """Seconds since 1970 by the store's clock, as far as it is known to differ from this machine's."""
        return self._identity.now()

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

        Counts `requests.<Call>` for every request sent, `retries` for every one sent again, and
        `renewals` of credentials.
        """
        exchange = Exchange(len(requests))
        asked = [_Asked(exchange, index, request) for index, request in enumerate(requests)]
        if requests and requests[0].call is Call.LIST:
            self._fresh.extendleft(reversed(asked))
        else:
            self._fresh.extend(asked)
        return exchange

    def turn(self, wait_s_max: float = STOP_NOTICED_S_MAX) -> list[Exchange]:
        """Send what may be sent, take what has arrived; where nothing has, wait for it, but not for long. The exchanges
        that this has answered in full.

        Raises:
            StoppedError: `stop` was called. No exchange under way will be answered.
            UsageError: a name that no bucket can have. Neither.
        """
        try:
            if self._stopping.is_set():
                raise StoppedError("stopped", signal_number=self._stop_signal)  # noqa: TRY301
            self._identity.keep_fresh()
            self._send_due()
            if self._in_flight:
                self._multi.perform()
            if not self._collect():
                self._wait(wait_s_max)
        except BaseException:
            self._drop_all()
            raise
        answered, self._answered = self._answered, []
        return answered

    # -- sending -----------------------------------------------------------------------------------

    def _send_due(self) -> None:
        now = self._monotonic()
        room = self.pace.room(len(self._in_flight), now)
        while room > 0:
            if self._waiting and self._waiting[0][0] <= now:
                self._send(heapq.heappop(self._waiting)[1], now)
            elif self._fresh:
                self._send(self._fresh.popleft(), now)
            else:
                return
            room -= 1

    def _send(self, asked: _Asked, now: float) -> None:
        request = asked.request
        asked.sent_at = now
        self.pace.sent()
        asked.seal = seal = self._identity.seal(request)
        url, signer = seal.route.url, seal.signer
        path = f"{url.path}/{encode_path(request.key)}" if request.key else url.path or "/"
        signed_query, sent_query = encode_query(request.query) if request.query else ("", "")
        lines = list(signer.lines)
        if signer.authorization:
            lines.append(f"{signer.authorization}{signer.signature(path, signed_query)}")
        wire = self._idle.pop() if self._idle else Wire(self._options)
        target = f"{url.origin}{path}?{sent_query}" if sent_query else f"{url.origin}{path}"
        wire.load(request.method, target, lines, request.body_bytes_max, seal.route.proxy)
        self._in_flight[wire.easy] = (wire, asked)
        self._multi.add_handle(wire.easy)
        self._counters[_COUNTS[request.call]] += 1
        if asked.tries or asked.corrections:
            self._counters["retries"] += 1
        asked.tries += 1

    def _wait(self, wait_s_max: float) -> None:
        """Wait for the network, the next retry or the next request that the rate allows."""
        now = self._monotonic()
        wait_s = wait_s_max
        if self.pace.room(len(self._in_flight), now) > 0:
            if self._fresh:
                return
            if self._waiting:
                wait_s = min(wait_s, max(0.001, self._waiting[0][0] - now))
        elif (rate_s := self.pace.wait_s()) and (self._fresh or self._waiting):
            wait_s = min(wait_s, rate_s)
        # Less than 0 are ready while there is nothing to wait for, such as a name being looked up.
        if not self._in_flight:
            self._stopping.wait(wait_s)
        elif self._multi.select(wait_s) < 0:
            self._stopping.wait(0.005)

    # -- receiving ---------------------------------------------------------------------------------

    def _collect(self) -> bool:
        """Take what has arrived; whether anything had."""
        arrived = False
        more = int(bool(self._in_flight))
        while more:
            more, succeeded, failed = self._multi.info_read(len(self._in_flight) or 1)
            for easy in succeeded:
                self._receive(easy, 0, "")
            for easy, code, text in failed:
                self._receive(easy, code, text)
            arrived = arrived or bool(succeeded or failed)
        return arrived

    def _receive(self, easy: pycurl.Curl, code: int, text: str) -> None:
        self._multi.remove_handle(easy)
        wire, asked = self._in_flight.pop(easy)
        status = wire.status()
        headers = wire.take_headers()
        body = wire.take_body()
        self._idle.append(wire)
        request = asked.request
        cut = code == pycurl.E_FILESIZE_EXCEEDED
        if (code == 0 or cut) and headers is not None:
            if status // 100 == 2:  # noqa: PLR2004
                if len(body) > request.body_bytes_max:
                    cut, body = True, body[: request.body_bytes_max]
                self.pace.answered(request.call, asked.sent_at, self._monotonic())
                self._answer(
                    asked, Answer(status, headers, body, cut, tries=asked.tries + asked.corrections)
                )
                return
            answer = self._refused(asked, Answer(status, headers, body, cut))
        else:
            answer = self._broken(asked, status, code, text)
        if answer is not None:
            self._answer(asked, answer)

    def _answer(self, asked: _Asked, answer: Answer) -> None:
        asked.exchange.answer(asked.index, answer)
        if not asked.exchange.unanswered:
            self._answered.append(asked.exchange)

    def _refused(self, asked: _Asked, answer: Answer) -> Answer | None:
        """What to make of a status that is no success: an answer, or None where it is asked again."""
        said = read_error(answer.body)
        error = failure(answer.status, answer.body, answer.headers, _what(asked.request))
        assert asked.seal is not None
        if asked.corrections < CORRECTIONS_MAX and self._identity.corrects(
            error,
            said,
            answer.headers,
            bucket=asked.request.bucket,
            generation=asked.seal.generation,
            route=asked.seal.route,
        ):
            asked.corrections += 1
            asked.tries -= 1
            self._postpone(asked, 0.0)
            return None
        if isinstance(error, ThrottledError):
            self.pace.refused(asked.sent_at, self._monotonic())
        if not error.retryable:
            return answer
        if asked.tries < self._limits.tries_max:
            self._postpone(asked, self._delay_s(asked, answer.headers))
            return None
        return Answer(
            answer.status, answer.headers, answer.body, answer.cut, _given_up(error, asked.tries)
        )

    def _broken(self, asked: _Asked, status: int, code: int, text: str) -> Answer | None:
        """What to make of a request to which no whole answer arrived."""
        what = _what(asked.request)
        assert asked.seal is not None
        error = (
            from_curl(code, text, what, asked.seal.route.url.host)
            if code
            else ServerError(f"{what}: the answer broke off in its headers", status=status)
        )
        if isinstance(error, UnreachableError):
            self.pace.refused(asked.sent_at, self._monotonic())
        if error.retryable and asked.tries < self._limits.tries_max:
            self._postpone(asked, self._delay_s(asked, b""))
            return None
        return Answer(status, b"", b"", error=_given_up(error, asked.tries))

    def _delay_s(self, asked: _Asked, headers: bytes) -> float:
        """Full jitter: anything up to a bound that doubles with every try; no less than the store asks."""
        limits = self._limits
        bound = min(limits.retry_delay_s_max, limits.retry_delay_s_min * 2.0 ** (asked.tries - 1))
        asks = _RETRY_AFTER.search(headers) if headers else None
        least = min(float(asks[1]), limits.retry_delay_s_max) if asks else 0.0
        return max(least, self._random() * float(bound))

    def _postpone(self, asked: _Asked, delay_s: float) -> None:
        heapq.heappush(self._waiting, (self._monotonic() + delay_s, asked))

    def _drop_all(self) -> None:
        """Forget what is under way. Its connections are closed: their answers would still be coming."""
        for easy, (wire, _) in self._in_flight.items():
            self._multi.remove_handle(easy)
            wire.close()
        self._in_flight.clear()
        self._fresh.clear()
        self._waiting.clear()
        self._answered.clear()


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

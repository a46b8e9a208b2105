"""The carrier for every request but most of HEAD: libcurl, with one reused handle for each that is under way.

libcurl gives headers and body straight to methods of C; no Python function runs on the way. A body's pieces are joined
once: a buffer that grows under them would be moved again and again, which costs as much as receiving them.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import pycurl

from stocktake.model.runs import Limits
from stocktake.store.errands import Arrival, Broken, Errand
from stocktake.store.failures import ERROR_BODY_BYTES_MAX
from stocktake.store.requests import Answer

TRY_S_MAX_IN_STALLS = (
    30  # one try may take as long as that many stall timeouts, however it trickles
)
STALL_BYTES_PER_S = 1
RECEIVE_BYTES = 64 * 2**10
# How long to wait where libcurl knows of nothing to wait for, such as while a name is looked up.
LOOK_AGAIN_S = 0.005
LOOK_DUE_S_MAX = 1.0
# A connection whose answer takes so many times as long as answers do on average is not used again: the next one may
# lead to another server.
SLOW_TIMES = 3.0
SLOW_S_MIN = 0.1
TIMED_EVERY_S = 0.05
AVERAGED_MAX = 8  # answers, about, that the average is of
_END_OF_HEADERS = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class WireOptions:
    """What all requests of a transport have in common."""

    limits: Limits
    verify: bool | str
    user_agent: str


class Wire:
    """A handle that sends one request at a time and keeps what came back until the next."""

    __slots__ = ("_body", "_body_bytes_max", "_given_up", "_headers", "_method", "_proxy", "easy")

    def __init__(self, options: WireOptions) -> None:
        self._headers = BytesIO()
        self._body: list[bytes] = []
        self._method, self._body_bytes_max = "GET", -1
        self._proxy = ""
        self._given_up = False  # its connection
        self.easy = easy = pycurl.Curl()
        easy.setopt(pycurl.HEADERFUNCTION, self._headers.write)
        easy.setopt(pycurl.WRITEFUNCTION, self._body.append)
        easy.setopt(pycurl.NOSIGNAL, 1)
        easy.setopt(pycurl.PATH_AS_IS, 1)  # `a/../b` is a key
        easy.setopt(pycurl.FOLLOWLOCATION, 0)  # a signature holds for one host
        easy.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        easy.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        easy.setopt(pycurl.BUFFERSIZE, RECEIVE_BYTES)
        easy.setopt(pycurl.USERAGENT, options.user_agent)
        easy.setopt(pycurl.TCP_KEEPALIVE, 1)
        self._set_bounds(options.limits)
        self._set_trust(options.verify)
        # Set even when empty: libcurl would else read the environment by rules of its own.
        easy.setopt(pycurl.PROXY, "")
        easy.setopt(pycurl.NOPROXY, "")

    def _set_bounds(self, limits: Limits) -> None:
        stall_s = max(1, math.ceil(limits.stall_timeout_s))
        self.easy.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(limits.connect_timeout_s * 1000)))
        self.easy.setopt(pycurl.LOW_SPEED_LIMIT, STALL_BYTES_PER_S)
        self.easy.setopt(pycurl.LOW_SPEED_TIME, stall_s)
        self.easy.setopt(pycurl.TIMEOUT, TRY_S_MAX_IN_STALLS * stall_s)

    def _set_trust(self, verify: bool | str) -> None:  # noqa: FBT001
        self.easy.setopt(pycurl.SSL_VERIFYPEER, int(verify is not False))
        self.easy.setopt(pycurl.SSL_VERIFYHOST, 2 if verify is not False else 0)
        self.easy.setopt(pycurl.PROXY_SSL_VERIFYPEER, int(verify is not False))
        self.easy.setopt(pycurl.PROXY_SSL_VERIFYHOST, 2 if verify is not False else 0)
        if isinstance(verify, str):
            self.easy.setopt(pycurl.CAINFO, verify)
            self.easy.setopt(pycurl.PROXY_CAINFO, verify)

    def load(
        self, method: str, url: str, lines: list[str], body_bytes_max: int, proxy: str
    ) -> None:
        """Make ready for one request. Only what differs from the last one is set anew."""
        easy = self.easy
        easy.setopt(pycurl.URL, url)
        easy.setopt(pycurl.HTTPHEADER, lines)
        if proxy != self._proxy:
            easy.setopt(pycurl.PROXY, proxy)
            self._proxy = proxy
        if method != self._method:
            easy.setopt(pycurl.NOBODY if method == "HEAD" else pycurl.HTTPGET, 1)
            self._method = method
        # To a HEAD libcurl would apply the bound too, though no body follows: 0 is no bound. An error
        # document is read whole even where the body wanted is tiny.
        bound = 0 if method == "HEAD" else max(body_bytes_max, ERROR_BODY_BYTES_MAX)
        if bound != self._body_bytes_max:
            easy.setopt(pycurl.MAXFILESIZE_LARGE, bound)
            self._body_bytes_max = bound
        if self._given_up:
            easy.setopt(pycurl.FORBID_REUSE, 0)
            self._given_up = False

    def give_up_connection(self) -> None:
        """Have the connection closed behind the answer that is awaited."""
        if not self._given_up:
            self.easy.setopt(pycurl.FORBID_REUSE, 1)
            self._given_up = True

    def status(self) -> int:
        """The HTTP status of the last answer, 0 where none came."""
        status: int = self.easy.getinfo(pycurl.RESPONSE_CODE)
        return status

    def take_headers(self) -> bytes | None:
        """The header lines of the last answer, each ended by CRLF, without the status line; None where
        they did not all arrive. The buffer is empty afterwards.
        """
        buffer = self._headers
        block = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        plain = block.find(_END_OF_HEADERS) + len(_END_OF_HEADERS) == len(block)
        if not plain or block.count(b"\n") != block.count(b"\r\n"):
            block = _final(block)
        return block[block.find(b"\n") + 1 : -2] if block else None

    def take_body(self) -> bytes:
        """The body as far as it arrived. The buffer is empty afterwards."""
        body = b"".join(self._body)
        self._body.clear()
        return body

    def close(self) -> None:
        """Free the handle."""
        self.easy.close()


class Wires:
    """The carrier.

    Memory: the two buffers of a wire, for as many as ever were under way together.
    """

    def __init__(
        self, options: WireOptions, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._monotonic = monotonic
        self._usual_s = 0.0  # that answers take on average
        self._averaged = 0
        self._timed_at = float("-inf")
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, options.limits.concurrency)
        self._idle: list[Wire] = []
        self._under_way: dict[pycurl.Curl, tuple[Wire, Errand]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def send(self, errand: Errand) -> None:
        """Set out with `errand`."""
        request, route, signer = errand.request, errand.seal.route, errand.seal.signer
        lines = list(signer.lines)
        if signer.authorization:
            lines.append(f"{signer.authorization}{errand.signature}")
        wire = self._idle.pop() if self._idle else Wire(self._options)
        url = f"{route.url.origin}{errand.target}"
        wire.load(request.method, url, lines, request.body_bytes_max, route.proxy)
        self._under_way[wire.easy] = (wire, errand)
        self._multi.add_handle(wire.easy)

    def push(self) -> None:
        """Let what was sent set out."""
        if self._under_way:
            self._multi.perform()

    def arrived(self) -> list[Arrival]:
        """What has come of errands since the last time."""
        arrivals: list[Arrival] = []
        if not self._under_way:
            return arrivals
        self._multi.perform()
        now = self._monotonic()
        more = 1
        while more:
            more, succeeded, failed = self._multi.info_read(len(self._under_way) or 1)
            arrivals += [self._receive(easy, 0, "") for easy in succeeded]
            arrivals += [self._receive(easy, code, text) for easy, code, text in failed]
        for errand, _ in arrivals:
            self._averaged = min(self._averaged + 1, AVERAGED_MAX)
            self._usual_s += (now - errand.sent_at - self._usual_s) / self._averaged
        if now - self._timed_at >= TIMED_EVERY_S:
            self._timed_at = now
            self._give_up_slow_ones(now)
        return arrivals

    def _give_up_slow_ones(self, now: float) -> None:
        if not self._averaged:
            return
        slow_s = max(self._usual_s * SLOW_TIMES, self._usual_s + SLOW_S_MIN)
        for wire, errand in self._under_way.values():
            if now - errand.sent_at > slow_s:
                wire.give_up_connection()

    def _receive(self, easy: pycurl.Curl, code: int, text: str) -> Arrival:
        self._multi.remove_handle(easy)
        wire, errand = self._under_way.pop(easy)
        status = wire.status()
        headers = wire.take_headers()
        body = wire.take_body()
        self._idle.append(wire)
        cut = code == pycurl.E_FILESIZE_EXCEEDED
        if headers is None or not (code == 0 or cut):
            return errand, Broken(status, code, text)
        if status // 100 == 2 and len(body) > errand.request.body_bytes_max:  # noqa: PLR2004
            cut, body = True, body[: errand.request.body_bytes_max]
        return errand, Answer(status, headers, body, cut)

    def wait(self, wait_s: float) -> None:
        """Wait until something may have arrived, but no longer than so many seconds."""
        if self._multi.select(wait_s) < 0:
            time.sleep(min(wait_s, LOOK_AGAIN_S))

    def watch(self, poll: select.poll) -> bool:
        """Have `poll` wait for all connections, too; False where libcurl knows of none yet."""
        readable, writable, _ = self._multi.fdset()
        for number in {*readable, *writable}:
            event = select.POLLIN if number in readable else 0
            poll.register(number, event | (select.POLLOUT if number in writable else 0))
        return bool(readable or writable)

    def due_s(self) -> float:
        """In how many seconds libcurl wants to be called even if nothing has arrived."""
        milliseconds: int = self._multi.timeout()
        return milliseconds / 1000 if milliseconds >= 0 else LOOK_DUE_S_MAX

    def forget(self) -> None:
        """Give up all errands under way and close their connections."""
        for easy, (wire, _) in self._under_way.items():
            self._multi.remove_handle(easy)
            wire.close()
        self._under_way.clear()

    def close(self) -> None:
        """Forget what is under way, and close all connections."""
        self.forget()
        while self._idle:
            self._idle.pop().close()
        self._multi.close()


def _final(block: bytes) -> bytes:
    """The headers of the answer itself, without those of a proxy's CONNECT and of 1xx answers before it,
    and without trailers behind the body; b"" where it did not arrive whole.
    """
    rest = block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # some servers send bare newlines
    head = end = b""
    while rest.startswith(b"HTTP/"):
        head, end, rest = rest.partition(_END_OF_HEADERS)
    return head + end if end else b""

"""The carrier for HEAD requests, of which there are as many as objects: plain sockets, spoken to without libcurl, which
would take more than twice the CPU time for the same bytes.

It takes what goes straight to a server whose address is known by now. All else, such as what goes through a proxy or
has a body to come, is for libcurl.
"""

from __future__ import annotations

import errno
import os
import select
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import pycurl

from stocktake.store.errands import Arrival, Broken, Errand
from stocktake.store.identity import Seal
from stocktake.store.requests import Answer
from stocktake.store.sockets_line import Line, Stage
from stocktake.store.sockets_names import Address, Names
from stocktake.store.wire import TRY_S_MAX_IN_STALLS, WireOptions

SUPPORTED = hasattr(select, "epoll")
# How often it is looked whether anything takes too long.
TIMED_EVERY_S = 0.25
_KINDS_MAX = 16
_PORTS = {"http": 80, "https": 443}
_UNDER_WAY = {0, errno.EINPROGRESS}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What requests under one seal have in common: where they go, and what stands behind the target on the wire."""

    origin: str
    host: str
    port: int
    secure: bool
    behind: str


class Sockets:
    """The carrier.

    Memory: the headers of an answer, for as many as are under way together.
    """

    def __init__(
        self,
        options: WireOptions,
        names: Names | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = options.limits
        self._verify = options.verify
        self._user_agent = options.user_agent
        self._names = Names() if names is None else names
        self._monotonic = monotonic
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._idle: dict[str, list[Line]] = {}
        self._kinds: dict[Seal, _Kind] = {}
        self._ready: list[tuple[Line | None, int]] = []
        self._arrivals: list[Arrival] = []
        self._busy = 0
        self._timed_at = 0.0
        self._tls: ssl.SSLContext | None = None
        self._sessions: dict[str, ssl.SSLSession] = {}

    def __len__(self) -> int:
        return self._busy + len(self._arrivals)

    def fileno(self) -> int:
        """What is readable when anything may have arrived."""
        return self._epoll.fileno()

    def takes(self, errand: Errand) -> bool:
        """Whether `errand` is for this carrier."""
        if errand.request.method != "HEAD" or errand.seal.route.proxy:
            return False
        kind = self._kinds.get(errand.seal) or self._kind(errand.seal)
        return bool(self._idle.get(kind.origin) or self._names.addresses(kind.host, kind.port))

    def send(self, errand: Errand) -> None:
        """Set out with `errand`, which `takes` has found to be for this carrier."""
        kind = self._kinds[errand.seal]
        self._busy += 1
        idle = self._idle.get(kind.origin)
        while idle:
            line = idle.pop()
            line.errand = errand
            line.began = line.since = self._monotonic()
            if line.send(self._request(errand, kind)):
                if line.wants_to_send:
                    self._epoll.modify(line.fileno(), select.EPOLLIN | select.EPOLLOUT)
                return
            line.errand = None
            self._drop(line)
        self._open(errand, kind)

    def push(self) -> None:
        """Nothing waits to set out here."""

    def arrived(self) -> list[Arrival]:
        """What has come of errands since the last time."""
        if not self._ready:
            self._look(0)
        ready, self._ready = self._ready, []
        for line, event in ready:
            if line is not None:
                self._move(line, event)
        if (now := self._monotonic()) - self._timed_at >= TIMED_EVERY_S:
            self._timed_at = now
            self._time_out(now)
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def wait(self, wait_s: float) -> None:
        """Wait until something may have arrived, but no longer than so many seconds."""
        if not (self._ready or self._arrivals):
            self._look(min(wait_s, TIMED_EVERY_S))

    def forget(self) -> None:
        """Give up all errands under way and close their connections."""
        for line in [line for line in self._lines.values() if line.errand is not None]:
            self._drop(line)
        self._busy = 0
        self._arrivals.clear()
        self._ready.clear()

    def close(self) -> None:
        """Forget what is under way, and close all connections."""
        self.forget()
        for line in list(self._lines.values()):
            self._drop(line)
        self._idle.clear()
        self._epoll.close()

    # -- sending -----------------------------------------------------------------------------------

    def _kind(self, seal: Seal) -> _Kind:
        url, signer = seal.route.url, seal.signer
        parts = urlsplit(url.origin)
        lines = [
            f"Host: {url.host}",
            f"User-Agent: {self._user_agent}",
            "Accept: */*",
            *signer.lines,
        ]
        lines += [signer.authorization] if signer.authorization else [""]
        kind = _Kind(
            origin=url.origin,
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            secure=parts.scheme == "https",
            behind=" HTTP/1.1\r\n" + "\r\n".join(lines),
        )
        if len(self._kinds) >= _KINDS_MAX:  # seals last a second
            self._kinds.clear()
        self._kinds[seal] = kind
        return kind

    @staticmethod
    def _request(errand: Errand, kind: _Kind) -> bytes:
        end = "\r\n\r\n" if errand.signature else "\r\n"
        return f"HEAD {errand.target}{kind.behind}{errand.signature}{end}".encode()

    def _open(self, errand: Errand, kind: _Kind) -> None:
        """Have `errand` wait for a new connection."""
        addresses = self._names.addresses(kind.host, kind.port)
        if not addresses:
            self._tell(errand, Broken(0, pycurl.E_COULDNT_CONNECT, "no address is left to try"))
            return
        address = addresses.pop(0)
        addresses.append(address)  # the next connection goes to the next one
        try:
            context = self._context() if kind.secure else None
        except OSError as error:
            text = f"error setting certificate file: {self._verify}: {error.strerror or error}"
            self._tell(errand, Broken(0, pycurl.E_SSL_CACERT_BADFILE, text))
            return
        try:
            line = Line(kind.origin, address, context, kind.host, self._sessions.get(kind.origin))
        except OSError as error:
            self._tell(errand, Broken(0, pycurl.E_COULDNT_CONNECT, error.strerror or str(error)))
            return
        if (number := line.connect()) not in _UNDER_WAY:
            line.close()
            self._avoid(address, kind)
            self._tell(errand, Broken(0, pycurl.E_COULDNT_CONNECT, os.strerror(number)))
            return
        line.errand = errand
        line.began = line.since = self._monotonic()
        self._lines[line.fileno()] = line
        self._epoll.register(line.fileno(), select.EPOLLOUT)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            bundle = self._verify if isinstance(self._verify, str) else None
            self._tls = ssl.create_default_context(cafile=bundle)
            self._tls.set_alpn_protocols(["http/1.1"])
            if self._verify is False:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        return self._tls

    def _avoid(self, address: Address, kind: _Kind) -> None:
        """Do not try an address again until the name is looked up anew."""
        addresses = self._names.addresses(kind.host, kind.port)
        if address in addresses:
            addresses.remove(address)

    # -- receiving ---------------------------------------------------------------------------------

    def _look(self, wait_s: float) -> None:
        # What a number stands for is found now: a connection that is closed may pass its number on.
        lines = self._lines
        self._ready = [(lines.get(number), event) for number, event in self._epoll.poll(wait_s)]

    def _move(self, line: Line, event: int) -> None:
        if line.fileno() < 0:
            return
        if line.stage is not Stage.OPEN:
            self._go_on(line)
            return
        if event & select.EPOLLOUT:
            if not line.send_rest():
                self._lost(line, Broken(0, pycurl.E_SEND_ERROR, "the connection was closed"))
                return
            if not line.wants_to_send:
                self._epoll.modify(line.fileno(), select.EPOLLIN)
        if event & ~select.EPOLLOUT:
            self._receive(line)

    def _receive(self, line: Line) -> None:
        came = line.receive()
        errand = line.errand
        if came is None:
            line.since = self._monotonic()
        elif isinstance(came, Broken):
            self._lost(line, came)
        elif errand is None:  # an answer to nothing
            self._drop(line)
        else:
            line.errand = None
            if not line.answers and line.session is not None:
                self._sessions[line.origin] = line.session
            line.answers += 1
            self._tell(errand, came)
            if line.keeps:
                self._idle.setdefault(line.origin, []).append(line)
            else:
                self._drop(line)

    def _go_on(self, line: Line) -> None:
        errand = line.errand
        assert errand is not None
        kind = self._kinds.get(errand.seal) or self._kind(errand.seal)
        broken = line.go_on()
        if broken is not None:
            self._avoid(line.address, kind)
            self._lost(line, broken)
            return
        wanted = select.EPOLLIN
        if line.stage is Stage.OPEN:
            line.since = self._monotonic()
            if not line.send(self._request(errand, kind)):
                self._lost(line, Broken(0, pycurl.E_SEND_ERROR, "the connection was closed"))
                return
            wanted |= select.EPOLLOUT if line.wants_to_send else 0
        self._epoll.modify(line.fileno(), wanted)

    def _lost(self, line: Line, broken: Broken) -> None:
        """The connection is gone. One that was kept may have been closed before the request came: it is sent again."""
        errand, line.errand = line.errand, None
        again = line.answers and line.silent
        self._drop(line)
        if errand is None:
            return
        if again:
            self._open(errand, self._kinds.get(errand.seal) or self._kind(errand.seal))
        else:
            self._tell(errand, broken)

    def _time_out(self, now: float) -> None:
        limits = self._limits
        for line in list(self._lines.values()):
            errand = line.errand
            if errand is None:
                continue
            opening = line.stage is not Stage.OPEN
            allowed = limits.connect_timeout_s if opening else limits.stall_timeout_s
            trickles = now - line.began > TRY_S_MAX_IN_STALLS * limits.stall_timeout_s
            if now - line.since > allowed or trickles:
                line.errand = None
                self._drop(line)
                what = "Connection" if opening else "Operation"
                text = f"{what} timed out after {round(now - line.since, 1)} seconds"
                self._tell(errand, Broken(0, pycurl.E_OPERATION_TIMEDOUT, text))

    def _tell(self, errand: Errand, came: Answer | Broken) -> None:
        self._busy -= 1
        self._arrivals.append((errand, came))

    def _drop(self, line: Line) -> None:
        number = line.fileno()
        if number < 0:
            return
        self._epoll.unregister(number)
        self._lines.pop(number, None)
        idle = self._idle.get(line.origin, [])
        if line in idle:
            idle.remove(line)
        line.close()

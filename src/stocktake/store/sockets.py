"""The carrier for HEAD requests, of which there are as many as objects: plain sockets, spoken to without libcurl, which
would take more than twice the CPU time for the same bytes.

It takes what goes straight to a server whose address is known by now. All else, such as what goes through a proxy, is
for libcurl; so is what no connection can be opened for: it finds another way, or says what is wrong.

The life of a connection:

    connecting ──▶ shaking hands ──▶ idle ◀──▶ a request under way
         └──────────────┴─────────────┴───────────────┴──▶ closed
"""

from __future__ import annotations

import errno
import os
import select
import ssl
import time
from collections.abc import Callable

import pycurl

from stocktake.store.errands import Arrival, Broken, Errand
from stocktake.store.identity import Seal
from stocktake.store.requests import Answer
from stocktake.store.sockets_line import Line
from stocktake.store.sockets_names import Names
from stocktake.store.sockets_place import Place, read_place, request_lines
from stocktake.store.sockets_tls import Tls, tls_context
from stocktake.store.wire import WireOptions

SUPPORTED = hasattr(select, "epoll")
# How often it is looked whether anything takes too long.
TIMED_EVERY_S = 0.25
# How long an address may keep others waiting. libcurl, too, tries the next one then.
PATIENCE_S = 0.2
IDLE_S_MAX = 118.0  # libcurl uses no connection again that was idle for longer
ADDRESSES_MAX = 16  # that are tried for one connection
_KINDS_MAX = 16
_UNDER_WAY = {0, errno.EINPROGRESS}
_IN_AND_OUT = select.EPOLLIN | select.EPOLLOUT


class Sockets:
    """The carrier, but for what it leaves to libcurl: `send` says so, and `declined`.

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
        self._places: dict[str, Place] = {}
        self._kinds: dict[Seal, tuple[Place, str] | None] = {}
        self._ready: list[tuple[Line, int]] = []
        self._looked = False
        self._declined: list[Errand] = []
        self._arrivals: list[Arrival] = []
        self._busy = 0
        self._now = self._timed_at = monotonic()
        self._tls: ssl.SSLContext | None = None
        self._tls_hopeless = False

    def __len__(self) -> int:
        return self._busy

    def fileno(self) -> int:
        """What is readable when anything may have arrived."""
        return self._epoll.fileno()

    def send(self, errand: Errand) -> bool:
        """Set out with `errand`, unless it is for libcurl: then False."""
        try:
            kind = self._kinds[errand.seal]
        except KeyError:
            kind = self._kind(errand)
        if kind is None:
            return False
        if not self._looked:  # one that has died meanwhile is not used
            self._look(0)
        place, lines = kind
        idle = place.idle
        if idle:
            data = _request(errand, lines)
            while idle:
                line = idle.pop()
                if line.send(data):
                    line.errand = errand
                    line.since = self._now
                    self._busy += 1
                    if line.rest:
                        self._epoll.modify(line.number, _IN_AND_OUT)
                    return True
                self._drop(line)
        if not self._open(errand, place):
            return False
        self._busy += 1
        return True

    def arrived(self) -> list[Arrival]:
        """What has come of errands since the last time."""
        if self._lines and not self._looked:
            # On a busy machine, others go first: so there is more to take each time, which costs less an answer.
            os.sched_yield()
            self._look(0)
        self._looked = False
        ready, self._ready = self._ready, []
        self._receive(ready)
        if self._now - self._timed_at >= TIMED_EVERY_S:
            self._timed_at = self._now
            self._time_out(self._now)
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def declined(self) -> list[Errand]:
        """What had set out and is for libcurl after all. To be asked for after each `arrived`."""
        declined, self._declined = self._declined, []
        return declined

    def wait(self, wait_s: float) -> None:
        """Wait until something may have arrived, but no longer than so many seconds."""
        if not self._ready:
            self._look(min(wait_s, TIMED_EVERY_S))

    def forget(self) -> None:
        """Give up all errands under way and close their connections."""
        for line in [line for line in self._lines.values() if line.errand is not None]:
            self._drop(line)
        self._busy = 0
        self._declined.clear()
        self._arrivals.clear()
        self._ready.clear()
        self._looked = False

    def close(self) -> None:
        """Forget what is under way, and close all connections."""
        self.forget()
        for line in list(self._lines.values()):
            self._drop(line)
        self._epoll.close()

    # -- sending -----------------------------------------------------------------------------------

    def _kind(self, errand: Errand) -> tuple[Place, str] | None:
        """Where requests under the same seal go, and their lines; None where they are for libcurl."""
        seal = errand.seal
        origin = seal.route.url.origin
        lines = request_lines(seal, self._user_agent) if errand.request.method == "HEAD" else None
        kind = None
        if lines is not None:
            place = self._places.get(origin)
            if place is None:
                place = self._places[origin] = read_place(origin)
            kind = place, lines
        if len(self._kinds) >= _KINDS_MAX:  # seals last a second
            self._kinds.clear()
        self._kinds[seal] = kind
        return kind

    def _open(self, errand: Errand, place: Place) -> bool:
        """Have `errand` wait for a new connection; False where none can be opened."""
        for _ in range(ADDRESSES_MAX):
            address = self._names.take(place.host, place.port)
            if address is None:
                return False
            try:
                line = Line(place, address, self._secured(place))
            except (OSError, ValueError):
                return (
                    False  # too many open files, a bundle without certificates, a name that is none
                )
            if line.connect() in _UNDER_WAY:
                line.errand, line.since = errand, self._now
                self._lines[line.number] = line
                self._epoll.register(line.number, select.EPOLLOUT)
                return True
            line.close()
            self._names.avoid(place.host, place.port, address)
        return False

    def _secured(self, place: Place) -> Tls | None:
        if not place.secure:
            return None
        if self._tls_hopeless:
            raise ValueError
        if self._tls is None:
            self._tls_hopeless = True
            self._tls = tls_context(self._verify)
            self._tls_hopeless = False
        return Tls(self._tls, place.host, place.session)

    # -- receiving ---------------------------------------------------------------------------------

    def _look(self, wait_s: float) -> None:
        """See what has happened on which connection. What a number stands for is found now: a connection that is
        closed may pass its number on.
        """
        lines, ready = self._lines, []
        for number, event in self._epoll.poll(wait_s):
            if (line := lines.get(number)) is not None:
                if line.errand is None and not line.opening:
                    self._hear(line)
                else:
                    ready.append((line, event))
        self._ready, self._looked, self._now = ready, True, self._monotonic()

    def _hear(self, line: Line) -> None:
        """What comes on an idle connection is its end, or nothing that was asked for; only TLS talks to itself."""
        if line.receive() is not None or not line.silent:
            line.place.idle.remove(line)
            self._drop(line)

    def _receive(self, ready: list[tuple[Line, int]]) -> None:
        """Take what has come on these connections. In one loop, as it is paid for every object."""
        lines, lines_max, now = self._lines, self._limits.concurrency, self._now
        for line, event in ready:
            if line.number < 0:
                continue
            if (event != select.EPOLLIN or line.opening) and not self._move(line, event):
                continue
            came = line.receive()
            if not isinstance(came, Answer):
                self._not_answered(line, came)
                continue
            errand, line.errand = line.errand, None
            assert errand is not None
            self._arrivals.append((errand, came))
            self._busy -= 1
            if not line.answers:
                line.place.session = line.session
            line.answers += 1
            if line.keeps and len(lines) <= lines_max:
                line.since = now
                line.place.idle.append(line)
            else:
                self._drop(line)

    def _move(self, line: Line, event: int) -> bool:
        """Go on with a connection that is being opened, or has more to send; whether anything may have come on it."""
        if line.opening:
            self._go_on(line)
            return False
        if event & select.EPOLLOUT:
            if not line.send_rest():
                self._lost(line, Broken(line.status, pycurl.E_SEND_ERROR, "Send failure"))
                return False
            if not line.wants_to_send:
                self._epoll.modify(line.number, select.EPOLLIN)
        return event != select.EPOLLOUT

    def _not_answered(self, line: Line, came: Broken | None) -> None:
        if came is not None:
            self._lost(line, came)
        elif line.rest:  # as TLS sometimes has it
            self._epoll.modify(line.number, _IN_AND_OUT)

    def _go_on(self, line: Line) -> None:
        if not line.go_on():
            self._unreachable(line)
            return
        if not line.opening:
            place = line.place
            self._names.trust(place.host, place.port, line.address)
            line.since = self._now
            if line.errand is None:
                place.idle.append(line)
            else:
                kind = self._kinds.get(line.errand.seal) or self._kind(line.errand)
                assert kind is not None
                if not line.send(_request(line.errand, kind[1])):
                    self._lost(line, Broken(0, pycurl.E_SEND_ERROR, "Send failure"))
                    return
        self._epoll.modify(line.number, _IN_AND_OUT if line.wants_to_send else select.EPOLLIN)

    def _unreachable(self, line: Line) -> None:
        """Nothing can be opened to this address for now."""
        self._names.avoid(line.place.host, line.place.port, line.address)
        self._hand_over(line)
        self._drop(line)

    def _hand_over(self, line: Line) -> None:
        if line.errand is not None:
            self._declined.append(line.errand)
            line.errand = None
            self._busy -= 1

    def _lost(self, line: Line, broken: Broken) -> None:
        """The connection is gone. One that was kept may have been closed before the request came: it is sent again, as
        libcurl does, on a new one.
        """
        errand, line.errand = line.errand, None
        assert errand is not None
        again = line.answers and line.silent
        self._drop(line)
        if not again:
            self._busy -= 1
            self._arrivals.append((errand, broken))
        elif not self._open(errand, line.place):
            self._busy -= 1
            self._declined.append(errand)

    # -- time --------------------------------------------------------------------------------------

    def _time_out(self, now: float) -> None:
        for line in list(self._lines.values()):
            waited_s = now - line.since
            if line.opening:
                self._time_opening(line, waited_s)
            elif line.errand is None:
                if waited_s > IDLE_S_MAX:
                    line.place.idle.remove(line)
                    self._drop(line)
            # Headers are no progress to libcurl: all of them have to come within the time.
            elif waited_s > self._limits.stall_timeout_s:
                self._give_up(line, f"Operation timed out after {waited_s:.1f} seconds")

    def _time_opening(self, line: Line, waited_s: float) -> None:
        place = line.place
        if waited_s > self._limits.connect_timeout_s:
            self._names.avoid(place.host, place.port, line.address)
            self._give_up(line, f"Connection timed out after {waited_s:.1f} seconds")
        elif (
            line.connecting
            and line.errand is not None
            and waited_s > PATIENCE_S
            and self._names.count(place.host, place.port) > 1
        ):
            # libcurl tries them all side by side. If this one comes after all, it is for the next request.
            self._names.avoid(place.host, place.port, line.address)
            self._hand_over(line)

    def _give_up(self, line: Line, text: str) -> None:
        errand, line.errand = line.errand, None
        if errand is not None:
            self._busy -= 1
            broken = Broken(line.status, pycurl.E_OPERATION_TIMEDOUT, text)
            self._arrivals.append((errand, broken))
        self._drop(line)

    def _drop(self, line: Line) -> None:
        if line.number >= 0:
            self._epoll.unregister(line.number)
            del self._lines[line.number]
            line.close()


def _request(errand: Errand, lines: str) -> bytes:
    end = "\r\n\r\n" if errand.signature else "\r\n"
    return f"HEAD {errand.target}{lines}{errand.signature}{end}".encode()

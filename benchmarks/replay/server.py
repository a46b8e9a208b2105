"""One process of the server: an event loop over non-blocking sockets, and a heap of answers that are due later."""

from __future__ import annotations

import heapq
import selectors
import socket
import struct
import time
from http import HTTPStatus
from itertools import count
from typing import NamedTuple

from benchmarks.replay.answers import Answer, Kind, Request, Store, read_request, refusal
from benchmarks.replay.faults import Fate, Fault, Faults
from benchmarks.replay.journal import Event, Journal

_RECEIVE_BYTES = 64 * 2**10
_SEND_BUFFER_BYTES = 4 * 2**20
_HEAD_BYTES_MAX = 64 * 2**10
_END_OF_HEAD = b"\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Due(NamedTuple):
    """An answer under way: when to send it, and what of it."""

    at: float
    number: int  # of the request: among answers due at once the first comes first
    connection: _Connection
    arrived: float
    kind: Kind
    answer: Answer
    fault: Fault


class _Connection:
    """One connection of one client. It has one request under way at a time; others wait in `inbox`."""

    __slots__ = ("inbox", "last", "number", "open", "outbox", "socket", "under_way", "writing")

    def __init__(self, client: socket.socket, number: int) -> None:
        self.socket, self.number = client, number
        self.inbox = b""
        self.outbox = memoryview(b"")
        self.under_way: _Due | None = None
        self.writing = False  # the rest of the outbox waits for room
        self.last = False  # close when the answer is sent
        self.open = True


class Server:
    """Serves a listening socket until `ending` can be read from. Call `run` once."""

    def __init__(
        self,
        listener: socket.socket,
        ending: socket.socket,
        store: Store,
        faults: Faults,
        journal: Journal,
    ) -> None:
        self._listener, self._ending = listener, ending
        self._store, self._faults, self._journal = store, faults, journal
        self._selector = selectors.DefaultSelector()
        self._due: list[_Due] = []
        self._connections, self._requests = count(), count()

    def run(self) -> None:
        """Serve until the end."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ending, selectors.EVENT_READ)
        while True:
            for key, events in self._selector.select(self._patience_s()):
                connection: _Connection | None = key.data
                if connection is not None:
                    self._attend(connection, events)
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    return
                self._send_due()  # between making pages, too, so that no answer is late for them
            self._send_due()

    def _patience_s(self) -> float | None:
        return max(0.0, self._due[0].at - time.monotonic()) if self._due else None

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return  # another process was faster
        client.setblocking(False)  # noqa: FBT003
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection = _Connection(client, next(self._connections))
        self._selector.register(client, selectors.EVENT_READ, connection)

    def _attend(self, connection: _Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send(connection)
        if events & selectors.EVENT_READ and connection.open:
            self._receive(connection)
        self._take_requests(connection)

    def _take_requests(self, connection: _Connection) -> None:
        """Begin to answer the requests in the inbox, one after the other."""
        while connection.open and connection.under_way is None:
            head, end, rest = connection.inbox.partition(_END_OF_HEAD)
            if not end:
                return
            connection.inbox = rest
            self._take_request(connection, head)

    def _receive(self, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received or len(connection.inbox) > _HEAD_BYTES_MAX:
            self._close(connection)
            return
        connection.inbox += received

    def _take_request(self, connection: _Connection, head: bytes) -> None:
        arrived = time.monotonic()
        try:
            request = read_request(head)
        except ValueError:
            self._close(connection)
            return
        # No operation that is answered here has a body, so what follows one cannot be read.
        has_body = request.method not in {b"GET", b"HEAD"}
        connection.last = has_body or b"\r\nconnection: close" in request.head
        due = self._due_answer(connection, request, arrived)
        connection.under_way = due
        if due.at > arrived:
            heapq.heappush(self._due, due)
        else:
            self._begin(due)

    def _due_answer(self, connection: _Connection, request: Request, arrived: float) -> _Due:
        kind, fate = request.kind, Fate(0, Fault.NONE)
        if kind is not Kind.OTHER:
            fate = self._faults.fate(connection.number, arrived)
        if fate.fault is Fault.SLOW_DOWN:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            answer = refusal(request, status, "SlowDown", "Please reduce your request rate.")
        else:
            answer = self._store.answer(request)
        self._journal.count(kind, answer, fate.fault)
        at, number = arrived + fate.delay_s, next(self._requests)
        return _Due(at, number, connection, arrived, kind, answer, fate.fault)

    def _send_due(self) -> None:
        while self._due and self._due[0].at <= time.monotonic():
            due = heapq.heappop(self._due)
            if due.connection.open:
                self._begin(due)
                self._take_requests(due.connection)

    def _begin(self, due: _Due) -> None:
        """Send an answer, or do what befalls it instead."""
        connection, wire = due.connection, due.answer.wire
        match due.fault:
            case Fault.STALL:
                self._record(due, status=0)
                return  # nothing more comes on this connection
            case Fault.RESET:
                self._record(due, status=0)
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self._close(connection)
                return
            case Fault.TRUNCATE:
                wire = wire[: (due.answer.head_bytes + len(wire)) // 2]
                connection.last = True
            case Fault.NONE | Fault.SLOW_DOWN:
                pass
        connection.outbox = memoryview(wire)
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.outbox)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return
        connection.outbox = connection.outbox[sent:]
        waiting = bool(connection.outbox)
        if waiting != connection.writing:
            connection.writing = waiting
            events = selectors.EVENT_READ | selectors.EVENT_WRITE * waiting
            self._selector.modify(connection.socket, events, connection)
        if not waiting:
            self._finish(connection)

    def _finish(self, connection: _Connection) -> None:
        due, connection.under_way = connection.under_way, None
        assert due is not None
        self._record(due, status=due.answer.status)
        if connection.last:
            self._close(connection)

    def _record(self, due: _Due, *, status: int) -> None:
        event = Event(
            due.arrived, time.monotonic(), due.connection.number, due.kind, status, due.answer.rows
        )
        self._journal.record(event)

    def _close(self, connection: _Connection) -> None:
        connection.open = False
        self._selector.unregister(connection.socket)
        connection.socket.close()

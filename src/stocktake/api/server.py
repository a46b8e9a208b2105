"""Listening: uvicorn, with bounds on how many may be connected, and on how long whoever is may take."""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stocktake.api.app import make_app
from stocktake.api.events import WAIT_ANEW
from stocktake.model.errors import UsageError
from stocktake.service.serving import Service

HEAD_S_MAX = 10.0  # from the connection, or the last answer on it, to the end of a request's head
REQUEST_S_MAX = 30.0  # from there to the end of the answer
IDLE_S_MAX = 5  # between two requests of a connection
HEAD_BYTES_MAX = 65_536  # twice what AWS takes
CONNECTIONS_MAX = 1000
DESCRIPTORS_KEPT = 256  # for the ledger, stores, and what else a process opens
STOPPING_S_MAX = 10

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Room:
    """Which connections wait for a request, and how many there may be of all. Who comes when there are as many has the
    one closed that has waited longest: so nobody is kept out by who is connected and asks for nothing. For one event
    loop.
    """

    def __init__(self, connections_max: int) -> None:
        self.connections_max = connections_max
        self._waiting: dict[BoundedProtocol, None] = {}  # the longest waiting first

    def wait(self, connection: BoundedProtocol) -> None:
        """The connection waits from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def leave(self, connection: BoundedProtocol) -> None:
        """It waits no longer."""
        self._waiting.pop(connection, None)

    def make(self, connection: BoundedProtocol) -> None:
        """Make room for a connection that has just come, where that takes it and somebody waits. Where all have
        requests under way, it stays, and is answered 503.
        """
        if len(connection.connections) > self.connections_max:
            longest = next(iter(self._waiting), None)
            if longest is not None:
                self.leave(longest)
                longest.connections.discard(longest)  # not only once the loop comes to it
                longest.transport.abort()


class BoundedProtocol(HttpToolsProtocol):
    """A connection that ends when a request takes too long, whichever part of it, and when its head has no end: uvicorn
    itself waits forever for the rest of a header, and for a reader that does not read, and keeps whatever comes.
    """

    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0  # so many have come of it
    _arrived_bytes = 0

    def __init__(self, room: Room, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._room = room

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._room.make(self)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._room.leave(self)
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        self._arrived_bytes = len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_headers_complete(self) -> None:
        """Note that the head is there."""
        self._in_head = False
        self._room.leave(self)
        self._wait_for_answer()
        self.scope[WAIT_ANEW] = self._wait_for_answer  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to count the next head, without what has arrived together with the end of this message."""
        self._in_head, self._head_bytes = True, -self._arrived_bytes
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless its head is there already."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait_for_head()
        else:
            self._wait_for_answer()

    def _wait_for_head(self) -> None:
        self._room.wait(self)
        self._wait(HEAD_S_MAX)

    def _wait_for_answer(self) -> None:
        self._wait(REQUEST_S_MAX)

    def _wait(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)


def connections_max() -> int:
    """How many connections this process may have, by the descriptors that it may open."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(descriptors - DESCRIPTORS_KEPT, descriptors // 2))


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one.

    Raises:
        UsageError: nobody can listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(CONNECTIONS_MAX)
    except (OSError, UnicodeError) as error:  # the latter of names that no host can have
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"nobody can listen on {host}:{port}: {reason}",
            hint="choose another address or port with --listen",
        ) from error
    return listener


def serve(
    service: Service,
    listener: socket.socket,
    stopping: Callable[[], bool],
    room: Room | None = None,
) -> None:
    """Answer on `listener` until `stopping` says so, then end what is under way, within STOPPING_S_MAX. In `room` there
    are as many connections as the process can have, unless it says otherwise.
    """
    room = room or Room(connections_max())
    config = uvicorn.Config(
        make_app(service, public=not _is_loopback(listener), stopping=stopping),
        http=partial(BoundedProtocol, room),  # type: ignore[arg-type]  # it is called as a class is
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # it would show presigned URLs
        server_header=False,
        proxy_headers=False,  # nothing is decided by where a request comes from
        limit_concurrency=room.connections_max + 1,  # from so many connections on: 503
        timeout_keep_alive=IDLE_S_MAX,
        timeout_graceful_shutdown=STOPPING_S_MAX,
    )
    _Server(config, stopping).run(sockets=[listener])


def _is_loopback(listener: socket.socket) -> bool:
    """Whether nobody but this machine can connect."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


class _Server(uvicorn.Server):
    """uvicorn, which ends when it is told and leaves signals to whoever started it."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], bool]) -> None:
        super().__init__(config)
        self._stopping = stopping

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a narrower one
        """Capture none."""
        return nullcontext()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now."""
        return await super().on_tick(counter) or self._stopping()

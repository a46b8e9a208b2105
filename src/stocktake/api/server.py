"""Listening: uvicorn, with bounds on how long whoever is connected may take."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stocktake.api.app import make_app
from stocktake.api.events import WAIT_ANEW
from stocktake.model.errors import UsageError
from stocktake.service.serving import Service

REQUEST_S_MAX = 30.0  # from the connection, or the last answer on it, to the end of the next answer
IDLE_S_MAX = 5  # between two requests of a connection
HEAD_BYTES_MAX = 65_536  # twice what AWS takes
CONNECTIONS_MAX = 1000
STOPPING_S_MAX = 10

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """A connection that ends when a request takes too long, whichever part of it, and when its head has no end: uvicorn
    itself waits forever for the rest of a header, and for a reader that does not read, and keeps whatever comes.
    """

    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0  # so many have come of it
    _arrived_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._wait_anew()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
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
        self.scope[WAIT_ANEW] = self._wait_anew  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to count the next head, without what has arrived together with the end of this message."""
        self._in_head, self._head_bytes = True, -self._arrived_bytes
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._wait_anew()

    def _wait_anew(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_S_MAX, self.transport.abort)


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
    except OSError as error:
        raise UsageError(
            f"nobody can listen on {host}:{port}: {error.strerror or error}",
            hint="choose another address or port with --listen",
        ) from error
    return listener


def serve(service: Service, listener: socket.socket, stopping: Callable[[], bool]) -> None:
    """Answer on `listener` until `stopping` says so, then end what is under way, within STOPPING_S_MAX."""
    config = uvicorn.Config(
        make_app(service, public=not _is_loopback(listener), stopping=stopping),
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # it would show presigned URLs
        server_header=False,
        proxy_headers=False,  # nothing is decided by where a request comes from
        limit_concurrency=CONNECTIONS_MAX,
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

"""HTTP/1.1 as bytes on sockets: keep-alive, one answer after the other, and the ways in which an
answer breaks off."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from http.client import responses
from typing import Protocol

from tests.servers.fault_values import Response

_PIECE = 256 * 1024
_HEAD_BYTES_MAX = 256 * 1024
_LOOK_EVERY_S = 0.01


class Answering(Protocol):
    """Who answers what a connection reads."""

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Response: ...
    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    def finished(self) -> None: ...


class Connection(asyncio.Protocol):
    """One connection of one client."""

    def __init__(self, server: Answering, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._loop = server, loop
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._busy = self._paused = self._last = False
        self._pieces: Iterator[bytes | float | None] = iter(())
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.opened(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if self._timer:
            self._timer.cancel()
        if self._busy:
            self._server.finished()
        self._server.closed(self)

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._read()

    def _read(self) -> None:
        """Answer the requests that have arrived whole, one after the other."""
        while not self._busy and self._transport and (self._head or self._read_head()):
            assert self._head is not None
            method, target, headers = self._head
            body = self._read_body(headers)
            if body is None:
                return
            self._head, self._busy = None, True
            self._last = headers.get("connection", "").lower() == "close"
            response = self._server.answer(method, target, headers, body)
            self._pieces = pieces(response, method=method, last=self._last)
            self._go_on()

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_BYTES_MAX:
                self.abort()
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, _, rest = lines[0].partition(" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._head = (method, rest.rpartition(" ")[0], headers)
        if headers.get("expect", "").lower() == "100-continue" and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self, headers: dict[str, str]) -> bytes | None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = int(headers.get("content-length", 0))
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _read_chunks(self) -> bytes | None:
        parts, at = [], 0
        while (line_end := self._buffer.find(b"\r\n", at)) >= 0:
            size = int(self._buffer[at:line_end].partition(b";")[0], 16)
            following = line_end + 2 + size + 2
            if len(self._buffer) < following:
                return None
            parts.append(bytes(self._buffer[line_end + 2 : line_end + 2 + size]))
            at = following
            if size == 0:
                del self._buffer[:at]
                return b"".join(parts)
        return None

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._go_on()
        self._read()

    def _wake(self) -> None:
        self._timer = None
        self._go_on()
        self._read()

    def _go_on(self) -> None:
        """Send what can be sent now."""
        while self._transport and self._busy and not self._paused and not self._timer:
            piece = next(self._pieces, b"")
            if piece is None:
                self._reset()
            elif isinstance(piece, float):
                if piece > 0:
                    self._timer = self._loop.call_later(piece, self._wake)
                elif piece < 0:
                    self._last = True
            elif piece:
                self._transport.write(piece)
            else:
                self._busy = False
                self._server.finished()
                if self._last:
                    self._transport.close()

    def _reset(self) -> None:
        assert self._transport is not None
        sock: socket.socket = self._transport.get_extra_info("socket")
        # Closing with a linger time of zero sends a reset instead of an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        self._transport = None


def pieces(response: Response, *, method: str, last: bool) -> Iterator[bytes | float | None]:
    """What is to happen on the wire, step by step: bytes to send, seconds to wait, None for a
    reset. A negative number of seconds means: close in good order when all is sent."""
    while response.held is not None and not response.held.is_set():
        yield _LOOK_EVERY_S
    if response.delay_s:
        yield float(response.delay_s)
    if response.reset == "at once":
        yield None
    head = _head(response, method=method, last=last)
    if method == "HEAD" or not len(response.body):
        yield head
        if response.reset or response.cut_at is not None:
            yield None if response.reset else -1.0
        return
    if response.reset == "after headers":
        yield head
        # The headers must be on their way before the reset discards what is not sent.
        yield 0.05
        yield None
    yield from _body(head, response)


def _body(head: bytes, response: Response) -> Iterator[bytes | float | None]:
    body, end = response.body, len(response.body) if response.cut_at is None else response.cut_at
    stall_at = response.stall_at
    at = 0
    while at < end or head:
        stop = min(at + _PIECE, end, stall_at if stall_at is not None and stall_at >= at else end)
        yield head + body[at:stop]
        head, at = b"", stop
        if at == stall_at:
            yield float(response.stall_s)
            stall_at = None
    if response.reset == "in body":
        yield 0.05
        yield None
    elif response.cut_at is not None:
        yield -1.0


def _head(response: Response, *, method: str, last: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status not in {204, 304} and "Content-Length" not in response.headers:
        # The error document that a HEAD leaves out is not announced either.
        length = 0 if method == "HEAD" and response.status >= 300 else len(response.body)
        lines.append(f"Content-Length: {length}")
    lines.append("Connection: close" if last else "Connection: keep-alive")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

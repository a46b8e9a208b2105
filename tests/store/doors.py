"""What tests of the transport share: limits that are quick, servers that are rude, a proxy."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import random as random_fraction

import pytest

from stocktake.model.runs import Call, Counters, Limits
from stocktake.model.store import Store
from stocktake.store.connection import Connection
from stocktake.store.requests import Answer, Request
from stocktake.store.transport import Transport
from tests.servers.server import Server

QUICK = Limits(
    concurrency=8,
    tries_max=4,
    retry_delay_s_min=0.01,
    retry_delay_s_max=0.05,
    # What no test is about never comes to pass, however busy the machine is.
    connect_timeout_s=60.0,
    stall_timeout_s=60.0,
)


def sign_as(
    monkeypatch: pytest.MonkeyPatch, access_key: str, secret_key: str, token: str = ""
) -> None:
    """Let the environment hold these credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret_key)
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)


def connect(monkeypatch: pytest.MonkeyPatch, server: Server) -> Connection:
    """A connection to `server` as its first user."""
    sign_as(monkeypatch, server.access_key, server.secret_key)
    return Connection.open(Store(endpoint_url=server.endpoint_url))


def open_transport(
    endpoint_url: str,
    counters: Counters | None = None,
    limits: Limits = QUICK,
    *,
    signed: bool = False,
    random: Callable[[], float] = random_fraction,
) -> Transport:
    """A transport to that endpoint."""
    connection = Connection.open(Store(endpoint_url, sign_requests=signed))
    counters = Counters() if counters is None else counters
    return Transport(connection, limits, counters, random=random)


def headers(answer: Answer) -> dict[str, str]:
    """The headers of an answer, names in lower case."""
    lines = answer.headers.decode("latin-1").split("\r\n")
    assert lines.pop() == ""
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def head(bucket: str, key: str) -> Request:
    """HEAD of a key."""
    return Request(Call.HEAD, "HEAD", bucket, key)


def get(bucket: str, key: str, body_bytes_max: int = 2**20) -> Request:
    """GET of a key."""
    return Request(Call.PROOF, "GET", bucket, key, body_bytes_max=body_bytes_max)


def listing(bucket: str, **query: str) -> Request:
    """A LIST; `_` in a name stands for `-`."""
    pairs = {name.replace("_", "-"): value for name, value in query.items()}
    pairs |= {"list-type": "2", "encoding-type": "url"}
    return Request(Call.LIST, "GET", bucket, query=tuple(pairs.items()))


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of 127.0.0.1 where every connection gets a thread with `serve`; connections left open are
    cut at the end."""
    listening = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def served(link: socket.socket) -> None:
        with link, suppress(OSError):
            serve(link)

    def accept() -> None:
        with suppress(OSError):
            while True:
                link, _ = listening.accept()
                links.append(link)
                threads.append(threading.Thread(target=served, args=(link,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listening.getsockname()[1]
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(60)
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(60)


def read_head(link: socket.socket) -> bytes:
    """One request without a body, or b"" where the other side has closed."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        if not (piece := link.recv(65536)):
            return b""
        received += piece
    return received


@contextmanager
def scripted(*answers: bytes) -> Iterator[int]:
    """A port where the n-th request, whatever it is, gets the n-th of `answers` as it is, the last one
    from then on; an answer that ends in b"<close>" closes the connection behind it."""
    lock, left = threading.Lock(), list(answers)

    def serve(link: socket.socket) -> None:
        while read_head(link):
            with lock:
                answer = left.pop(0) if len(left) > 1 else left[0]
            link.sendall(answer.removesuffix(b"<close>"))
            if answer.endswith(b"<close>"):
                return

    with listener(serve) as port:
        yield port


@dataclass
class Proxy:
    """A plain HTTP proxy: CONNECT, and absolute URLs. `requests` are the first lines it was sent."""

    url: str = ""
    requests: list[str] = field(default_factory=list)

    def serve(self, link: socket.socket) -> None:
        """Carry one connection."""
        while received := read_head(link):
            line, _, rest = received.partition(b"\r\n")
            self.requests.append(line.decode())
            method, target, version = line.split(b" ")
            if method == b"CONNECT":
                link.sendall(b"HTTP/1.1 200 Connection established\r\nx-proxy: yes\r\n\r\n")
                self._carry(link, _dial(target), b"")
                return
            place, _, path = target.removeprefix(b"http://").partition(b"/")
            self._carry(link, _dial(place), b"%s /%s %s\r\n%s" % (method, path, version, rest))
            return

    def _carry(self, link: socket.socket, onward: socket.socket, first: bytes) -> None:
        with onward:
            onward.sendall(first)
            other = {link: onward, onward: link}
            while True:
                for ready in select.select(list(other), [], [])[0]:
                    if not (piece := ready.recv(65536)):
                        return
                    other[ready].sendall(piece)


def _dial(place: bytes) -> socket.socket:
    _, _, port = place.rpartition(b":")
    return socket.create_connection(("127.0.0.1", int(port)), timeout=60)


@contextmanager
def proxy() -> Iterator[Proxy]:
    """A proxy on loopback. It forwards one request per connection and closes then."""
    carrying = Proxy()
    with listener(carrying.serve) as port:
        carrying.url = f"http://127.0.0.1:{port}"
        yield carrying

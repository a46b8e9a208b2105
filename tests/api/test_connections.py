"""Who is connected and asks for nothing keeps nobody out; who has a request under way is never closed for others."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stocktake.api import server
from stocktake.api.server import CONNECTIONS_MAX, DESCRIPTORS_KEPT, Room, connections_max
from tests.api.conftest import site
from tests.api.serving import ADMIN, Api, document, running_api, signed
from tests.servers.server import Server

CONNECTIONS = 12
ASKED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT_S_MAX = 30


@pytest.fixture
def narrow(moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A service that has few connections, and all the patience that tests need."""
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(server, "HEAD_S_MAX", 600.0)
    monkeypatch.setattr(server, "IDLE_S_MAX", 600)
    with running_api(tmp_path, (site(moto_server),), room=Room(CONNECTIONS)) as api:
        yield api


@pytest.fixture
def connect(narrow: Api) -> Iterator[Callable[[bytes], socket.socket]]:
    """Connects, and sends so much."""
    with ExitStack() as lines:

        def connected(sent: bytes) -> socket.socket:
            line = lines.enter_context(socket.create_connection(narrow.address, WAIT_S_MAX))
            line.sendall(sent)
            return line

        yield connected


def is_open(line: socket.socket) -> bool:
    """Whether the server still answers there."""
    with suppress(ConnectionError):
        line.sendall(ASKED)
        said = b""
        while not said.endswith(b"ok\n"):
            if not (more := line.recv(4096)):
                return False
            said += more
        return said.startswith(b"HTTP/1.1 200 ")
    return False


def closed(line: socket.socket) -> bool:
    """Whether the server ends the connection, with no more said there."""
    with suppress(ConnectionResetError):
        return line.recv(1) == b""
    return True


@pytest.mark.parametrize("sent", [b"", b"GET /b?inventory HTTP/1.1\r\nx: "], ids=["none", "half"])
def test_the_connections_that_have_waited_longest_make_room(
    narrow: Api, connect: Callable[[bytes], socket.socket], sent: bytes
) -> None:
    lines = [connect(sent) for _ in range(3 * CONNECTIONS)]
    for _ in range(3):
        assert narrow.ask("GET", "/healthz", key=None).status == 200
    assert all(map(closed, lines[: 2 * CONNECTIONS]))
    if not sent:
        assert is_open(lines[-1])


def test_a_connection_that_asked_waits_anew(
    connect: Callable[[bytes], socket.socket],
) -> None:
    lines = [connect(b"") for _ in range(CONNECTIONS)]
    for line in lines:
        assert is_open(line)  # the first of them has waited longest from here on
    assert is_open(lines[0])
    connect(b"")
    assert closed(lines[1])
    assert is_open(lines[0])


def test_requests_under_way_are_not_closed_for_others(
    narrow: Api, connect: Callable[[bytes], socket.socket], buckets: Callable[..., str],
    moto_server: Server,
) -> None:  # fmt: skip
    bucket = buckets("busy")
    moto_server.client().create_bucket(Bucket=bucket)
    body, target = document(), f"/{bucket}?inventory&id=report1"
    headers = {"Host": urlsplit(narrow.endpoint_url).netloc}
    said = signed("PUT", target, body, headers, ADMIN)
    said |= {"Content-Length": str(len(body)), "Expect": "100-continue"}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    busy = []
    for _ in range(CONNECTIONS):
        busy.append(connect(f"PUT {target} HTTP/1.1\r\n{head}\r\n".encode()))
        assert busy[-1].recv(4096).startswith(b"HTTP/1.1 100 ")  # it is being read
    assert narrow.ask("GET", "/healthz", key=None).status == 503
    for line in busy:
        line.sendall(body)
        assert line.recv(4096).startswith(b"HTTP/1.1 204 ")
    assert narrow.ask("GET", "/healthz", key=None).status == 200


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [
        (256, 128),
        (600, 344),
        (1024, 1024 - DESCRIPTORS_KEPT),
        (65_536, CONNECTIONS_MAX),
        (server.resource.RLIM_INFINITY, CONNECTIONS_MAX),
    ],
)
def test_a_process_that_may_open_few_files_has_few_connections(
    descriptors: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connections_max() == connections

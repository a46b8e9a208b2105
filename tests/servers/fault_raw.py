"""Requests written by hand and answers as they come, for looking at the fault server's wire."""

from __future__ import annotations

import socket
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.servers.fault_server import FaultServer

ANSWER_S_MAX = 60


def connect(server: FaultServer) -> socket.socket:
    """A connection to the server."""
    address = urlsplit(server.endpoint_url)
    return socket.create_connection((address.hostname, address.port), timeout=ANSWER_S_MAX)


def collect(link: socket.socket, into: bytearray) -> None:
    """Add to `into` whatever comes until the server closes; raises what the socket raises."""
    while piece := link.recv(65536):
        into += piece


def exchange(
    server: FaultServer, target: str, method: str = "GET", **headers: str
) -> tuple[int, bytes]:
    """Status, and all bytes behind the headers until the server closes. `_` in a name of `headers`
    stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"{method} {target} HTTP/1.1", "Host: s", "Connection: close", *lines, "", ""]
    received = bytearray()
    with connect(server) as link:
        link.sendall("\r\n".join(head).encode())
        collect(link, received)
    first, _, body = bytes(received).partition(b"\r\n\r\n")
    return int(first.split(b" ")[1]), body


def header(server: FaultServer, method: str, target: str, name: str, **headers: str) -> str | None:
    """One header of the answer to a request."""
    place = urlsplit(server.endpoint_url).netloc
    with closing(HTTPConnection(place, timeout=ANSWER_S_MAX)) as connection:
        connection.request(method, target, headers=headers)
        return connection.getresponse().getheader(name)

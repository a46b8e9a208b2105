"""Ports for servers that cannot be told to take any, and ports that nobody answers on.

A port that the kernel picked and that was given back is soon another program's: tests run side by side, and each opens
connections. So these come from below what the kernel picks from, and stay reserved while this process lives.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

# Below what Linux gives to whoever asks for any port (net.ipv4.ip_local_port_range), above what services are known by.
FIRST, COUNT = 20_000, 10_000
# Where processes begin to look, far from each other.
STRIDE = 97

_reserved: list[socket.socket] = []


def reserved_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no other process of the tests is given while this one lives.

    Raises:
        RuntimeError: none is left.
    """
    for number in range(COUNT):
        port = FIRST + (os.getpid() * STRIDE + number) % COUNT
        with suppress(OSError):
            _reserve(port)
            return port
    raise RuntimeError(f"no port from {FIRST} to {FIRST + COUNT - 1} is free")


def _reserve(port: int) -> None:
    # A name that the kernel gives to one process, and forgets with it. Programs that tests start do not inherit it.
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0stocktake-tests-port-{port}")
        with closing(socket.socket()) as trial:
            trial.bind(("127.0.0.1", port))
    except OSError:
        name.close()
        raise
    _reserved.append(name)


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections for as long as the block runs: it is taken, and nobody listens."""
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        port: int = silent.getsockname()[1]
        yield port


@contextmanager
def unanswering_port() -> Iterator[int]:
    """A port of 127.0.0.1 that neither refuses nor accepts: its queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as waiting:
        for _ in range(4):
            link = waiting.enter_context(closing(socket.socket()))
            link.setblocking(False)
            link.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]

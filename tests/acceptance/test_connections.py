"""A server whose user may open few files, and who is connected to by more than it can have."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.acceptance.test_serve import served
from tests.servers.server import Server

DESCRIPTORS = 300
IDLE = 400


def test_more_idle_connections_than_descriptors_keep_nobody_out(
    moto_server: Server, tmp_path: Path
) -> None:
    environment = moto_server.environment() | {"STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    limited = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    with served(environment, under=limited) as (url, said), ExitStack() as lines:
        parts = urlsplit(url)
        assert parts.hostname
        for _ in range(IDLE):
            address = (parts.hostname, parts.port or 0)
            lines.enter_context(socket.create_connection(address, timeout=30))
        for path in ("/healthz", "/metrics"):  # the latter reads the ledger
            with urlopen(f"{url}{path}", timeout=30) as answer:
                assert answer.status == 200
    assert not [line for line in said if "Too many open files" in line]

"""What tests of the client share: clients that give up soon, small parts, files to upload."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from stocktake.store.client import Client
from stocktake.store.uploads import UploadLimits
from tests.servers.fault import FaultServer
from tests.servers.server import Server

MIB = 2**20
SMALL_PARTS = UploadLimits(multipart_bytes_min=8 * MIB, part_bytes=5 * MIB)
QUICK: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": 3}}
PLAIN: dict[str, Any] = {"encryption": None, "owner_full_control": False}


def opened(server: Server | FaultServer, **settings: Any) -> Client:
    """A client of `server` as its first user."""
    return Client(server.client(**QUICK), Counter(), **settings)


def sparse(folder: Path, size: int) -> Path:
    """A file of that size whose parts differ."""
    path = folder / "spool"
    with path.open("wb") as sink:
        for start in range(0, size, MIB):
            sink.seek(start)
            sink.write(b"%d" % start)
        sink.truncate(size)
    return path

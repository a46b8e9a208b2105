"""Workers as parts of a server: they begin and end with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stocktake.service.beside import workers_beside
from tests.acceptance.killing import alive, descendants_of
from tests.service.worker_runs import until

SERVER = """
import sys, time
from stocktake.service.beside import workers_beside
with workers_beside(["--store-name", "ceph"]):
    print("begun", flush=True)
    time.sleep(60)
"""


def workers_of(pid: int) -> set[int]:
    """The children that are workers."""
    return {
        child
        for child in descendants_of(pid)
        if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    }


@pytest.mark.slow
def test_they_begin_with_the_block_are_begun_anew_and_end_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    with workers_beside(["--store-name", "ceph"], count=2):
        first = until(lambda: len(found := workers_of(os.getpid())) == 2 and found, 60)
        os.kill(min(first), 9)
        until(lambda: len(workers_of(os.getpid()) - first) == 1, 60)
        running = workers_of(os.getpid())
    assert not any(map(alive, running))


@pytest.mark.slow
def test_they_end_when_their_server_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    server = subprocess.Popen([sys.executable, "-c", SERVER], env=environment)
    try:
        running = until(lambda: workers_of(server.pid), 60)
    finally:
        server.kill()
        server.wait()
    until(lambda: not any(map(alive, running)), 30)

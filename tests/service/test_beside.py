"""Workers as parts of a server: they begin and end with it."""

from __future__ import annotations

import os
import re
import signal
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
    time.sleep(600)
"""

SLOW_SERVER = """
import logging, time
from stocktake.cli.signals import stopping_on_signals
from stocktake.service.beside import workers_beside
logging.basicConfig(level="INFO")
with stopping_on_signals() as stopping, workers_beside(["--store-name", "ceph"], stopping=stopping.event.is_set):
    stopping.event.wait()
    time.sleep(3)  # as a server does whose answers are still under way
"""


def workers_of(pid: int) -> set[int]:
    """The children that are workers."""
    return {child for child in descendants_of(pid) if b"worker" in words_of(child)}


def words_of(pid: int) -> list[bytes]:
    """The command line of a process; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.mark.slow
def test_they_begin_with_the_block_are_begun_anew_and_end_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    with workers_beside(["--store-name", "ceph"], count=2):
        first = until(lambda: len(found := workers_of(os.getpid())) == 2 and found, 180)
        os.kill(min(first), 9)
        until(lambda: len(workers_of(os.getpid()) - first) == 1, 180)
        running = workers_of(os.getpid())
    assert not any(map(alive, running))


@pytest.mark.slow
def test_they_end_when_their_server_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    server = subprocess.Popen([sys.executable, "-c", SERVER], env=environment)
    try:
        running = until(lambda: workers_of(server.pid), 180)
    finally:
        server.kill()
        server.wait()
    until(lambda: not any(map(alive, running)), 180)


@pytest.mark.slow
def test_a_worker_that_was_asked_to_end_is_no_error_and_none_begins_once_all_are_asked(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    log = tmp_path / "log"

    def begun() -> int:
        return log.read_text().count("working for ceph")

    with log.open("wb") as told:
        server = subprocess.Popen(
            [sys.executable, "-c", SLOW_SERVER],
            env=environment,
            stderr=told,
            start_new_session=True,
        )
    try:
        until(lambda: begun() == 1, 180)
        [first] = workers_of(server.pid)
        os.kill(first, signal.SIGTERM)
        until(lambda: begun() == 2, 180)
        os.killpg(server.pid, signal.SIGINT)  # as Ctrl-C does
        assert server.wait(120) == 0
    finally:
        server.kill()
        server.wait()
    ended = re.findall(r"^(\w+):.*a worker has ended with (-?\d+)", log.read_text(), re.M)
    assert ended == [("INFO", "0")], log.read_text()

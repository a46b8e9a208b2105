"""kill -9 of the parent alone, at any moment: no published report is ever broken, and no worker goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.reports import command, folder_keys, published
from tests.servers.fault import FaultServer, latency, synthetic

# How many runs are killed, over both kinds of destination. More of them: STOCKTAKE_TEST_KILLS=50.
KILLS = int(os.environ.get("STOCKTAKE_TEST_KILLS", "6"))
OBJECTS = 3_000
UPLOADS = ("PutObject", "UploadPart", "CreateMultipartUpload")


def children_of(pid: int) -> set[int]:
    """The processes whose parent is `pid`, by /proc."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.add(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def start(server: FaultServer, destination: str, spool: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(
            "run", "s3://source", destination, "--processes", "2", "--quiet",
            "--fields", "default,EncryptionStatus", "--spool-folder", str(spool),
        ),
        env={**os.environ, **server.environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def upload_begun(server: FaultServer, folder: Path, number: int) -> bool:
    """Whether the run with this number has begun to deliver its first data file."""
    # os.walk does not mind that folders come and go: the run tries out whether it can write.
    for _, _, names in os.walk(folder / str(number)):
        if any(name.endswith(".parquet") for name in names):
            return True
    return any(
        entry.operation in UPLOADS
        and f"/{number}/" in entry.path
        and entry.path.endswith(".parquet")
        for entry in list(server.log)
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("local", [False, True], ids=["bucket", "folder"])
def test_no_kill_leaves_a_broken_report_or_a_working_process(tmp_path: Path, local: bool) -> None:
    chance = random.Random(7)
    spool, folder = tmp_path / "spool", tmp_path / "reports"
    spool.mkdir()
    in_delivery = 0
    with FaultServer() as server:
        server.bucket("source", generated=synthetic(OBJECTS, lambda n: f"{n // 600}/{n:06d}"))
        destination = server.bucket("destination")
        server.rule(latency(0.02), operation="List")
        server.rule(latency(0.1), bucket="destination", method="PUT")
        for number in range(KILLS // 2):
            server.reset_counts()
            address = str(folder / str(number)) if local else f"s3://destination/{number}"
            process = start(server, address, spool)
            if number % 3 == 2:
                time.sleep(chance.random() * 4)
            else:
                assert wait_for(partial(upload_begun, server, folder, number), 60)
                time.sleep(chance.random() * (0.015 if local else 0.5))
            workers = children_of(process.pid)
            in_delivery += process.poll() is None and upload_begun(server, folder, number)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert wait_for(lambda pids=workers: not any(map(alive, pids)), 5), "a worker goes on"
        for number in range(KILLS // 2):
            root = folder / str(number)
            published(folder_keys(root), lambda key, root=root: (root / key).read_bytes())
        published(destination.keys(), destination.read)
        assert in_delivery >= KILLS // 2 // 3
        # The next run removes what the killed ones spooled, and publishes.
        address = str(folder / "last") if local else "s3://destination/last"
        assert start(server, address, spool).wait(60) == 0
    assert list(spool.iterdir()) == []

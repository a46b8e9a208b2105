"""kill -9 of the parent alone, mostly in the middle of delivery: no published report is ever broken, no worker goes on,
and what was killed goes on where it was, or is cleared away.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.acceptance.command_line import command, stocktake
from tests.acceptance.killing import STATE_FOLDER, wait_for, working
from tests.acceptance.reports import folder_keys, published
from tests.servers.fault import FaultServer, latency, synthetic

# How many runs are killed, over both kinds of destination. More of them: STOCKTAKE_TEST_KILLS=50.
KILLS = int(os.environ.get("STOCKTAKE_TEST_KILLS", "6"))
OBJECTS = 3_000
UPLOADS = ("PutObject", "UploadPart", "CreateMultipartUpload")


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
        for entry in server.log
    )


def listing_begun(server: FaultServer) -> bool:
    """Whether the run is under way: by then it is written down."""
    return any(
        entry.operation == "ListObjectsV2" and entry.path == "/source" for entry in server.log
    )


def settle(server: FaultServer, *, resume: bool) -> str:
    """Go on with the newest run, or abandon it, unless it was published; what it came to."""
    environment = server.environment()
    newest = stocktake("runs", "--json").document["runs"][0]
    if newest["state"] == "published":
        return "published"
    assert newest["state"] == "interrupted"
    if resume:
        done = stocktake("run", "--resume", newest["run"], "--quiet", environment=environment)
    else:
        done = stocktake("runs", "abandon", newest["run"], "--yes", environment=environment)
    assert done.code == 0, done.err
    return "published" if resume else "abandoned"


def numbers(enough: Callable[[], bool]) -> Iterator[int]:
    """The numbers of the runs that are killed; more of them while not enough were killed in delivery."""
    for number in range(4 * KILLS):
        if number >= KILLS // 2 and enough():
            return
        yield number
    raise AssertionError("whoever is to be killed in delivery is over by then")


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("local", [False, True], ids=["bucket", "folder"])
def test_no_kill_leaves_a_broken_report_or_a_working_process_and_every_run_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv(STATE_FOLDER, str(state))
    chance = random.Random(7)
    spool, folder = tmp_path / "spool", tmp_path / "reports"
    spool.mkdir()
    in_delivery: list[bool] = []
    with FaultServer() as server:
        server.bucket("source", generated=synthetic(OBJECTS, lambda n: f"{n // 600}/{n:06d}"))
        destination = server.bucket("destination")
        server.rule(latency(0.02), operation="List")
        server.rule(latency(0.1), bucket="destination", method="PUT")
        for number in numbers(lambda: sum(in_delivery) >= KILLS // 2 // 3):
            server.reset_counts()
            address = str(folder / str(number)) if local else f"s3://destination/{number}"
            process = start(server, address, spool)
            if number % 3 == 2:
                assert wait_for(partial(listing_begun, server), 180)
                time.sleep(chance.random() * 4)
            else:
                assert wait_for(partial(upload_begun, server, folder, number), 180)
                time.sleep(chance.random() * (0.015 if local else 0.5))
            in_delivery.append(process.poll() is None and upload_begun(server, folder, number))
            process.kill()
            process.wait()
            assert wait_for(lambda: not working(state), 180), "a worker goes on"

            def keys(number: int = number) -> list[str]:
                if local:
                    return folder_keys(folder / str(number))
                held = destination.keys()
                return [key for key in held if key.startswith(f"{number}/")]

            def read(key: str, number: int = number) -> bytes:
                return (folder / str(number) / key).read_bytes() if local else destination.read(key)

            published(keys(), read)
            if settle(server, resume=number % 4 != 3) == "abandoned":
                assert keys() == []
                continue
            [manifest] = published(keys(), read)
            rows = [
                row["key"]
                for file in manifest["files"]
                for row in pq.read_table(BytesIO(read(file["key"]))).to_pylist()
            ]
            assert rows == sorted(f"{n // 600}/{n:06d}" for n in range(OBJECTS))
            named = {Path(file["key"]).name for file in manifest["files"]}
            assert {Path(key).name for key in keys() if "/data/" in key} == named, "an orphan"
        assert destination.uploads == {}
    assert list(spool.iterdir()) == []

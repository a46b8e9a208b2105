"""Killed in mid-run and resumed, with a budget and objects to revisit: the report of a run that nothing disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.command_line import command, stocktake
from tests.acceptance.days import Days, ages_of, manifest_of
from tests.acceptance.killing import alive, descendants_of, wait_for
from tests.servers.fault import FaultServer, FixtureObject, hold, synthetic

OBJECTS = 1_500
BUDGET = 500
FIELDS = "default,EncryptionStatus,ContentType"


def make(number: int, key: str) -> FixtureObject:
    return FixtureObject(key, size=number, etag=f"{number:032x}")


def killed(server: FaultServer, words: list[str], heads: int) -> None:
    """Start a run and kill it, with all its workers, once the store was asked about so many objects. It answers no more
    than that, so that the run is not over before.
    """
    server.reset_counts()
    held = server.rule(hold(threading.Event()), operation="HeadObject", after=heads)
    run = subprocess.Popen(
        command(*words), env={**os.environ, **server.environment()},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert wait_for(lambda: server.counts["HeadObject"] >= heads, 180)
    workers = descendants_of(run.pid)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    assert wait_for(lambda: not any(map(alive, workers)), 180)
    held.remove()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--head-budget", str(BUDGET))], ids=["free", "budget"])
def test_a_run_that_is_killed_and_resumed_comes_to_the_same_report(
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    bucket = fault_server.bucket("b", generated=synthetic(OBJECTS, "k{:06d}".format, make=make))
    days = Days("b", tmp_path, fault_server.environment(), monkeypatch, FIELDS)
    days.options = ("--processes", "2", "--concurrency", "8")
    first = manifest_of(days.run())
    for number in range(0, OBJECTS, 10):
        kms = {"x-amz-server-side-encryption": "aws:kms"}
        bucket.overwrite(f"k{number:06}", size=number, head_headers=kms)
    wanted = ("--revisit", "40%", "--remember-for", "ever", "--remember", str(first), *options)
    undisturbed = days.run(*wanted, into="undisturbed")
    words = days.command(*wanted, into="killed")
    for heads in (60, 140):
        killed(fault_server, words, heads)
        words = ["run", "--resume", "--quiet"]
    resumed = stocktake("run", "--resume", "--json", "--quiet", environment=days.environment)
    assert resumed.code == 0, resumed.err
    assert days.rows(resumed, "killed") == days.rows(undisturbed, "undisturbed")
    whole, rest = ([age is None for age, _ in ages_of(each)] for each in (undisturbed, resumed))
    assert whole == rest
    assert [late for _, late in ages_of(undisturbed)] == [late for _, late in ages_of(resumed)]
    assert resumed.document["remembered"] == undisturbed.document["remembered"]
    assert resumed.document["problems"] == undisturbed.document["problems"]


@pytest.mark.slow
def test_an_object_overwritten_before_the_run_is_resumed_is_reported_as_the_new_one(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same bytes, so that nothing but its moment tells it from the one that was listed."""
    bucket = fault_server.bucket("b", generated=synthetic(OBJECTS, "k{:06d}".format, make=make))
    days = Days("b", tmp_path, fault_server.environment(), monkeypatch, FIELDS)
    days.options = ("--processes", "1", "--concurrency", "8")
    killed(fault_server, days.command("--head-budget", str(OBJECTS)), 60)
    asked = min(entry.at for entry in fault_server.log if entry.operation == "HeadObject")
    written = datetime.now(UTC) - timedelta(seconds=time.monotonic() - asked)
    key, kms = f"k{OBJECTS - 1:06}", {"x-amz-server-side-encryption": "aws:kms"}
    old = bucket.find(key)
    assert old is not None
    moment = written.replace(microsecond=0)
    bucket.overwrite(key, size=old.size, etag=old.etag, head_headers=kms, last_modified=moment)
    resumed = stocktake("run", "--resume", "--json", "--quiet", environment=days.environment)
    assert resumed.code == 0, resumed.err
    assert resumed.document["problems"] == {"changed": 1}
    [row] = days.rows(resumed).slice(OBJECTS - 1).to_pylist()
    assert (row["encryption_status"], row["last_modified_date"]) == ("SSE-KMS", moment)

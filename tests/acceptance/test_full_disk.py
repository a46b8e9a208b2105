"""A disk that takes nothing any more while a service works: it says so, waits, and goes on once there is room.

There is none for a process that may write no file longer than a page of the ledger.
"""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from stocktake.model.scheduled import ScheduledState
from stocktake.service.access_keys import add_keys
from tests.acceptance.command_line import command
from tests.acceptance.killing import descendants_of
from tests.acceptance.secrets.canaries import USER, Told, configuration
from tests.servers.fault import FaultServer, latency, synthetic
from tests.service.worker_runs import (
    REPORTS,
    SOURCE,
    opened,
    put,
    reported_keys,
    run_in,
    until,
)

WITHIN_S = 180
ROOM_BYTES = 4096
OBJECTS = 3000


class Program:
    """A process that says what it does into a pipe: of files, none may take it."""

    def __init__(self, environment: Mapping[str, str], *words: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command(*words),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def said(self, text: str) -> str | None:
        """The first line with that text, once there is one."""
        return next((line for line in list(self.lines) if text in line), None)

    def may_write(self, bytes_max: int) -> None:
        """How long a file may become that it, or what it has started, writes."""
        for pid in {self.process.pid, *descendants_of(self.process.pid)}:
            try:
                hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_max, hard))
            except ProcessLookupError:
                continue  # it is gone

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(60)
        self._reader.join()
        assert self.process.stderr
        self.process.stderr.close()
        return code


@contextmanager
def running(environment: Mapping[str, str], *words: str) -> Iterator[Program]:
    """The program, which is to end cleanly."""
    program = Program(environment, *words)
    try:
        yield program
        assert program.end() == 0, program.lines
    finally:
        program.process.kill()
        program.end()


@pytest.fixture
def store() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.bucket(SOURCE, generated=synthetic(OBJECTS, lambda n: f"{n // 600:05d}/{n:07d}"))
        server.bucket(REPORTS)
        server.rule(latency(0.05), operation="List")
        server.rule(latency(0.2), bucket=REPORTS, method="PUT")
        yield server


@pytest.fixture
def environment(store: FaultServer, tmp_path: Path) -> dict[str, str]:
    return {
        **store.environment(),
        "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
        "STOCKTAKE_FILE_ROWS": "100",
    }


@pytest.mark.slow
def test_a_worker_gives_back_what_it_cannot_write_down_and_goes_on_once_it_can(
    store: FaultServer, environment: dict[str, str], tmp_path: Path
) -> None:
    with opened(None, tmp_path / "state") as ledger, running(environment, "worker") as worker:
        put(ledger, fields=("Size",))

        def begun() -> bool:
            run = run_in(ledger, ScheduledState.RUNNING)
            return bool(run and run.claims and ledger.runs() and ledger.kept(run.id).files)

        until(begun, WITHIN_S)
        worker.may_write(ROOM_BYTES)
        told = until(lambda: worker.said("is given back"), WITHIN_S)
        assert "the ledger" in told
        assert "cannot be used" in told
        until(lambda: worker.said("the ledger cannot be told"), WITHIN_S)
        assert worker.process.poll() is None
        worker.may_write(resource.RLIM_INFINITY)
        run = until(lambda: run_in(ledger, ScheduledState.PUBLISHED), WITHIN_S)
        assert (run.attempts, run.claims) == (0, 2)
        until(lambda: not ledger.names(run.id), WITHIN_S)
        [keys] = reported_keys(store)
    assert keys == sorted(f"{n // 600:05d}/{n:07d}" for n in range(OBJECTS))
    assert "Traceback" not in "".join(worker.lines)


@pytest.mark.slow
def test_a_server_refuses_what_it_cannot_keep_answers_what_it_has_and_takes_it_once_it_can(
    environment: dict[str, str], tmp_path: Path
) -> None:
    add_keys(tmp_path / "state" / "keys.json", [USER])
    words = ("serve", "--listen", "127.0.0.1:0", "--workers", "0")
    with running(environment, *words) as server:
        first = until(lambda: server.said("listening on http://"), WITHIN_S)
        url = first[first.index("http://") :].split()[0]
        told = Told({})

        def puts(name: str) -> int:
            place = f"/{SOURCE}?inventory&id={name}"
            return told.signed(url, "PUT", place, configuration(name)).status

        def gets(name: str) -> int:
            return told.signed(url, "GET", f"/{SOURCE}?inventory&id={name}").status

        assert (puts("kept"), gets("kept")) == (204, 200)
        server.may_write(ROOM_BYTES)
        assert (puts("lost"), gets("kept")) == (503, 200)
        line = until(lambda: server.said("ServiceUnavailable"), WITHIN_S)
        assert f"the ledger {tmp_path / 'state'}" in line
        server.may_write(resource.RLIM_INFINITY)
        assert (gets("lost"), gets("kept")) == (404, 200)
        assert (puts("lost"), gets("lost")) == (204, 200)
    assert "Traceback" not in "".join(server.lines)

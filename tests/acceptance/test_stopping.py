"""Ctrl-C, SIGTERM and SIGHUP: a clean end within seconds, no manifest, and what was left is said."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from tests.acceptance.command_line import command, files_below, stocktake
from tests.acceptance.killing import STATE_FOLDER, wait_for, working
from tests.servers.fault import FaultServer, latency, stall, synthetic

# Far more than it takes, and far less than the inventory would.
STOPPED_WITHIN_S = 50.0
STATE = "state"
# Makes stdin the terminal that the process hears of, before it becomes the program.
ON_ITS_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def slow_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A bucket whose inventory takes minutes: every HEAD is late."""
    monkeypatch.setenv(STATE_FOLDER, str(tmp_path / STATE))
    with FaultServer() as server:
        server.bucket("slow", generated=synthetic(3000, "data/{:05d}".format))
        server.rule(latency(1.0), operation="HeadObject")
        yield server


def started(server: FaultServer, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("run", "s3://slow", folder, "--fields", "all", "--concurrency", "4", *arguments),
        env={**os.environ, **server.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,  # a terminal's Ctrl-C reaches the whole group
    )


def await_heads(server: FaultServer) -> None:
    assert wait_for(lambda: server.counts["HeadObject"] >= 4, 180)


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        (signal.SIGINT, True),
        (signal.SIGINT, False),
        (signal.SIGTERM, False),
        (signal.SIGHUP, False),
        (signal.SIGHUP, True),
    ],
)
def test_a_signal_ends_the_run_cleanly(
    number: signal.Signals, whole_group: bool, slow_store: FaultServer, tmp_path: Path
) -> None:
    with started(slow_store, tmp_path / "reports") as process:
        await_heads(slow_store)
        assert process.pid in working(tmp_path / STATE)
        asked = time.monotonic()
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert time.monotonic() - asked < STOPPED_WITHIN_S
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert "error: " in err
    assert "hint: `stocktake run --resume " in err
    assert out == ""
    left = files_below(tmp_path)
    assert not [name for name in left if name.endswith(("manifest.json", "manifest.checksum"))]
    assert nobody_works_on(tmp_path)


def nobody_works_on(folder: Path) -> bool:
    """Whether all that the run has started ends soon after it."""
    return wait_for(lambda: not working(folder / STATE), 180)


@pytest.mark.parametrize("silent", ["slow", "reports"])
def test_a_store_that_says_nothing_keeps_no_run_from_stopping(
    slow_store: FaultServer, silent: str
) -> None:
    slow_store.bucket("reports")
    slow_store.rule(stall(), operation="List", bucket=silent)
    with subprocess.Popen(
        command("run", "s3://slow", "s3://reports"),
        env={**os.environ, **slow_store.environment()},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        asked_for = f"/{silent}"
        assert wait_for(
            lambda: any(entry.path.startswith(asked_for) for entry in slow_store.log), 180
        )
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert time.monotonic() - asked < STOPPED_WITHIN_S
    assert process.returncode == 130
    assert "nothing was published" in err
    assert "`stocktake run --resume" in err


def test_asked_twice_it_leaves_at_once_and_no_worker_goes_on(
    slow_store: FaultServer, tmp_path: Path
) -> None:
    with started(slow_store, tmp_path / "reports") as process:
        await_heads(slow_store)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode in (130, 143)
    assert nobody_works_on(tmp_path)


def test_a_terminal_is_drawn_on_and_left_in_order(slow_store: FaultServer, tmp_path: Path) -> None:
    shown, terminal = pty.openpty()
    words = ["run", "s3://slow", tmp_path / "reports", "--fields", "all", "--concurrency", "4"]
    process = subprocess.Popen(
        command(*words),
        env={**os.environ, **slow_store.environment(), "TERM": "xterm", "NO_COLOR": "1"},
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    with process, FileIO(shown) as screen:
        drawn = b""
        while b"listing" not in drawn or b"requests" not in drawn:
            drawn += screen.read(4096)
        process.send_signal(signal.SIGINT)
        while chunk := read_or_end(screen):
            drawn += chunk
    assert process.returncode == 130
    assert b"listing" in drawn
    assert b" s3://slow/" in drawn
    assert drawn.rfind(b"\x1b[?25h") > drawn.rfind(b"\x1b[?25l") >= 0  # the cursor is back
    assert b"\x1b[3" not in drawn  # no colour was asked for
    assert b"error: " in drawn


def test_a_terminal_that_is_closed_stops_the_run_as_a_signal_does(
    slow_store: FaultServer, tmp_path: Path
) -> None:
    shown, terminal = pty.openpty()
    words = command("run", "s3://slow", tmp_path / "reports", "--fields", "all")
    process = subprocess.Popen(
        [sys.executable, "-c", ON_ITS_TERMINAL, *words, "--concurrency", "4"],
        env={**os.environ, **slow_store.environment(), "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    with FileIO(shown) as screen:
        drawn = b""
        while b"listing" not in drawn:
            drawn += screen.read(4096)
        await_heads(slow_store)
    assert process.wait(timeout=30) == 128 + signal.SIGHUP
    assert nobody_works_on(tmp_path)
    [run] = stocktake("runs", "--json").document["runs"]
    assert run["state"] == "stopped"
    assert "nothing was published" in run["error"]


def test_a_terminal_may_be_told_of_twice(slow_store: FaultServer, tmp_path: Path) -> None:
    with started(slow_store, tmp_path / "reports") as process:
        await_heads(slow_store)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGHUP
    assert "hint: `stocktake run --resume " in err


def test_a_run_under_nohup_outlives_its_terminal(slow_store: FaultServer, tmp_path: Path) -> None:
    with subprocess.Popen(
        ["nohup", *command("run", "s3://slow", tmp_path / "reports", "--fields", "all", "--quiet")],
        env={**os.environ, **slow_store.environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        await_heads(slow_store)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM


def read_or_end(screen: FileIO) -> bytes:
    """What a terminal shows next; nothing once whoever drew on it has gone."""
    try:
        return screen.read(4096)
    except OSError:
        return b""


def test_progress_comes_as_lines_where_there_is_no_terminal_and_not_at_all_when_quiet(
    slow_store: FaultServer, tmp_path: Path
) -> None:
    # The quiet one begins first, so that it has had its time for a line once the other one says something.
    with started(slow_store, tmp_path / "quiet", "--quiet") as quiet:
        await_heads(slow_store)
        with started(slow_store, tmp_path / "reports") as telling:
            assert telling.stderr is not None
            assert any("listing" in line for line in telling.stderr)
            for process in (quiet, telling):
                process.send_signal(signal.SIGTERM)
            telling.communicate(timeout=120)
        assert "listing" not in quiet.communicate(timeout=120)[1]

"""How commands fail: a line, a hint and an exit code; never a traceback nobody asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from stocktake.cli.outcome import failures_told, say
from stocktake.cli.signals import Stopping, ended_by_signals, stopping_on_signals
from stocktake.model.errors import AccessDeniedError, StoppedError, UndecidedError, UsageError


def told(
    error: BaseException,
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool = False,
    verbose: int = 0,
) -> tuple[int, str, str]:
    with pytest.raises(typer.Exit) as caught, failures_told(as_json=as_json, verbose=verbose):
        raise error
    captured = capsys.readouterr()
    return caught.value.exit_code, captured.out, captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no", hint="yes"), 2),
        (AccessDeniedError("no", hint="yes"), 1),
        (UndecidedError("no", hint="yes"), 3),
        (StoppedError("no", hint="yes", signal_number=signal.SIGTERM), 143),
    ],
)
def test_an_error_is_one_line_and_its_hint_on_stderr(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(error, capsys) == (code, "", "error: no\nhint: yes\n")


def test_an_error_without_a_hint_gives_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(UsageError("no"), capsys) == (2, "", "error: no\n")


def test_programs_find_the_error_as_json_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(AccessDeniedError("no", hint="yes"), capsys, as_json=True)
    expected = {"error": {"kind": "AccessDeniedError", "message": "no", "hint": "yes"}}
    assert (code, json.loads(out)) == (1, expected)
    assert err == "error: no\nhint: yes\n"


def test_a_bug_is_owned_up_to_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(KeyError("x"), capsys)
    assert (code, out) == (1, "")
    assert err.startswith("error: internal error: KeyError: 'x'\nhint: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("by", ["verbose", "environment"])
def test_tracebacks_are_for_those_who_ask(
    by: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "environment":
        monkeypatch.setenv("STOCKTAKE_DEBUG", "1")
    _, _, err = told(UsageError("no"), capsys, verbose=2 if by == "verbose" else 0)
    assert "Traceback" in err


def test_control_characters_in_a_message_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(UsageError("key `\x1b[2J`"), capsys)[2] == "error: key `\\x1b[2J`\n"


def test_words_that_stderr_does_not_take_are_lost_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        say("warning: 1 object vanished")
        with pytest.raises(typer.Exit) as caught, failures_told(as_json=False, verbose=2):
            raise AccessDeniedError("no")
        monkeypatch.undo()
    assert caught.value.exit_code == 1


def test_a_signal_asks_once_and_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping_on_signals() as stopping:
        assert not stopping.first_look()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.event.wait(60)
        assert stopping.signal_number == signal.SIGTERM
        assert stopping.first_look()
        assert not stopping.first_look()
    assert signal.getsignal(signal.SIGTERM) is before


def test_asked_twice_the_process_leaves_at_once() -> None:
    script = (
        "import time\n"
        "from stocktake.cli.signals import stopping_on_signals\n"
        "with stopping_on_signals() as stopping:\n"
        "    print('ready', flush=True)\n"
        "    while not stopping.event.wait(0.05): pass\n"
        "    print('asked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"asked\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_a_signal_is_told_whatever_error_the_engine_makes_of_it() -> None:
    def ask() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("Query interrupted") from error

    with pytest.raises(StoppedError, match="answer was there") as caught, ended_by_signals():
        ask()
    assert caught.value.exit_code == 128 + signal.SIGINT


def test_an_error_without_a_signal_is_told_as_it_is() -> None:
    def refuse() -> None:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"), ended_by_signals():
        refuse()


def test_a_fresh_stopping_was_not_asked() -> None:
    assert Stopping().signal_number is None

"""The prompt: lines in, answers out, and nothing that goes wrong ends it."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from stocktake.cli.prompt import NameCompleter, Prompt, converse, ends, prompt_session
from stocktake.model.configuration import Format
from stocktake.model.store import Store
from stocktake.service.commands.asking import Questions, history_file, opened_questions
from stocktake.service.limits import query_limits
from tests.acceptance.command_line import command, stocktake
from tests.analysis.reports import aws_report


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return aws_report(tmp_path / "r", Format.ORC)


@pytest.fixture
def questions(report: Path) -> Iterator[Questions]:
    addresses = {"inventory_report": str(report), "b": str(report)}
    with opened_questions(
        addresses, store=Store(), stores={}, dt=None, limits=query_limits(threads=1)
    ) as opened:
        yield opened


def test_questions_are_answered_one_after_the_other(
    questions: Questions, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    prompt = Prompt(questions)
    for line in (
        "SELECT count(*) AS n FROM inventory_report;",
        "SELECT sise FROM inventory_report;",
        "DROP TABLE x;",
        "SELECT object_owner FROM b;",
        "SELECT count(*) AS m FROM b JOIN inventory_report USING (key, version_id)",
        "",
        ";",
    ):
        assert prompt.take(line)
    captured = capfdbinary.readouterr()
    assert captured.out.decode().split() == [
        "n",
        "-",
        "5",
        "(1",
        "row)",
        "m",
        "-",
        "3",
        "(1",
        "row)",
    ]
    assert captured.err.decode().count("error: ") == 3
    assert "\n\n" not in captured.err.decode()
    assert "`stocktake run` yields it" in captured.err.decode()


def test_commands_say_what_there_is(
    questions: Questions, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = Prompt(questions)
    for line in (".schema b", ".reports", ".timing", "SELECT 1;", ".timing", ".help", ".nonsense"):
        assert prompt.take(line)
    out, err = capsys.readouterr()
    assert "  size                              BIGINT\n" in out
    assert "  last_modified_date                TIMESTAMPTZ\n" in out
    assert out.count(str(report)) == 2
    assert "timing is on" in out
    assert "timing is off" in out
    assert err.count(" s\n") == 1
    assert "there is no `.nonsense`; expected one of .help, .schema" in err
    assert not prompt.take(".quit")


def completed(questions: Questions, text: str) -> list[str]:
    found = NameCompleter(questions).get_completions(Document(text), CompleteEvent())
    return [completion.text for completion in found]


def test_names_are_completed(questions: Questions) -> None:
    assert completed(questions, "SELECT stor") == ["storage_class"]
    assert completed(questions, "SELECT * FROM inv") == ["inventory_report"]
    assert "encryption_status" in completed(questions, "select ENC")
    assert completed(questions, "SELECT a.obj")[0] == "object_lock_legal_hold_status"
    assert completed(questions, ".re") == [".reports"]
    assert completed(questions, "SELECT ") == []


def test_enter_sends_what_is_whole() -> None:
    assert ends("SELECT 1;")
    assert ends(" .schema")
    assert ends("")
    assert not ends("SELECT 1")
    assert not ends("SELECT 1;\nFROM")


def test_lines_are_typed_and_remembered(
    questions: Questions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    history = history_file()
    with create_pipe_input() as keys:
        keys.send_text("SELECT\rcount(*) AS n\rFROM inventory_report;\r")
        keys.send_text("SELECT given \x03")  # Ctrl-C gives a line up
        keys.send_text(".reports\r\x04")
        converse(questions, prompt_session(questions, history, input=keys, output=DummyOutput()))
    assert "inventory_report    /" in capsys.readouterr().out
    assert history.stat().st_mode & 0o777 == 0o600
    kept = history.read_text()
    assert "+SELECT\n+count(*) AS n\n+FROM inventory_report;" in kept
    assert "given" not in kept


def test_without_a_terminal_there_is_no_prompt(report: Path) -> None:
    stocktake("query", report).failed_clearly(2, "SQL is missing", "a prompt opens on a terminal")


def test_the_program_opens_a_prompt_on_a_terminal(report: Path, tmp_path: Path) -> None:
    own, theirs = pty.openpty()
    environment = {**os.environ, "STOCKTAKE_STATE_FOLDER": str(tmp_path), "TERM": "dumb"}
    with subprocess.Popen(
        command("query", report), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as running:
        os.close(theirs)
        seen = b""
        for text in (b"SELECT 40 + 2 AS answer;\r", b".quit\r"):
            seen += until(own, seen, seen.count(b"stocktake> ") + 1)
            os.write(own, text)
        with suppress(OSError):  # who wrote there has gone
            while True:
                seen += os.read(own, 65536)
        assert running.wait(timeout=60) == 0
    os.close(own)
    assert b"answer" in seen
    assert b"42" in seen


def until(terminal: int, seen: bytes, prompts: int) -> bytes:
    """What the terminal shows until there are so many prompts in all."""
    read = b""
    deadline = time.monotonic() + 60
    while (seen + read).count(b"stocktake> ") < prompts and time.monotonic() < deadline:
        read += os.read(terminal, 65536)
    return read

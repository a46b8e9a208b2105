"""Where answers are written."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import typer

from stocktake.cli.outcome import failures_told
from stocktake.cli.sinks import opened_sink, print_text
from stocktake.model.errors import DestinationError


def test_a_file_appears_when_it_is_whole_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "answer.csv"
    path.write_text("old")
    with opened_sink(path, binary=False) as sink:
        sink.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "answer.csv"
    path.write_text("old")

    def fail_half_way() -> None:
        with opened_sink(path, binary=False) as sink:
            sink.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "answer.csv"
    sink = opened_sink(missing, binary=False)
    with pytest.raises(DestinationError, match=r"answer\.csv cannot be written: No such file"):
        sink.__enter__()


def test_a_bucket_is_no_folder_and_the_hint_says_what_writes_there() -> None:
    with (
        pytest.raises(DestinationError, match="cannot be written") as told,
        opened_sink(Path("s3://audit/changes.csv"), binary=True),
    ):
        pass
    assert "`stocktake export` writes to buckets" in told.value.hint


def test_a_device_is_written_as_it_is() -> None:
    with opened_sink(Path("/dev/null"), binary=True) as sink:
        sink.write(b"x")
    assert Path("/dev/null").is_char_device()


def test_a_closed_stdout_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(DestinationError, match="stdout is closed"):
        opened_sink(None, binary=True).__enter__()


def test_a_full_stdout_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def write() -> None:
        with opened_sink(None, binary=False) as sink:
            sink.write(b"rows")

    for writing in (write, lambda: print_text("a line")):
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            with pytest.raises(DestinationError, match="stdout cannot be written: No space left"):
                writing()
            monkeypatch.undo()


def test_a_reader_that_has_gone_ends_the_command_as_sigpipe_would(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(typer.Exit) as caught, failures_told(as_json=False, verbose=0):
            print_text("a line")
        monkeypatch.undo()
    assert caught.value.exit_code == 128 + signal.SIGPIPE
    assert capsys.readouterr().err == ""


def test_text_that_stdout_cannot_spell_is_no_internal_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(DestinationError, match=r"'\\u20ac' is not in latin-1") as caught:
            print_text("1 €")
        monkeypatch.undo()
    assert "UTF-8" in caught.value.hint

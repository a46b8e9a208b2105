"""What every command does when it cannot print: one clear error, or nothing at all where nobody reads on."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stocktake.model.configuration import Format
from tests.analysis.reports import objects, our_report

PRINTING = (
    ("show", "REPORT"),
    ("show", "REPORT", "--json"),
    ("verify", "REPORT"),
    ("ddl", "REPORT", "--engine", "spark"),
    ("query", "REPORT", "SELECT * FROM inventory_report"),
    ("--version",),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in a folder."""
    root = tmp_path_factory.mktemp("destination")
    return our_report(root, Format.PARQUET, [objects(["a", "b"])]).manifest_path


def ended(arguments: tuple[str, ...], report: Path, where: str) -> tuple[int, str]:
    """The exit code and the stderr of a command in a shell that sends its stdout `where`."""
    words = [str(report) if word == "REPORT" else word for word in arguments]
    line = f"{shlex.join([sys.executable, '-m', 'stocktake', *words])} {where}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_stdout_is_one_clear_error(arguments: tuple[str, ...], report: Path) -> None:
    expected = "error: stdout cannot be written: No space left on device\n"
    assert ended(arguments, report, ">/dev/full") == (1, expected)


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_goes_away_ends_a_command_silently(
    arguments: tuple[str, ...], report: Path
) -> None:
    assert ended(arguments, report, "| true") == (141, "")


def test_a_closed_stdout_is_one_clear_error(report: Path) -> None:
    assert ended(("show", "REPORT", "--json"), report, ">&-") == (1, "error: stdout is closed\n")


def test_help_that_cannot_be_printed_shows_no_traceback(report: Path) -> None:
    expected = "error: stdout cannot be written: No space left on device\n"
    assert ended(("show", "--help"), report, ">/dev/full") == (1, expected)
    assert ended(("show", "--help"), report, "| true")[1] == ""


def test_a_failure_that_stdout_cannot_take_as_json_is_told_all_the_same(tmp_path: Path) -> None:
    code, told = ended(("show", "REPORT", "--json"), tmp_path, ">/dev/full")
    assert code == 1
    assert told.startswith("error: there is no inventory report at ")
    assert told.endswith("error: stdout cannot be written: No space left on device\n")


def test_a_command_goes_on_when_stderr_takes_no_words(report: Path) -> None:
    assert ended(("show", "REPORT"), report, ">/dev/null 2>/dev/full") == (0, "")
    missing = ("show", str(report.parent / "missing"))
    assert ended(missing, report, "2>/dev/full") == (1, "")

"""The command line explains itself, at once, and says the same as the Python API."""

from __future__ import annotations

import inspect
import resource
from typing import Any

import pytest
import typer

from stocktake import __version__
from stocktake.cli.app import app
from stocktake.cli.commands import COMMANDS as DECLARED
from stocktake.service.commands.reading import open_report
from stocktake.service.commands.run import take_inventory
from stocktake.service.options import RunKeywords, StoreKeywords
from tests.acceptance.command_line import program, stocktake

HELP_CPU_S_MAX = 0.3
COMMANDS = (
    "run", "show", "query", "audit", "export", "diff", "verify", "ddl", "plan", "probe", "check", "policy",
    "lifecycle", "runs", "reports", "demo",
)  # fmt: skip
# What only a face has: the addresses, and how to show things.
FACE_WORDS = {"source", "destination", "resume", "json", "quiet", "verbose", "help"}


def parameters(command: str) -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return {parameter.name: parameter for parameter in group.commands[command].params}


def test_help_answers_at_once() -> None:
    def cpu_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Coverage, where it is measured, would be measured too.
        unmeasured = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
        assert program("--help", environment=unmeasured).code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_s() for _ in range(5)) < HELP_CPU_S_MAX


def test_help_names_every_command() -> None:
    shown = stocktake("--help").out
    assert all(f"\n  {command} " in shown for command in COMMANDS)
    assert "..." not in shown.replace("[ARGS]...", "")  # every summary fits its line


def test_what_help_says_of_a_command_is_what_the_command_says_of_itself() -> None:
    group: Any = typer.main.get_command(app)
    told = {name: each.get_short_help_str(limit=200) for name, each in group.commands.items()}
    assert {name: each.summary for name, each in DECLARED.items()} == told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    for name, parameter in parameters(command).items():
        if name.startswith("destination_") and name != "destination_bucket":
            continue  # they say once for all that they are the others' twins
        assert parameter.help or name == "format", name


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_that_can_be_pasted(command: str) -> None:
    done = stocktake(command, "--help", environment={"COLUMNS": "60"})
    assert done.code == 0
    assert f"Examples:\n  stocktake {command}" in done.out


def test_the_command_line_and_the_python_api_know_the_same_words() -> None:
    known = set(RunKeywords.__annotations__)
    assert set(parameters("run")) - FACE_WORDS == known
    assert set(inspect.signature(take_inventory).parameters) == {
        "source", "destination", "on_progress", "stop", "options",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["show", "query", "audit", "export", "verify", "ddl", "probe"])
def test_every_command_that_reads_can_be_told_of_any_store(command: str) -> None:
    assert set(StoreKeywords.__annotations__) <= set(parameters(command))
    assert set(inspect.signature(open_report).parameters) == {"address", "dt", "store"}


def test_every_word_about_a_store_has_a_twin_for_the_destination() -> None:
    assert {f"destination_{name}" for name in StoreKeywords.__annotations__} <= set(
        RunKeywords.__annotations__
    )


def test_a_mistyped_option_or_command_is_a_usage_error_without_a_traceback() -> None:
    for arguments in (["run", "--formt", "CSV", "s3://b", "d"], ["rum"], ["run"]):
        done = stocktake(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "Traceback" not in done.err


def test_the_version_is_the_packages() -> None:
    assert program("--version").out == f"stocktake {__version__}\n"

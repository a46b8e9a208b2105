"""`stocktake runs` and `stocktake reports orphans`: what they say, to people and to programs, and how they end."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stocktake.cli.ledger import next_step, run_lines
from stocktake.model.addresses import LocalAddress
from stocktake.model.ledger import Owner, RunRecord, RunState
from stocktake.model.runs import InventoryRun
from stocktake.service.runs import open_ledger
from stocktake.service.working import resume_run
from tests.acceptance.command_line import Outcome, command, files_below, shell
from tests.acceptance.command_line import stocktake as run_stocktake
from tests.service.runs import kill, publish
from tests.service.taking import objects_left, root_of, run_to
from tests.state.ledgers import START


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path) -> InventoryRun:
    return run_to(LocalAddress(tmp_path / "reports"))


def stocktake(state: Path, *arguments: str | Path) -> Outcome:
    return run_stocktake(*arguments, environment={"STOCKTAKE_STATE_FOLDER": str(state)})


# -- runs ----------------------------------------------------------------------------------------


def test_without_runs_there_is_nothing_to_list(state: Path) -> None:
    done = stocktake(state, "runs")
    assert (done.code, done.out, done.err) == (0, "no runs\n", "")
    assert stocktake(state, "runs", "--json").document == {"runs": []}


def test_runs_are_listed_with_what_to_do_next(state: Path, run: InventoryRun) -> None:
    name, result = kill(state, run, "segment told"), publish(state, replace(run, bucket="b2"))
    heading, published, killed = stocktake(state, "runs").out.splitlines()
    assert heading.split() == [
        "RUN", "STATE", "STARTED,", "UTC", "ROWS", "SOURCE", "DESTINATION", "NEXT",
    ]  # fmt: skip
    assert published.split()[1] == "published"
    assert killed.startswith(f"{name}  interrupted")
    assert killed.endswith(f"  5     s3://b/logs   {run.address}  stocktake run --resume {name}")
    documents = stocktake(state, "runs", "--json").document["runs"]
    assert [document["state"] for document in documents] == ["published", "interrupted"]
    assert documents[0]["manifest"] == result.address
    assert documents[0]["finished"].endswith("Z")
    assert documents[1]["next"] == f"stocktake run --resume {name}"


RECORD = RunRecord(
    id="7k3m9q2x",
    state=RunState.STOPPED,
    source="s3://b",
    destination="s3://d",
    configuration_id="daily",
    document="",
    spool=Path("/spool"),
    started=START,
    updated=START,
    finished=None,
    owner=None,
    rows=1234567,
    names=3,
)


@pytest.mark.parametrize(
    ("state", "names", "expected"),
    [
        (RunState.RUNNING, 3, ""),
        (RunState.INTERRUPTED, 0, "stocktake run --resume 7k3m9q2x"),
        (RunState.STOPPED, 3, "stocktake run --resume 7k3m9q2x"),
        (RunState.FAILED, 3, "stocktake runs abandon 7k3m9q2x"),
        (RunState.FAILED, 0, ""),
        (RunState.PUBLISHED, 3, "stocktake runs abandon 7k3m9q2x"),
        (RunState.PUBLISHED, 0, ""),
        (RunState.ABANDONED, 3, "stocktake runs abandon 7k3m9q2x"),
        (RunState.ABANDONED, 0, ""),
    ],
)
def test_what_to_do_next_goes_by_the_state_and_by_what_is_left(
    state: RunState, names: int, expected: str
) -> None:
    assert next_step(replace(RECORD, state=state, names=names)) == expected


def test_columns_are_aligned_and_no_name_commands_the_terminal() -> None:
    lines = run_lines([RECORD, replace(RECORD, source="s3://b/\x1b[2J", rows=1)])
    assert len({line.index("s3://b") for line in lines[1:]}) == 1
    assert "\x1b" not in "".join(lines)
    assert "1,234,567" in lines[1]


def test_a_run_is_shown_with_what_it_has(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivery told")
    lines = dict(
        line.split(maxsplit=1) for line in stocktake(state, "runs", "show", name).out.splitlines()
    )
    assert lines["state"] == f"interrupted, by {Owner.__str__(_owner(state, name))}"
    assert lines["rows"] == "40"
    assert lines["delivered"] == "1 data file"
    assert lines["named"] == "1 key that no report names"
    assert lines["spooled"].startswith("30 rows in ")
    document = stocktake(state, "runs", "show", name.upper(), "--json").document
    assert document["run"] == name
    assert [file["rows"] for file in document["delivered"]] == [10]
    assert [file["key"] for file in document["delivered"]] == document["named"]
    assert len(document["spooled"]) == 6


def _owner(state: Path, name: str) -> Owner:
    with open_ledger(state) as ledger:
        owner = ledger.run(name).owner
    assert owner is not None
    return owner


def test_a_run_nobody_knows_is_a_usage_error(state: Path) -> None:
    for arguments in (["show", "zzz"], ["abandon", "zzz"], ["abandon", "zzz", "--dry-run"]):
        stocktake(state, "runs", *arguments).failed_clearly(2, "there is no run `zzz`")


def test_a_state_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = stocktake(tmp_path / "file", "runs", "--json")
    done.failed_clearly(1, "ledger.sqlite3 cannot be used", "STOCKTAKE_STATE_FOLDER")
    assert "error" in done.document


# -- abandoning ----------------------------------------------------------------------------------


def test_what_would_be_removed_is_shown_and_stays(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivery told")
    [key] = objects_left(run)
    done = stocktake(state, "runs", "abandon", name, "--dry-run")
    uri = (run.address.path / key).as_uri()  # type: ignore[union-attr]
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"object   {uri}", f"folder   {state / f'stocktake-spool-{name}'}",
    ]  # fmt: skip
    document = stocktake(state, "runs", "abandon", name, "--dry-run", "--json").document
    assert (document["objects"], document["removed"]) == ([uri], False)
    assert objects_left(run) == [key]


def test_nothing_is_removed_while_there_is_nobody_to_ask(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivered")
    done = subprocess.run(
        command("runs", "abandon", name),
        env={**os.environ, "STOCKTAKE_STATE_FOLDER": str(state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    Outcome(done.returncode, done.stdout, done.stderr).failed_clearly(2, "--yes does not ask")
    assert len(objects_left(run)) == 1


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 1), ("y", 0, 0)])
def test_who_sits_at_a_terminal_is_asked(
    state: Path, run: InventoryRun, answer: str, code: int, left: int
) -> None:
    name = kill(state, run, "delivered")
    main, terminal = pty.openpty()
    with subprocess.Popen(
        command("runs", "abandon", name),
        env={**os.environ, "STOCKTAKE_STATE_FOLDER": str(state)},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.write(main, f"{answer}\n".encode())
        _, said = process.communicate()
    os.close(main)
    os.close(terminal)
    assert b"remove all of this?" in said
    assert process.returncode == code
    assert len(objects_left(run)) == left


def test_an_abandoned_run_is_gone_for_good(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivery told")
    done = stocktake(state, "runs", "abandon", name, "--yes")
    assert done.code == 0
    assert done.out.endswith(f"the run {name} is abandoned, and nothing of it is left\n")
    assert objects_left(run) == []
    [document] = stocktake(state, "runs", "--json").document["runs"]
    assert (document["state"], document["next"]) == ("abandoned", None)
    again: dict[str, Any] = stocktake(state, "runs", "abandon", name, "--yes", "--json").document
    assert (again["objects"], again["uploads"], again["spool_folder"]) == ([], [], None)


def test_a_run_that_is_worked_on_is_refused(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivered")
    with open_ledger(state) as ledger:
        resume_run(ledger, name)
    done = stocktake(state, "runs", "abandon", name, "--yes")
    done.failed_clearly(1, f"process {os.getpid()} on", "stop that process first")


# -- orphans -------------------------------------------------------------------------------------


def test_orphans_are_listed_with_commands_that_remove_them(
    state: Path, run: InventoryRun, tmp_path: Path
) -> None:
    publish(state, run)
    folder = tmp_path / "reports" / root_of(run)
    before = files_below(folder)
    for name in ("it's lost", "-rf"):
        (folder / "data" / name).write_text("")
    done = stocktake(state, "reports", "orphans", folder)
    assert done.code == 0
    assert "runs of other machines and users are not known here" in done.err
    objects, removals = done.out.split("to remove them:\n")
    assert objects.count("object   ") == 2
    for line in removals.splitlines():
        assert shlex.split(line)[:2] == ["rm", "--"]
        assert shell(line).code == 0
    assert files_below(folder) == before
    done = stocktake(
        state, "reports", "orphans", tmp_path / "reports", "--bucket", "b", "--id", "report1"
    )
    assert done.out == "no orphans among 4 objects\n"


def test_orphans_for_programs(state: Path, run: InventoryRun, tmp_path: Path) -> None:
    publish(state, run)
    folder = tmp_path / "reports" / root_of(run)
    (folder / "data" / "lost").write_text("")
    document = stocktake(state, "reports", "orphans", folder, "--json").document
    assert document == {
        "configuration": str(folder),
        "objects": 5,
        "orphans": [str(folder / "data" / "lost")],
        "uploads": [],
    }


def test_what_cannot_be_told_has_an_exit_code_of_its_own(
    state: Path, run: InventoryRun, tmp_path: Path
) -> None:
    publish(state, run)
    folder = tmp_path / "reports" / root_of(run)
    next(folder.glob("*/manifest.json")).write_text("no manifest")
    stocktake(state, "reports", "orphans", folder).failed_clearly(3, "cannot be read")
    stocktake(state, "reports", "orphans", tmp_path).failed_clearly(1, "there are no data files")
    stocktake(state, "reports", "orphans", folder, "--id", "x").failed_clearly(2, "go together")


# -- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["runs", "runs show", "runs abandon", "reports", "reports orphans"]
)
def test_help_has_examples_that_can_be_pasted(words: str) -> None:
    done = run_stocktake(*words.split(), "--help", environment={"COLUMNS": "60"})
    assert done.code == 0
    assert f"Examples:\n  stocktake {words}" in done.out


def test_help_loads_no_database() -> None:
    script = (
        "import sys; sys.argv = ['stocktake', 'runs', '--help']\n"
        "from stocktake.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('modules:', *{name.partition('.')[0] for name in sys.modules})"
    )
    out = shell(shlex.join([*command()[:1], "-c", script])).out
    loaded = set(out.rpartition("modules:")[2].split())
    assert "typer" in loaded
    assert not loaded & {"alembic", "botocore", "sqlalchemy"}

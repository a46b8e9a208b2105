"""Opening the ledger: for this user alone, at the newest schema, and refused clearly where it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from stocktake.model.errors import InventoryError
from stocktake.model.ledger import RunState
from stocktake.model.stored import ConfigurationKey
from stocktake.state import failures, opening
from stocktake.state.ledger import Ledger
from stocktake.state.migrations.upgrade import configuration, upgrade
from stocktake.state.opening import FILE, open_database
from stocktake.state.tables import SCHEMA_VERSION, metadata
from tests.state.ledgers import START, Clock, begin, python

AS_ROOT = os.geteuid() == 0


def refused(folder: Path) -> InventoryError:
    with pytest.raises(InventoryError) as caught, Ledger.open(folder, now=Clock()) as ledger:
        begin(ledger)
    assert str(folder / FILE) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_the_ledger_is_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state %2"
    with Ledger.open(folder, now=Clock()) as ledger:
        begin(ledger)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes.pop(FILE) == 0o600
    assert set(modes.values()) <= {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_schema_is_what_the_tables_say(tmp_path: Path) -> None:
    engine = open_database(tmp_path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA_VERSION
    engine.dispose()


def test_the_newest_migration_is_the_one_that_is_looked_for() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert scripts.get_heads() == [SCHEMA_VERSION]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)


def test_a_commit_survives_a_power_cut(tmp_path: Path) -> None:
    engine = open_database(tmp_path)
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


LOADED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from stocktake.state.ledger import Ledger
Ledger.open(Path(sys.argv[1]), now=lambda: datetime.now(UTC)).close()
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"alembic", "mako"}))
"""


def test_alembic_is_loaded_neither_for_a_new_ledger_nor_for_one_of_the_newest_schema(
    tmp_path: Path,
) -> None:
    def loaded() -> str:
        process = python(LOADED, tmp_path)
        return process.communicate()[0].strip()

    assert loaded() == ""
    assert loaded() == ""


def test_a_new_ledger_is_what_all_migrations_make(tmp_path: Path) -> None:
    def schema(path: Path) -> set[tuple[str, str]]:
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
        connection.close()
        return {(name, " ".join((sql or "").split())) for name, sql in rows}

    open_database(tmp_path).dispose()
    migrated = tmp_path / "migrated.sqlite3"
    engine = create_engine(f"sqlite+pysqlite:///{migrated}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    assert schema(tmp_path / FILE) == schema(migrated)


def test_a_ledger_of_an_older_stocktake_is_brought_up_to_date(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite+pysqlite:///{tmp_path / FILE}")
    with engine.begin() as connection:
        older = configuration()
        older.attributes["connection"] = connection
        command.upgrade(older, "0001")
        run = {"id": "7k3m9q2x", "state": "stopped", "spool": '"/spool"', "document": "{}"}
        places = dict.fromkeys(("source", "destination", "configuration_id"), "somewhere")
        times = dict.fromkeys(("started", "updated"), START)
        connection.execute(metadata.tables["runs"].insert().values(run | places | times))
    engine.dispose()
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        assert ledger.run("7k3m9q2x").state is RunState.STOPPED
        assert ledger.comparisons("7k3m9q2x") == ()


def test_reports_that_an_older_stocktake_knew_by_their_runs_are_entered(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite+pysqlite:///{tmp_path / FILE}")
    run = {"id": "7k3m9q2x", "state": "published", "spool": '"/spool"', "document": "{}"}
    places = dict.fromkeys(("source", "destination", "configuration_id"), "daily")
    times = dict.fromkeys(("started", "updated", "finished"), START)
    report = {"place": " s3://d/r", "manifest": "s3://d/r/manifest.json", "rows": 7}
    scheduled = {
        "store": "default",
        "bucket": "b",
        "configuration_id": "daily",
        "epoch": 1,
        "claims": 1,
    }
    moments = dict.fromkeys(("put", "period", "due", "created", "finished"), START)
    told = {
        "attempts": 0,
        "lease_s": 1.0,
        "progress": '{"object_bytes": 9, "problems": {"failed": 1}}',
    }
    with engine.begin() as connection:
        older = configuration()
        older.attributes["connection"] = connection
        command.upgrade(older, "0009")
        tables = metadata.tables
        connection.execute(tables["runs"].insert().values(run | places | times | report))
        connection.execute(
            tables["scheduled_runs"]
            .insert()
            .values({"id": "7k3m9q2x", "state": "published"} | scheduled | moments | told)
        )
    engine.dispose()
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        [found] = ledger.reports.page(ConfigurationKey("default", "b", "daily"))
    assert (found.run, found.period, found.published) == ("7k3m9q2x", START, START)
    assert (found.rows, found.file_bytes, found.object_bytes) == (7, None, 9)
    assert (found.manifest, found.problems) == ("s3://d/r/manifest.json", {"failed": 1})


def test_processes_that_make_the_ledger_at_once_all_get_it(tmp_path: Path) -> None:
    processes = [python(LOADED, tmp_path / "state") for _ in range(4)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4


def test_a_ledger_of_a_newer_stocktake_is_not_touched(tmp_path: Path) -> None:
    open_database(tmp_path).dispose()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    error = refused(tmp_path)
    assert f"found schema 9999, this one knows up to {SCHEMA_VERSION}" in error.message
    assert "STOCKTAKE_STATE_FOLDER" in error.hint


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to look at" * 100)


def torn(path: Path) -> None:
    body = path.read_bytes()
    path.write_bytes(body[:4096] + b"\xff" * (len(body) - 4096))


def without_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE files")
    connection.close()


@pytest.mark.parametrize("damage", [overwritten, torn, without_tables])
def test_a_damaged_ledger_is_to_be_moved_away(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    open_database(tmp_path).dispose()
    damage(tmp_path / FILE)
    error = refused(tmp_path)
    assert "damaged" in error.message or "no SQLite database" in error.message
    assert "move it away" in error.hint


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        begin(ledger)
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("UPDATE runs SET owner = '{}'")
        connection.close()
        with pytest.raises(InventoryError, match="record of a Owner cannot be read"):
            ledger.runs()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    refused(tmp_path / "state")


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "ermission denied" in refused(tmp_path).message
    tmp_path.chmod(0o700)


def test_a_ledger_that_another_process_keeps_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(tmp_path).dispose()
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_S", 0.2)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked" in refused(tmp_path).message
    other.execute("ROLLBACK")
    other.close()


FULL = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from stocktake.model.errors import InventoryError
from stocktake.state.ledger import Ledger
from tests.state.ledgers import begin
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Ledger.open(Path(sys.argv[1]), now=lambda: datetime.now(UTC)) as ledger:
    claim = begin(ledger)
    room = Path(sys.argv[1], "ledger.sqlite3-wal").stat().st_size + 64 * 1024
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        for number in range(1000):
            ledger.name(claim, f"{number}" * 100)
    except InventoryError as error:
        print(error.message, "|", error.hint)
    else:
        sys.exit("nothing was refused")
"""


def test_a_full_disk_is_told_and_nothing_that_was_said_before_is_lost(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / FILE) in done.stdout
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        [record] = ledger.runs()
        assert 0 < record.names < 1000


@pytest.mark.parametrize("name", sorted(failures.REASONS))
def test_every_reason_has_a_way_out(name: str) -> None:
    what, hint = failures.REASONS[name]
    assert what
    assert hint
    assert hasattr(sqlite3, name)

"""Where the workers' Arrow gets its memory, whatever Arrow can do and users have set."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from stocktake.inventory.processes import WorkerProcesses
from tests.acceptance.killing import wait_for
from tests.inventory.whole_runs import rows, take
from tests.servers.fault import FaultServer, synthetic

POOL, SETTINGS = "ARROW_DEFAULT_MEMORY_POOL", "JE_ARROW_MALLOC_CONF"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(POOL, raising=False)
    monkeypatch.delenv(SETTINGS, raising=False)


def environment() -> dict[str, str]:
    """What a worker that is started now finds in its environment."""
    processes = WorkerProcesses(1)
    [worker] = processes.workers
    assert worker.process is not None
    file = Path(f"/proc/{worker.process.pid}/environ")
    try:
        # Nothing stands there for a moment, though the program has been begun.
        assert wait_for(lambda: bool(file.read_bytes()), 30)
        found = file.read_bytes().decode()
    finally:
        processes.kill()
        processes.wait()
    return dict(each.split("=", 1) for each in found.split("\0") if each)


@pytest.mark.skipif(
    "jemalloc" not in pa.supported_memory_backends(), reason="Arrow has no jemalloc here"
)
def test_workers_use_jemalloc_where_arrow_has_it() -> None:
    found = environment()
    assert found[POOL] == "jemalloc"
    assert "dirty_decay_ms" in found[SETTINGS]


def test_nothing_is_asked_of_an_arrow_without_jemalloc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pa, "supported_memory_backends", lambda: ["system"])
    assert not {POOL, SETTINGS} & environment().keys()


def test_what_somebody_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POOL, "system")
    monkeypatch.setenv(SETTINGS, "narenas:1")
    found = environment()
    assert (found[POOL], found[SETTINGS]) == ("system", "narenas:1")


def test_glibc_keeps_memory_for_the_next_page_unless_somebody_has_set_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    found = environment()
    assert found["MALLOC_TRIM_THRESHOLD_"] == "4096"
    assert int(found["MALLOC_MMAP_THRESHOLD_"]) == 32 * 2**20


def test_nonsense_that_somebody_has_set_costs_a_warning_and_no_row(
    fault_server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("b", generated=synthetic(3000, "{:06d}".format))
    monkeypatch.setenv(POOL, "nonsense")
    monkeypatch.setenv(SETTINGS, "nonsense")
    result = take(fault_server, tmp_path / "out")
    assert len(rows(tmp_path / "out", result)) == 3000
    assert "Unsupported backend 'nonsense'" in capfd.readouterr().err

"""Where the workers' Arrow gets its memory, whatever Arrow can do and users have set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


CREDENTIALS = """
import json, os, pathlib, sys
with pathlib.Path(sys.argv[1]).open("a") as told:
    told.write(json.dumps({"parent": os.getppid(), "environment": dict(os.environ)}) + "\\n")
print(json.dumps({
    "Version": 1, "AccessKeyId": sys.argv[2], "SecretAccessKey": sys.argv[3], "Expiration": "2100-01-01T00:00:00Z",
}))
"""


def test_a_program_that_a_worker_starts_finds_nothing_that_was_for_the_worker(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = fault_server.as_server().environment()
    program, told, config = (tmp_path / name for name in ("credentials.py", "told", "config"))
    program.write_text(CREDENTIALS)
    words = [
        sys.executable,
        program,
        told,
        keys["AWS_ACCESS_KEY_ID"],
        keys["AWS_SECRET_ACCESS_KEY"],
    ]
    config.write_text(f"[default]\ncredential_process = {' '.join(map(str, words))}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    fault_server.bucket("b", generated=synthetic(3000, "{:06d}".format))
    result = take(fault_server, tmp_path / "out")
    assert len(rows(tmp_path / "out", result)) == 3000
    found = [json.loads(line) for line in told.read_text().splitlines()]
    assert any(each["parent"] != os.getpid() for each in found), "no worker has asked"
    for each in found:
        assert not {POOL, SETTINGS, "MALLOC_MMAP_THRESHOLD_"} & each["environment"].keys()
        assert each["environment"]["MALLOC_TRIM_THRESHOLD_"] == "4096"


def test_workers_heed_what_was_for_them_all_the_same(tmp_path: Path) -> None:
    code = (
        "import pyarrow as pa; from stocktake.inventory.processes import forget_settings as forget;"
    )
    code += "forget('ARROW_DEFAULT_MEMORY_POOL'); print(pa.default_memory_pool().backend_name)"
    environment = {POOL: "system", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "system\n"


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

"""The benchmark of the service measures what it says: every kind of request is answered, beside a run that is whole."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.serve_bench import bench

STOCKTAKE = Path(sys.executable).with_name("stocktake")


def test_clients_are_answered_while_a_run_works(tmp_path: Path) -> None:
    idle, loaded, served, errors = bench(
        STOCKTAKE, tmp_path, clients=20, seconds=2, objects=10_000, latency_ms=20
    )
    assert errors == []
    assert served.requests >= 40
    assert min(served.p99_get_ms, served.p99_list_ms, served.p99_put_ms) > 0
    assert 0 < served.cpu_ms_per_request < 100
    assert idle.objects == loaded.objects == 10_000
    assert loaded.cpu_us_per_object > 0

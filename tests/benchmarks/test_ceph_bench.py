"""Ceph is listed whole, serially and in parallel, and the benchmark of it would notice if not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.ceph_bench import OURS, SERIAL, contestants, filled, table
from benchmarks.measure import CommandError

from tests.servers.server import Server

pytestmark = pytest.mark.server
OBJECTS = 20_000


def test_a_serial_and_a_parallel_run_report_all_rows_of_ceph_and_what_they_cost_is_counted(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    if not ceph_server.configuration:
        pytest.skip("the running Ceph does not say where its configuration is")
    program = Path(sys.executable).with_name("stocktake")
    bench = filled(ceph_server, buckets("listed"), "zipf", OBJECTS, program)
    results, ranges = {}, {}
    for name in (OURS, SERIAL):
        folder = tmp_path / name
        folder.mkdir()
        results[name] = bench.measured(contestants()[name][0], folder)
        [sidecar] = (folder / "report").rglob("stocktake.json")
        ranges[name] = len(json.loads(sidecar.read_bytes())["ranges"])
        figures, ceph = results[name].figures, results[name].ceph
        assert figures.objects == OBJECTS
        assert ceph.requests >= OBJECTS / 1000  # others may ask it for something meanwhile
        assert min(figures.cpu_us_per_object, ceph.gateway_cpu_s + ceph.osd_cpu_s) > 0
    assert ranges[SERIAL] == 1 < ranges[OURS]
    assert [row[0] for row in table(results).rows] == [OURS, SERIAL]
    one_less = replace(bench, rows=bench.rows.slice(1))
    with pytest.raises(CommandError, match="stocktake listed other rows than the bucket has"):
        one_less.check_report(tmp_path / OURS / "report")

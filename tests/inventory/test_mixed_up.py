"""Stores behind a proxy that now and then gives what somebody else asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.model.errors import ContradictionError
from tests.inventory.whole_runs import rows, take
from tests.servers.fault import FaultServer, synthetic
from tests.servers.fault_starts import of_bucket

OBJECTS = 12_000


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    """A bucket `b`, and another one with keys of the same kind."""
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("b", generated=synthetic(OBJECTS, "data/{:08d}".format))
    fault_server.bucket("other", generated=synthetic(OBJECTS, "data/{:08d}".format))
    return fault_server


def no_report(folder: Path) -> bool:
    return list(folder.rglob("manifest*")) == []


@pytest.mark.parametrize("versions", ["Current", "All"])
@pytest.mark.parametrize("nth", [1, 2, 7])
def test_a_page_that_says_it_is_of_another_bucket_ends_the_run_without_a_report(
    store: FaultServer, tmp_path: Path, nth: int, versions: str
) -> None:
    store.rule(of_bucket("other"), operation="List", nth=nth)
    with pytest.raises(ContradictionError, match=r"of the bucket 'b', .* one of 'other'"):
        take(store, tmp_path / "out", versions=versions)
    assert no_report(tmp_path / "out")


def test_a_bucket_whose_pages_are_all_of_another_one_is_found_out(
    store: FaultServer, tmp_path: Path
) -> None:
    store.bucket("b", generated=synthetic(7, "{:08d}".format))
    store.rule(of_bucket("other"), operation="List")
    with pytest.raises(ContradictionError, match="one of 'other'"):
        take(store, tmp_path / "out")
    assert no_report(tmp_path / "out")


def test_a_first_page_of_another_bucket_with_nothing_behind_it_is_found_out(
    store: FaultServer, tmp_path: Path
) -> None:
    """It promises more, but behind its last key this bucket has none; and whoever says so is not lying."""
    store.bucket("b", generated=synthetic(700, "a/{:08d}".format))
    store.rule(of_bucket("other", named="b"), operation="List", nth=1)
    with pytest.raises(ContradictionError):
        take(store, tmp_path / "out")
    assert no_report(tmp_path / "out")


@pytest.mark.parametrize("versions", ["Current", "All"])
def test_the_first_page_is_always_asked_for_again_where_it_is_not_all(
    store: FaultServer, tmp_path: Path, versions: str
) -> None:
    result = take(store, tmp_path / "out", versions=versions)
    assert len(rows(tmp_path / "out", result)) == OBJECTS
    first = [
        entry
        for entry in store.log
        if entry.operation.startswith("List")
        and not any(name in entry.query for name in ("start-after", "marker", "token"))
    ]
    assert len(first) == 2

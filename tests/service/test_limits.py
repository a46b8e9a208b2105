"""What a question may use: asked for, else in the environment, else the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.model.errors import UsageError
from stocktake.service import house
from stocktake.service.limits import LimitKeywords, query_limits


def test_nothing_said_is_two_gibibytes_and_the_cores_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("STOCKTAKE_MEMORY", "STOCKTAKE_THREADS", "STOCKTAKE_SPILL_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    limits = query_limits(memory=None)
    assert (limits.memory_bytes_max, limits.threads) == (2 * 2**30, house.settings().cores)
    assert limits.spill_folder is None


def test_the_environment_comes_before_the_default_and_what_is_asked_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STOCKTAKE_MEMORY", "1GiB")
    monkeypatch.setenv("STOCKTAKE_THREADS", "3")
    monkeypatch.setenv("STOCKTAKE_SPILL_FOLDER", str(tmp_path))
    limits = query_limits()
    assert (limits.memory_bytes_max, limits.threads) == (2**30, 3)
    assert limits.spill_folder == tmp_path
    asked = query_limits(memory="64MiB", threads=1)
    assert (asked.memory_bytes_max, asked.threads) == (64 * 2**20, 1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"memory": "1MiB"}, "too little"),
        ({"memory": "lots"}, "no size"),
        ({"threads": -1}, "`-1` threads"),
        ({"spill_folder": "/nowhere/at/all"}, "is not there"),
    ],
)
def test_what_makes_no_sense_is_named(asked: LimitKeywords, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        query_limits(**asked)


def test_threads_of_the_environment_are_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTAKE_THREADS", "all")
    with pytest.raises(UsageError, match="STOCKTAKE_THREADS is `all`; expected a whole number"):
        query_limits()

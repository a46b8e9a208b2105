"""Opening what users name."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.model.store import Store
from stocktake.service.house import opened_files


def test_a_path_may_lead_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "manifest.json").write_bytes(b"{}")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with opened_files("../reports/", Store()) as (files, key):
        assert files.read(f"{key}/manifest.json", 10) == b"{}"

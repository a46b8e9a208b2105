"""What docs/remembering.md shows can be typed, in that order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stocktake.model.remembering import FATES
from stocktake.model.runs import Remembering
from stocktake.model.sidecar import SidecarRemembered
from tests.acceptance.command_line import stocktake
from tests.servers.fault import FaultServer, synthetic

PAGE = (Path(__file__).parents[2] / "docs" / "remembering.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_command_shown_in_the_document_runs(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("photos", generated=synthetic(20, "2026/{:04d}.jpg".format))
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    for line in lines:
        done = stocktake(*shlex.split(line)[1:], environment=fault_server.environment())
        assert done.code == 0, (line, done.err)
        if line.startswith("stocktake plan"):
            assert "without what " in done.err
    assert "answers" in stocktake("show", "./reports/photos/stocktake").out
    assert re.search(r"20\d\d-\d\d-\d\d +\D+20\b", done.out)


def test_the_defaults_and_the_members_are_those_of_the_code() -> None:
    defaults = Remembering()
    assert (
        f"The defaults are {defaults.revisit:.0%} and {defaults.days_max} days".replace("%", " %")
        in PAGE
    )
    for name in (*FATES, "report", "oldest", "days", "revised", "withheld", "number", "hand"):
        assert f"`{name}`" in PAGE
        assert name in SidecarRemembered.model_fields

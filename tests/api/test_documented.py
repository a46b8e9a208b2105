"""What docs/api.md shows runs, and says what it should."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stocktake.service import house
from stocktake.state.ledger import Ledger
from tests.api.conftest import site
from tests.api.serving import ADMIN, Api, running_api
from tests.api.test_inventory import plain
from tests.servers.server import Server

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
LINES = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.fixture
def fresh(moto_server: Server, tmp_path: Path) -> Iterator[Api]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto_server.environment().items():
            patch.setenv(name, value)
        with running_api(tmp_path / "state", (site(moto_server),)) as running:
            yield running


def test_every_command_of_the_document_runs(
    fresh: Api, moto_server: Server, tmp_path: Path
) -> None:
    moto_server.client().create_bucket(Bucket="photos")
    (tmp_path / "daily.json").write_text(json.dumps(plain("daily")))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "STOCKTAKE_STATE_FOLDER": str(fresh.state_folder),
        "AWS_ACCESS_KEY_ID": ADMIN.access_key,
        "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key,
    }
    run, said = "", {}
    for line in LINES:
        if line.startswith("curl -sN"):  # it is to come to an end
            with Ledger.open(fresh.state_folder, now=house.now) as ledger:
                ledger.schedule.cancel(run)
        typed = line.replace("http://127.0.0.1:8170", fresh.endpoint_url).replace("7k3m9q2x", run)
        done = subprocess.run(
            ["bash", "-c", typed],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, (line, done)
        assert '"status"' not in done.stdout, (line, done)
        said[line] = done.stdout
        if line.endswith("/runs") and "POST" in line:
            run = json.loads(done.stdout)["run"]
    [events] = [text for line, text in said.items() if line.startswith("curl -sN")]
    assert re.findall(r"^event: (\w+)$", events, re.MULTILINE) == ["end"]
    [listed] = [text for line, text in said.items() if "state=waiting" in line]
    assert [each["run"] for each in json.loads(listed)["runs"]] == [run]
    assert len(said) == len(LINES) >= 14

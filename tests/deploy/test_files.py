"""What lies in deploy/ to run the service: it parses, is hardened, and says nothing that the program does not know."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stocktake.service.server_settings import server_settings
from stocktake.service.setting_table import VARIABLES
from tests.acceptance.command_line import stocktake
from tests.servers.missing import skip_or_fail
from tests.test_docs import unknown_in

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
EXPOSURE_MAX = 20  # of 100, as systemd-analyze reckons it
VARIABLE = re.compile(r"\bSTOCKTAKE_[A-Z_]+\b")


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """The sections of a unit; a key may be there several times."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(section, {}).setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_what_there_is_as_nobody_special(path: Path) -> None:
    service = unit(path)["Service"]
    [start] = service["ExecStart"]
    assert unknown_in(start.removeprefix("/opt/stocktake/bin/")) == []
    assert service["User"] == ["stocktake"]
    assert service["StateDirectory"] == ["stocktake"]
    assert "STOCKTAKE_STATE_FOLDER=/var/lib/stocktake" in service["Environment"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("no systemd-analyze on this machine; Debian package: systemd")
    here = tmp_path / path.name
    program = str(Path(sys.executable).with_name("stocktake"))
    here.write_text(path.read_text().replace("/opt/stocktake/bin/stocktake", program))
    for words in (
        ("verify", "--man=no"),
        ("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}"),
    ):
        done = subprocess.run(
            ["systemd-analyze", *words, here],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done
        assert words[0] == "security" or not done.stderr, done


def test_the_settings_to_begin_with_hold() -> None:
    file = DEPLOY / "stocktake.toml"
    [site] = server_settings(file).sites
    assert site.name == "ceph"
    assert stocktake("settings", "--settings", file).code == 0


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = [line.partition(" ") for line in joined.splitlines()]
    return [(name, rest.strip()) for name, _, rest in pairs]


def test_the_image_runs_the_program_as_nobody_special() -> None:
    path = DEPLOY / "docker" / "Dockerfile"
    said = instructions(path.read_text())
    known = "FROM RUN COPY WORKDIR ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD"
    assert {name for name, _ in said} <= set(known.split())
    last = dict(said)
    assert last["USER"] == "10001:10001"
    words = [*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])]
    assert unknown_in(shlex.join(words)) == []
    probe = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    assert probe[:2] == ["python", "-c"]
    compile(probe[2], "HEALTHCHECK", "exec")
    # Nothing is copied that is kept from the build, and nothing that is not there.
    allowed = {
        line.removeprefix("!")
        for line in path.with_name("Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for _, rest in [each for each in said if each[0] == "COPY" and "--from" not in each[1]]:
        for name in rest.split()[:-1]:
            assert name.removeprefix("./") in allowed
            assert (ROOT / name).exists()


COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker" / "compose.yml").read_text())


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_may_do_what_it_must_and_no_more(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or source == "./stocktake.toml"
    # A password is taken from elsewhere, and never stands here.
    for variable, value in service["environment"].items():
        if any(word in variable for word in ("PASSWORD", "TOKEN", "SECRET", "LEDGER")):
            assert "${" in value
            assert ":?" in value
    if service["image"] == "stocktake":
        assert unknown_in(shlex.join(["stocktake", *service["command"]])) == []


def test_the_containers_are_built_from_here() -> None:
    build = COMPOSE["services"]["server"]["build"]
    assert (DEPLOY / "docker" / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).exists()


@pytest.mark.parametrize(
    "path",
    [*UNITS, *(DEPLOY / "docker").iterdir(), DEPLOY / "stocktake.toml"],
    ids=lambda path: path.name,
)
def test_every_variable_is_one_that_is_read(path: Path) -> None:
    assert set(VARIABLE.findall(path.read_text())) <= set(VARIABLES)

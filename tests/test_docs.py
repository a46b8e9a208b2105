"""The documents say what is: what they name exists, be it a command, a variable or a field."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer

import stocktake
from stocktake.analysis.audits.pack import PACK
from stocktake.cli.app import app
from stocktake.model.configuration import Format
from stocktake.model.fields import OPTIONAL_FIELDS
from stocktake.model.prices import parse_prices
from stocktake.model.scheduled import UNFINISHED_STATES
from stocktake.service import house
from stocktake.service.server_settings import server_settings
from stocktake.service.setting_table import VARIABLES
from stocktake.state.ledger import Ledger
from tests.acceptance.command_line import stocktake as in_process
from tests.analysis.audits.planted import planted_report
from tests.analysis.reports import objects, our_report
from tests.servers.fault import FaultServer, synthetic
from tests.servers.server import Server
from tests.service.worker_runs import configuration as worker_configuration

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "stocktake"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
TARGETS = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
VARIABLE = re.compile(r"\bSTOCKTAKE_[A-Z_]+\b")


def _shown(*pages: str) -> Iterator[tuple[str, str]]:
    """Each line of the code blocks of these documents."""
    for page in pages:
        for block in re.findall(r"^```console\n(.*?)^```", TEXTS[page], re.DOTALL | re.MULTILINE):
            yield from ((page, line.removeprefix("$ ")) for line in block.splitlines())


def _lines(program: str) -> Iterator[tuple[str, str]]:
    """Each invocation of `program` in a document, in a code block or between backticks."""
    for page, text in TEXTS.items():
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        shown = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
        prose = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.M))
        for line in (*shown, *prose):
            if line.startswith(f"{program} "):
                yield page, line


def _options(*words: str) -> set[str]:
    """The options of the command that a line begins with, by its words, be it one of a group, or of a group in one."""
    found, inner = None, COMMANDS
    for word in words:
        if word not in inner:
            break
        found = inner[word]
        inner = getattr(found, "commands", {})
    parameters = found.params if found is not None else []
    named = {name for each in parameters for name in (*each.opts, *each.secondary_opts)}
    return {*named, "--help", "-h"}


def unknown_in(line: str) -> list[str]:
    """The words of a `stocktake ...` line that the command line does not know."""
    words = shlex.split(line)[1:]
    if words[0].startswith("-"):
        return [word for word in words if word not in ("--help", "-h", "--version")]
    if words[0] not in COMMANDS:
        return [words[0]]
    named = [word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)]
    return [name for name in named if name not in _options(*words[:3])]


@pytest.mark.parametrize(("page", "line"), sorted(set(_lines("stocktake"))))
def test_every_stocktake_line_in_the_documents_can_be_typed(page: str, line: str) -> None:
    assert unknown_in(line) == []


@pytest.mark.parametrize(("page", "line"), sorted(set(_lines("make"))))
def test_every_make_line_in_the_documents_has_its_target(page: str, line: str) -> None:
    assert shlex.split(line)[1] in TARGETS


def test_a_line_that_cannot_be_typed_is_seen() -> None:
    assert unknown_in("stocktake query REPORT SQL --fromat csv") == ["--fromat"]
    assert unknown_in("stocktake adit s3://photos") == ["adit"]
    assert unknown_in("stocktake --verison") == ["--verison"]


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", TEXTS["README.md"]))))
def test_every_option_in_the_readme_belongs_to_a_command(option: str) -> None:
    inner = [
        (name, each) for name, group in COMMANDS.items() for each in getattr(group, "commands", {})
    ]
    every = [*((name, "") for name in COMMANDS), *inner]
    assert any(option in _options(*command) for command in every)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_readme_has_a_section_for_every_command(command: str) -> None:
    assert f"### `stocktake {command}" in TEXTS["README.md"]


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(moto_server: Server, tmp_path: Path) -> None:
    client = moto_server.client()
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="2026/11/cat.jpg", Body=b"cat")
    example = re.findall(r"^```python\n(.*?)^```", TEXTS["README.md"], re.DOTALL | re.MULTILINE)
    assert len(example) == 1
    (tmp_path / "example.py").write_text(example[0])
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, **moto_server.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    address, *said = done.stdout.split()
    assert address.endswith("manifest.json")
    assert said == ["1", "1", "rows", "of", "photos"]


def test_every_make_target_is_phony_and_listed_by_help() -> None:
    phony = re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(phony) == sorted(TARGETS)
    assert {"help", "demo", "test", "check", "bench"} <= set(TARGETS)


def test_the_document_of_settings_names_every_variable_and_no_page_another() -> None:
    assert set(VARIABLE.findall(TEXTS["docs/settings.md"])) == set(VARIABLES)
    assert set(VARIABLE.findall(TEXTS["README.md"])) <= set(VARIABLES)


def test_contributing_names_the_variables_that_the_tests_read() -> None:
    killed = ("test_kills.py", "test_kills_at_random.py", "test_worker.py")
    kills = [f"acceptance/{name}" for name in killed]
    laws = "inventory/test_splitting_laws.py"
    sized = ("inventory/test_take.py", laws, "service/test_simulated_year.py")
    names = ("servers/missing.py", "conftest.py", *kills, *sized)
    readers = [ROOT / "tests" / name for name in names]
    read = [VARIABLE.findall(reader.read_text(encoding="utf-8")) for reader in readers]
    own = set(chain.from_iterable(read)) - set(VARIABLES)
    assert set(VARIABLE.findall(TEXTS["CONTRIBUTING.md"])) == own


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_every_link_between_the_documents_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", TEXTS[page])
    missing = [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()]
    assert missing == []


GENERATOR = runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize(("name", "tables"), GENERATOR["PAGES"].items())
def test_the_tables_of_the_documents_are_those_of_the_code(name: str, tables: Any) -> None:
    page = TEXTS[f"docs/{name}"]
    assert GENERATOR["renewed"](page, tables()) == page, "`make docs` renews them"
    assert page.count("\n| ") >= tables().count("\n| ") > 2


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report that the documents about reading ask, where they look for it."""
    rows = [objects(["2026/a.jpg", "2026/b.jpg"])]
    made = our_report(
        tmp_path / "made", Format.PARQUET, rows, fields=OPTIONAL_FIELDS, all_versions=True
    )
    place = tmp_path / "reports/photos/stocktake"
    place.parent.mkdir(parents=True)
    made.manifest_path.parents[1].rename(place)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    "line",
    sorted(
        {
            line
            for page, line in _shown(
                "docs/query.md", "docs/export.md", "docs/engines.md", "docs/use-cases.md"
            )
        }
    ),
)
def test_every_command_shown_in_the_documents_of_asking_and_handing_on_runs(line: str) -> None:
    done = in_process(*shlex.split(line)[1:])
    assert (done.code, done.err) == (0, "")


@pytest.mark.usefixtures("photos")
def test_the_python_example_of_the_document_of_asking_runs() -> None:
    [example] = re.findall(
        r"^```python\n(.*?)^```", TEXTS["docs/query.md"], re.DOTALL | re.MULTILINE
    )
    names: dict[str, Any] = {}
    exec(example, names)
    assert list(names["frame"]["key"]) == ["2026/b.jpg"]
    assert names["relation"].fetchall() == [(1,)]
    assert names["history"].columns[-1] == "dt"


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", sorted({line for page, line in _shown("docs/plan.md", "docs/probe.md")})
)
def test_every_command_shown_in_the_documents_of_planning_and_probing_runs(
    line: str, fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket("photos", generated=synthetic(50, "2026/{:04d}.jpg".format))
    fault_server.bucket("audit")
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(line)],
        cwd=tmp_path,
        env={**os.environ, **fault_server.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not [
        name for name in fault_server.counts if not name.startswith(("List", "Head", "Get"))
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", sorted({line for _, line in _shown("docs/audits.md")}))
def test_every_command_shown_in_the_document_of_audits_runs(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = planted_report(tmp_path / "planted")
    folder = Path(report.address).parents[1]
    shutil.copytree(folder, tmp_path / "reports" / "photos" / "weekly")
    [policy] = re.findall(r"^```toml\n(.*?)^```", TEXTS["docs/audits.md"], re.DOTALL | re.MULTILINE)
    (tmp_path / "policy.toml").write_text(policy)
    monkeypatch.chdir(tmp_path)
    done = in_process(*shlex.split(line)[1:])
    assert done.code == (1 if " audit " in line and "never" not in line else 0), done
    assert done.err == ""
    assert "not-encrypted" in done.out or "public/none" in done.out
    assert (tmp_path / "audit.html").exists() == ("--html" in line)


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("line", sorted({line for _, line in _shown("docs/usage.md")}))
def test_every_command_shown_in_the_document_of_usage_runs(line: str) -> None:
    done = in_process(*shlex.split(line)[1:])
    assert done.code == 0, done.err
    assert "2026/" in done.out or "--by" in line
    assert Path("usage.html").exists() == ("--html" in line)
    assert (list(Path("reports").rglob("usage.parquet")) != []) == ("--save" in line)


def test_the_number_of_audits_is_the_same_everywhere() -> None:
    for page in ("README.md", "CHANGELOG.md"):
        assert re.findall(r"(\d+) (?:audits of|questions about)", TEXTS[page]) == [str(len(PACK))]


def test_the_price_table_of_the_documents_is_one() -> None:
    [table] = re.findall(r"^```toml\n(.*?)^```", TEXTS["docs/plan.md"], re.DOTALL | re.MULTILINE)
    assert parse_prices(table, "prices.toml").transfer_per_gb == 0.05


def test_the_architecture_names_every_module_and_no_other() -> None:
    modules = {
        module.relative_to(PACKAGE).as_posix()
        for module in PACKAGE.rglob("*.py")
        if module.name not in ("__init__.py", "__main__.py") and module.parent.name != "versions"
    }
    named: set[str] = set()
    rooms = re.findall(
        r"^\*\*([\w/]+)/\*\*(.*?)(?=^\*\*|^#)", TEXTS["ARCHITECTURE.md"], re.M | re.S
    )
    for room, text in rooms:
        named.update(f"{room}/{name}" for name in re.findall(r"`(\w+\.py)`", text))
    assert named == {module for module in modules if "/" in module}


def test_the_public_names_are_sorted_documented_and_really_there() -> None:
    assert stocktake.__all__ == sorted(stocktake.__all__)
    assert dir(stocktake) == stocktake.__all__
    for name in set(stocktake.__all__) - {"__version__"}:
        assert getattr(stocktake, name).__doc__, name


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="take_stock"):
        _ = stocktake.take_stock  # type: ignore[attr-defined]


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == stocktake.__version__


@pytest.mark.slow
def test_every_command_shown_in_the_document_of_schedules_runs(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        **fault_server.environment(),
        "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
    }
    (tmp_path / "aws").write_text("[profile garage]\n")
    (tmp_path / "daily.json").write_text(worker_configuration().to_json())
    environment["AWS_CONFIG_FILE"] = str(tmp_path / "aws")
    fault_server.bucket("photos", generated=synthetic(50, "2026/{:04d}.jpg".format))
    fault_server.bucket("destination")
    with Ledger.open(tmp_path / "state", now=house.now) as ledger:
        ledger.configurations.put("default", "photos", worker_configuration())
    [settings] = re.findall(r"^```toml\n(.*?)^```", TEXTS["docs/schedule.md"], re.DOTALL | re.M)
    (tmp_path / "stocktake.toml").write_text(settings)
    told = server_settings(tmp_path / "stocktake.toml")
    assert {site.name for site in told.sites} == {"ceph", "garage"}
    run = ""
    for _, line in _shown("docs/schedule.md"):
        words = shlex.split(line.replace("7k3m9q2x", run))[1:]
        if words[0] == "worker":
            endless = subprocess.Popen(
                [sys.executable, "-m", "stocktake", *words, "--while-stdin-is-open"],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert endless.communicate(timeout=60)[1].splitlines()[-1] == "stopped"
            assert endless.returncode == 0
            with Ledger.open(tmp_path / "state", now=house.now) as ledger:
                for each in ledger.schedule.list():  # of the worker's few moments
                    if each.state in UNFINISHED_STATES:
                        ledger.schedule.cancel(each.id)
            continue
        done = in_process(*words, environment=environment)
        assert (done.code, done.err) == (0, ""), line
        found = re.match(r"the run (\w+) waits", done.out)
        run = found[1] if found else run
    assert run


def test_every_command_shown_in_the_document_of_checks_runs(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fault_server.bucket("photos", generated=synthetic(9, "2026/{:04d}.jpg".format))
    audit = fault_server.bucket("audit")
    fault_server.bucket("destination")
    (tmp_path / "daily.json").write_text(worker_configuration().to_json())
    with Ledger.open(tmp_path / "state", now=house.now) as ledger:
        ledger.configurations.put("default", "photos", worker_configuration())
    environment = {
        **fault_server.environment(),
        "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
    }
    for _, line in _shown("docs/check.md"):
        done = in_process(*shlex.split(line)[1:], environment=environment)
        assert (done.code, "error" in done.err) == (0, False), (line, done)
        assert done.out
    assert audit.keys() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daily.json", "state"]


@pytest.mark.parametrize("line", sorted({line for _, line in _shown("docs/settings.md")}))
def test_every_command_shown_in_the_document_of_settings_runs(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = re.findall(r"^```toml\n(.*?)^```", TEXTS["docs/settings.md"], re.DOTALL | re.M)
    (tmp_path / "stocktake.toml").write_text(file)
    monkeypatch.chdir(tmp_path)
    done = in_process(*shlex.split(line)[1:])
    assert (done.code, done.err) == (0, "")
    assert "stores.ceph.endpoint_url" in done.out

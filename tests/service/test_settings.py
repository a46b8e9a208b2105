"""What holds: by the environment, else by the file, else by default; and every mistake named with the way out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from stocktake.model.errors import UsageError
from stocktake.service.options import StoreKeywords
from stocktake.service.server_settings import server_settings
from stocktake.service.setting_table import (
    SETTINGS,
    STORE_SETTINGS,
    VARIABLES,
    WEBHOOK_SETTINGS,
    Kind,
    Setting,
    checked,
    from_text,
)
from stocktake.service.settings import Settings, effective_settings, read_settings
from tests.acceptance.command_line import stocktake

FILE = """\
debug = true

[folders]
state = "state"            # beside the file
spill = "/spill"

[ledger]
url = "postgresql://me:hush@db/stocktake?password=hush"

[reports]
file_rows = 50_000

[questions]
memory = "4GiB"
threads = 3

[server]
listen = "0.0.0.0:9000"
workers = 0
metrics_token = "hush"

[worker]
lease = 30
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "stocktake.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "debug"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_tracebacks_are_asked_for_by_name(text: str, debug: bool) -> None:
    assert read_settings({"STOCKTAKE_DEBUG": text}).debug is debug


def test_nothing_said_means_the_user_s_state_folder_and_all_cores() -> None:
    settings = read_settings({})
    assert settings.state_folder == Path.home() / ".local" / "state" / "stocktake"
    assert settings.spool_folder == settings.state_folder / "spool"
    assert settings.working_folder == Path.cwd()
    assert settings.cores >= 1
    assert not settings.debug
    assert (settings.file, settings.lease_s, settings.log_format) == (None, 60.0, "text")


def test_the_spool_folder_can_be_said() -> None:
    assert read_settings({"STOCKTAKE_SPOOL_FOLDER": "/spool"}).spool_folder == Path("/spool")


def test_the_state_folder_can_be_said_and_the_spool_lies_in_it() -> None:
    assert read_settings({"XDG_STATE_HOME": "/xdg"}).state_folder == Path("/xdg/stocktake")
    assert read_settings({"XDG_STATE_HOME": "xdg"}).state_folder.is_absolute()
    settings = read_settings({"STOCKTAKE_STATE_FOLDER": "/state", "XDG_STATE_HOME": "/xdg"})
    assert (settings.state_folder, settings.spool_folder) == (Path("/state"), Path("/state/spool"))


def test_the_file_says_all_and_a_variable_comes_before_it(tmp_path: Path) -> None:
    file = written(tmp_path)
    settings = read_settings({"STOCKTAKE_THREADS": "5"}, file)
    assert settings.debug
    assert settings.state_folder == tmp_path / "state"
    assert settings.keys_file == tmp_path / "state" / "keys.json"
    assert (settings.memory, settings.threads, settings.workers) == ("4GiB", 5, 0)
    assert settings.file_rows == 50_000
    assert settings.lease_s == 30.0
    assert read_settings({"STOCKTAKE_SETTINGS": str(file)}).threads == 3
    assert server_settings(file, store_words={"endpoint_url": "http://x"}).port == 9000


def test_each_setting_says_who_said_it_and_secrets_are_masked(tmp_path: Path) -> None:
    file = written(tmp_path, FILE + '\n[stores.a]\ndomains = [\n  "x",\n]\n')
    found = {each.key: each for each in effective_settings({"STOCKTAKE_LEASE": "10"}, file)}
    lines = file.read_text().splitlines()

    def line(key: str) -> str:
        return lines[int(found[key].origin.removeprefix(f"{file}, line ")) - 1]

    assert line("debug") == "debug = true"
    assert line("folders.state").startswith("state = ")
    assert line("server.listen") == 'listen = "0.0.0.0:9000"'
    assert line("stores.a.domains") == "domains = ["
    assert (found["worker.lease"].origin, found["worker.lease"].value) == ("STOCKTAKE_LEASE", 10.0)
    assert found["server.keys_file"].origin == found["stores.a.profile"].origin == "default"
    assert found["ledger.url"].value == "postgresql://me:***@db/stocktake"
    assert found["server.metrics_token"].value == "********"
    assert "hush" not in repr((found, read_settings({}, file)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sever]\nlisten = 'x:1'", "unknown key `sever` in .*, line 1; did you mean `server`"),
        ("[server]\n\nlisten_on = 1", "`server.listen_on` in .*, line 3; did you mean `server.listen`"),
        ("lisen = 1", "did you mean `server.listen`"),
        ("workers = 1", "did you mean `server.workers`"),
        ("[stores.a]\nquiet_hour = 1", "did you mean `stores.a.quiet_hours`"),
        ("[server]\nworkers = 'two'", r"`server.workers` in .*, line 2 is `two`; expected a whole number from 0 to 64"),
        ("[server]\nworkers = 65", "is `65`; expected a whole number from 0 to 64"),
        ("[server]\nworkers = true", "is `True`; expected a whole number"),
        ("[server]\nlisten = ''", "expected a text"),
        ("[server]\nmetrics_token = 4711", "is of another kind, and not shown; expected a text"),
        ("server = 1", "`server` in .*, line 1 is no table; expected \\[server\\]"),
        ("debug = 'no'", "expected true or false"),
        ("[worker]\nlease = nan", "expected a number from 1 to 3,600"),
        ("[questions]\nmemory = '1MiB'", "expected a size such as 4GiB, at least 32MiB"),
        ("[questions]\nmemory = 'lots'", "is no size"),
        ("[reports]\nfile_rows = 99", "is `99`; expected a whole number from 100 to 1,000,000"),
        ("[log]\nformat = 'xml'", "is `xml`; expected `text` or `json`"),
        ("[stores.a]\ndomains = [1]", "expected a list of texts"),
        pytest.param(f"debug = {'[' * 5000}{']' * 5000}", "are nested too deep; expected tables", id="nested"),
        pytest.param(f"stores.a.region{'.a' * 2000} = 1", "is a table; expected a text", id="dotted"),
        ('[folders]\nstate = "a\\u0000b"', "`folders.state` in .* holds a character that a path cannot"),
        ('[server]\nlisten = "a\\u0000:1"', "`server.listen` in .* holds a character that a text cannot"),
        ('[stores.a]\ndomains = ["s3\\n"]', "holds a character that a list of texts cannot"),
        ('[ledger]\nurl = "4711\\u0000"', "holds a character that a text cannot"),
        ("[folders]\nspool = '~nobody-is-called-so/x'", "`~nobody-is-called-so/x`, and nobody knows where that"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_settings({}, written(tmp_path, text))
    assert "4711" not in caught.value.message


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"STOCKTAKE_THREADS": "all"}, "STOCKTAKE_THREADS is `all`; expected a whole number"),
        ({"STOCKTAKE_LEASE": "0"}, "expected a number from 1 to 3,600"),
        ({"STOCKTAKE_SETTINGS": "/nowhere.toml"}, "/nowhere.toml cannot be read"),
    ],
)
def test_a_mistake_in_the_environment_is_named(environment: Mapping[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_settings(environment)


def test_a_user_without_a_home_is_told_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 9)  # as containers have users
    with pytest.raises(UsageError, match="where the state folder is") as caught:
        read_settings({})
    assert "STOCKTAKE_STATE_FOLDER" in caught.value.hint
    assert read_settings({"XDG_STATE_HOME": "/xdg"}).state_folder == Path("/xdg/stocktake")


def test_a_url_that_is_no_secret_is_shown_without_what_is(tmp_path: Path) -> None:
    text = "[stores.a]\nendpoint_url = 'http://me:hush@h:7480'\n"
    text += "[webhooks.ops]\nurl = 'https://me@h:8443/hush?x'"
    found = effective_settings({}, written(tmp_path, text))
    values = {each.key: each.value for each in found}
    assert values["stores.a.endpoint_url"] == "http://***@h:7480"
    assert values["webhooks.ops.url"] == "https://h:8443/********"
    refused = stocktake("settings", "--settings", str(tmp_path / "stocktake.toml"))
    refused.failed_clearly(2, "the store `a`", "h holds a user name or password")
    assert "hush" not in refused.err


def test_every_setting_is_explained_read_and_good_by_default() -> None:
    fields = [each.field for each in SETTINGS]
    assert len(set(fields)) == len(fields)
    assert set(fields) < set(Settings.__annotations__)
    assert len(set(VARIABLES)) == len([each for each in SETTINGS if each.variable]) + 1
    assert set(StoreKeywords.__annotations__) < {
        each.key.rpartition(".")[2] for each in STORE_SETTINGS
    }
    for each in (*SETTINGS, *STORE_SETTINGS, *WEBHOOK_SETTINGS):
        assert each.meaning
        assert each.reason
        assert each.default is not None or each.told
        assert (each.least is None) or each.unit
        if each.default is not None:
            assert checked(each, each.default, each.key) == each.default


def test_a_variable_is_of_the_same_kind_as_the_key() -> None:
    def setting(kind: Kind) -> Setting:
        return Setting("x", kind, "", "", variable="X", least=0, most=9)

    assert from_text(setting(Kind.COUNT), "7") == 7
    assert from_text(setting(Kind.NUMBER), "0.5") == 0.5
    with pytest.raises(UsageError, match=r"the variable X is `7\.5`"):
        from_text(setting(Kind.COUNT), "7.5")


def test_the_command_shows_what_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "elsewhere"))
    file = str(written(tmp_path))
    shown = stocktake("settings", "--settings", file)
    assert (shown.code, shown.err) == (0, "")
    assert re.search(r"^folders\.state +\S+/elsewhere +STOCKTAKE_STATE_FOLDER$", shown.out, re.M)
    assert re.search(r"^server\.workers +0 +\S+, line \d+$", shown.out, re.M)
    assert re.search(r"^folders\.spill +/spill +\S+, line \d+$", shown.out, re.M)
    assert re.search(r"^server\.keys_file +\S+/elsewhere/keys\.json +default$", shown.out, re.M)
    assert "hush" not in shown.out
    nothing = stocktake("settings").out
    assert re.search(r"^questions\.memory +2GiB +default$", nothing, re.M)
    told = stocktake("settings", "--settings", file, "--json").document["settings"]
    assert [each["key"] for each in told] == [each.key for each in SETTINGS]
    written(tmp_path, "[stores.a]\naccount = '1'")
    refused = stocktake("settings", "--settings", file)
    assert refused.code == 2
    assert "expected 12 digits" in refused.err

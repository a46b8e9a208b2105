"""No secret is told by commands, whether they succeed, are refused or break, and by none of what is wrong with the
settings, variables and files in which secrets stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from stocktake.service.access_keys import add_keys
from stocktake.store.setup import Setup
from tests.acceptance.secrets.canaries import (
    HIDDEN,
    USER,
    Told,
    canary,
    configuration,
    files_in,
    refused,
    seen,
)
from tests.servers.fault import FaultServer, respond
from tests.service.worker_runs import REPORTS, SOURCE

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("run", f"s3://{SOURCE}", f"s3://{REPORTS}", "--id", "run", "-vv"),
    ("run", f"s3://{SOURCE}", f"s3://{REPORTS}", "--id", "run", "--json", "-vv"),
    ("check", f"s3://{SOURCE}", f"s3://{REPORTS}", "-vv"),
    ("plan", f"s3://{SOURCE}", "-vv"),
    ("probe", f"s3://{SOURCE}", "-vv"),
    ("config", "put", f"s3://{SOURCE}", "daily.xml", "--hour", "3", "-vv"),
    ("config", "list", f"s3://{SOURCE}", "--json", "-vv"),
    ("config", "get", f"s3://{SOURCE}", "daily", "--json", "-vv"),
    ("config", "check", f"s3://{SOURCE}", "daily", "-vv"),
    ("runs", "-vv"),
    ("runs", "scheduled", "--all", "-vv"),
    ("runs", "workers", "-vv"),
    ("runs", "notices", "-vv"),
    ("reports", "orphans", f"s3://{REPORTS}/{SOURCE}/run", "-vv"),
    ("settings", "--json"),
    ("keys", "list", "--json"),
    ("keys", "token", "list", "-vv"),
    ("config", "delete", f"s3://{SOURCE}", "daily", "-vv"),
    ("serve", "--listen", "nowhere.invalid:1", "-vv"),
)


def every_command(told: Told, environment: Mapping[str, str]) -> list[int]:
    return [told.command(*words, environment=environment).code for words in COMMANDS]


@pytest.mark.slow
def test_commands_tell_no_secret_whether_they_succeed_are_refused_or_break(
    store: FaultServer,
    told: Told,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("daily.xml").write_bytes(configuration("daily"))
    add_keys(tmp_path / "state" / "keys.json", [USER])
    done = every_command(told, environment)
    assert done == [0] * (len(COMMANDS) - 1) + [2], list(zip(COMMANDS, done, strict=True))
    refusal = store.rule(respond(403, body=refused(told)))
    assert 1 in every_command(told, environment)
    refusal.remove()

    def breaks(*_: object) -> None:
        raise RuntimeError("boom")

    with monkeypatch.context() as patch:
        patch.setattr(Setup, "credentials", breaks)
        every_command(told, environment)
    loud = b"".join(told.places.values())
    for word in (b"SignatureDoesNotMatch", b"internal error: RuntimeError: boom", b"Traceback"):
        assert word in loud
    told.places |= dict(files_in(tmp_path / "state", HIDDEN))
    assert seen(told.secrets, told.places) == []


def broken_settings(told: Told) -> dict[str, str]:
    """Files of settings that are wrong where a secret stands, or beside one."""
    metrics, ledger, path, user = (
        told.secrets[name] for name in ("metrics", "ledger", "path", "user")
    )
    hook = f'[webhooks.ops]\nsecret_variable = "HOOK"\nurl = "https://h/{path}"\n'
    return {
        "a list": f'[server]\nmetrics_token = ["{metrics}"]\n',
        "no TOML": f"[server]\nmetrics_token = {metrics}\n",
        "never closed": f'[server]\nmetrics_token = "{metrics}\n',
        "a control": f'[server]\nmetrics_token = "{metrics}\\u0007"\n',
        "twice": f'[client]\ntoken = "{user}"\ntoken = "{user}"\n',
        "an unknown key": f'[server]\nmetrics_tokn = "{metrics}"\n',
        "a secret that has no place": hook + f'secret = "{user}"\n',
        "another database": f'[ledger]\nurl = "mysql://me:{ledger}@db/x"\n',
        "no database": f'[ledger]\nurl = "{ledger}"\n',
        "a port that is none": f'[ledger]\nurl = "postgresql://me:{ledger}@db:port/x"\n',
        "an at sign": f'[ledger]\nurl = "postgresql://me:x@{ledger}@db/x"\n',
        "nobody there": f'[ledger]\nurl = "postgresql://me:{quote(ledger, safe="")}@127.0.0.1:1/x"\n',
        "an unknown parameter": f'[ledger]\nurl = "postgresql://me@127.0.0.1:1/x?password={quote(ledger)}&nothing=1"\n',
        "no URL": hook.replace("https://h/", ""),
        "another scheme": hook.replace("https", "htp"),
        "a user in it": hook.replace("https://h/", f"https://me:{user}@h/"),
        "a port too high": hook.replace("https://h/", "https://h:99999/"),
        "another event": hook + 'events = ["nothing"]\n',
    }  # fmt: skip


SPEAKING = (
    ("settings",),
    ("runs", "-vv"),
    ("serve", "--listen", "127.0.0.1:0", "-vv"),
    ("worker", "-vv"),
)


@pytest.mark.parametrize(
    "what", broken_settings(Told(dict.fromkeys(("metrics", "ledger", "path", "user"), "")))
)
def test_settings_that_are_wrong_where_a_secret_stands_are_told_without_it(
    told: Told, environment: dict[str, str], tmp_path: Path, what: str
) -> None:
    file = tmp_path / "stocktake.toml"
    file.write_text(f"[stores.default]\n{broken_settings(told)[what]}")
    environment["STOCKTAKE_SETTINGS"] = str(file)
    for words in SPEAKING:
        done = told.command(*words, environment=environment)
        assert words[0] in ("settings", "runs") or done.code in (1, 2), done
    assert seen(told.secrets, told.places) == []


@pytest.mark.parametrize("key", ["secret_file", "secret_variable"])
def test_a_secret_in_the_place_of_where_it_lies_is_told_without_it(
    told: Told, environment: dict[str, str], tmp_path: Path, key: str
) -> None:
    del environment["STOCKTAKE_DEBUG"]
    file, secret = tmp_path / "stocktake.toml", told.secrets["webhook"]
    cut = secret.removeprefix("whsec_")  # which is none, and looks like no secret
    said = {"secret_file": "cannot be read: No such file", "secret_variable": "names is not set"}
    for text, why in (
        (secret, f"`{key}` of the webhook `ops` is the secret itself"),
        (cut, said[key]),
    ):
        file.write_text(
            f'[stores.default]\n[webhooks.ops]\nurl = "https://h/x"\n{key} = "{text}"\n'
        )
        for word in ("serve", "worker"):
            done = told.command(word, "--settings", file, environment=environment)
            done.failed_clearly(2, why)
            assert cut not in done.out + done.err
        shown = told.command("settings", "--settings", file, environment=environment)
        assert f"webhooks.ops.{key}" in shown.out, shown
        assert cut not in shown.out + shown.err
    assert seen(told.secrets, told.places) == []


VARIABLES = {
    "STOCKTAKE_LEDGER": ("mysql://me:{}@db/x", "{}", "postgresql://me:x@{}@db/x", "postgresql://me:{}@[::1/x"),
    "STOCKTAKE_METRICS_TOKEN": ("{}\n", "{}\x07"),
    "STOCKTAKE_TOKEN": ("{}\nX-A: b", "{} b", "{}\u00e9"),
    "STOCKTAKE_SERVER": ("http://me:{}@127.0.0.1:1", "https://me:{}@127.0.0.1:1/a?token={}"),
    "AWS_SESSION_TOKEN": ("{}\n", "{} {}"),
    "AWS_SECRET_ACCESS_KEY": ("{}\n",),
    "AWS_ENDPOINT_URL": ("http://me:{}@127.0.0.1:1", "http://127.0.0.1:1/?signature={}"),
    "HTTP_PROXY": ("http://me:{}@127.0.0.1:1", "http://{}@[::1"),
}  # fmt: skip


@pytest.mark.parametrize("variable", VARIABLES)
def test_variables_that_are_wrong_where_a_secret_stands_are_told_without_it(
    told: Told,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    told.secrets[variable] = canary(variable)
    for form in VARIABLES[variable]:
        for secret in (told.secrets[variable], quote(told.secrets[variable], safe="")):
            changed = environment | {variable: form.format(*[secret] * form.count("{}"))}
            for words in (COMMANDS[2], COMMANDS[6], *SPEAKING[:2]):
                told.command(*words, environment=changed)
    told.places |= dict(files_in(tmp_path / "state", HIDDEN))
    assert seen(told.secrets, told.places) == []


def test_files_of_secrets_that_are_broken_are_told_without_them(
    told: Told, environment: dict[str, str], tmp_path: Path
) -> None:
    user, state = told.secrets["user"], tmp_path / "state"
    add_keys(state / "keys.json", [USER])
    whole = (state / "keys.json").read_text()
    for broken in (
        whole.replace('"secret_key"', '"secret"'),
        whole.replace(f'"{user}"', user),
        whole.replace(f'"{user}"', f'["{user}"]'),
        whole.replace(f'"{user}"', f'"{user} "'),
        whole.replace('"admin"', f'"{user}"'),
        whole.replace("}", "", 1),
        f'"{user}"',
    ):
        (state / "keys.json").write_text(broken)
        for words in (("keys", "list"), SPEAKING[2]):
            assert told.command(*words, environment=environment).code == 2
        (state / "keys.json").write_text(whole)
        given = tmp_path / "given"
        given.write_text(broken)
        told.command(
            "keys", "import", given, "--role", "admin", "--bucket", "*", environment=environment
        )
    given = tmp_path / "credentials"
    for broken in (
        f"[a]\naws_secret_access_key {user}\n",
        f"{user}\n",
        f"[{user}\n",
        f"[a]\n = {user}\n",
    ):
        given.write_text(broken)
        told.command(
            "keys", "import", given, "--role", "admin", "--bucket", "*", environment=environment
        )
        of_file = {
            name: value for name, value in environment.items() if not name.startswith("AWS_S")
        }
        del of_file["AWS_ACCESS_KEY_ID"]
        of_file["AWS_SHARED_CREDENTIALS_FILE"] = str(given)
        for words in (COMMANDS[0], SPEAKING[3]):
            assert told.command(*words, environment=of_file).code in (1, 2)
    (tmp_path / "token").write_text(f"{user} and more\n")
    (tmp_path / "token").chmod(0o600)
    asked = ("config", "list", f"s3://{SOURCE}", "--server", "http://127.0.0.1:1")
    done = told.command(*asked, "--token-file", tmp_path / "token", environment=environment)
    assert done.code == 1
    assert seen(told.secrets, told.places) == []

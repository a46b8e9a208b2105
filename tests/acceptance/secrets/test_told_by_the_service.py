"""No secret is told, whatever goes wrong: not by any log, error, answer, report, metric, ledger or list of processes.

Each secret that the service is given tells where it was seen. Everything is asked for as loudly as it can be, and all
that comes of it is searched, written in any way.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from stocktake.model.access import AccessKey
from stocktake.service.access_keys import add_keys
from stocktake.state.opening import FILE
from tests.acceptance.command_line import command, stocktake
from tests.acceptance.secrets.canaries import (
    HIDDEN,
    USER,
    Told,
    arguments_of,
    canary,
    configuration,
    files_in,
    refused,
    seen,
)
from tests.api.serving import presigned
from tests.servers.fault import FaultServer, respond
from tests.servers.receiver import Receiver
from tests.service.worker_runs import REPORTS, SOURCE, until

SETTINGS = """
[stores.default]
[webhooks.ops]
url = "{url}/{path}"
secret_variable = "HOOK"
allow_local = true
"""


def with_password(url: str, password: str) -> str:
    """The URL of a ledger, with a password in it."""
    return url.replace("@", f":{quote(password, safe='')}@", 1)


def knock_in_every_way(told: Told, url: str) -> None:
    """Ask for what is there and for what is not, with the right secret, a wrong one and none."""
    token = told.secrets["token"]
    bearer, metrics = f"Bearer {token}", f"Bearer {told.secrets['metrics']}"
    for path in (
        "stores", "stores/default/buckets", "workers", "settings", "tokens", "runs", "upcoming", "nothing",
        f"configurations/default/{SOURCE}", f"configurations/default/{SOURCE}/daily",
        f"configurations/default/{SOURCE}/daily/options", f"configurations/default/{SOURCE}/daily/reports",
    ):  # fmt: skip
        for authorization in (bearer, f"{bearer}x", metrics, f"Basic {token}", token):
            told.ask(url, "GET", f"/api/v1/{path}", Authorization=authorization)
    for path in ("/metrics", "/healthz", "/readyz", "/api/v1/openapi.json", f"/{token}"):
        for authorization in (metrics, f"{metrics}x", bearer):
            told.ask(url, "GET", path, Authorization=authorization)
    for key in (USER, AccessKey(USER.access_key, USER.grant, "", canary("store"))):
        target = presigned(f"{url}/{SOURCE}?inventory&id=daily", "GET", key)
        told.secrets[f"signature {len(told.secrets)}"] = target.rpartition("=")[2]
        for each in (target, target.replace("Expires=60", "Expires=1"), target[:-1]):
            told.ask(url, "GET", each)
    # Whoever mistakes the one for the other has sent the secret in the place of the key.
    swapped = f"AWS4-HMAC-SHA256 Credential={quote(USER.secret_key, safe='')}/20260101/us-east-1/s3/aws4_request"
    told.ask(url, "GET", f"/{SOURCE}?inventory", Authorization=swapped)
    told.signed(url, "PUT", f"/{SOURCE}?inventory&id=daily", b"no XML")
    told.ask(url, "GET", f"/{SOURCE}?inventory&x={'x' * 100_000}", Authorization=bearer)


def runs_of(told: Told, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    done = told.command("runs", "scheduled", "--all", "--json", "-vv", environment=environment)
    runs: list[dict[str, Any]] = done.document["runs"]
    return runs


def break_ledger(url: str | None, state: Path) -> None:
    """Have a table not be there."""
    statement = "ALTER TABLE report_options RENAME TO gone"
    if url is None:
        with sqlite3.connect(state / FILE) as connection:
            connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(url) as server:
            server.execute(statement)


def held_in(url: str | None, state: Path) -> bytes:
    """All that a ledger on a server holds; one that is a file is looked at as such."""
    if url is None:
        return b""
    with psycopg.connect(url) as server:
        tables = server.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        rows = [server.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in tables]  # type: ignore[call-overload]
    return repr(rows).encode()


@contextmanager
def serving(
    told: Told, environment: Mapping[str, str], *words: str | Path, log: Path
) -> Iterator[str]:
    """The URL of a server with a worker, which run as the program and write to `log`. Behind the block it has ended
    cleanly.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            command("serve", "--listen", "127.0.0.1:0", "--workers", "1", "-vv", *words),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        found = until(lambda: re.search(r"listening on (http://\S+)", log.read_text()), 120)
        yield found[1]
        told.places |= arguments_of(process.pid)
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    told.heard("the log", log.read_bytes())


@pytest.mark.slow
def test_a_service_that_meets_every_trouble_tells_no_secret(
    store: FaultServer,
    told: Told,
    environment: dict[str, str],
    ledger_url: str | None,
    tmp_path: Path,
) -> None:
    state, settings = tmp_path / "state", tmp_path / "stocktake.toml"
    if ledger_url is not None:
        environment["STOCKTAKE_LEDGER"] = with_password(ledger_url, told.secrets["ledger"])
    add_keys(state / "keys.json", [USER])
    words = ("keys", "token", "create", "--role", "admin", "--bucket", "*", "--json")
    told.secrets["token"] = stocktake(*words, environment=environment).document["token"]
    bearer = f"Bearer {told.secrets['token']}"
    refusal = store.rule(respond(403, body=refused(told)), operation="List", bucket=SOURCE)
    form = "json" if ledger_url else "text"
    with Receiver(500) as receiver:
        settings.write_text(SETTINGS.format(url=receiver.url, path=told.secrets["path"]))
        options = ("--settings", settings, "--log-format", form)
        with serving(told, environment, *options, log=tmp_path / "log") as url:
            put = told.signed(url, "PUT", f"/{SOURCE}?inventory&id=daily", configuration("daily"))
            assert put.status == 204
            until(lambda: any(run["attempts"] for run in runs_of(told, environment)), 120)
            refusal.remove()
            [run] = runs_of(told, environment)
            told.command("runs", "retry", run["run"], "-vv", environment=environment)
            until(lambda: runs_of(told, environment)[0]["state"] == "published", 120)
            knock_in_every_way(told, url)
            until(lambda: len(receiver.requests) >= 2, 120)
            told.heard("the ledger", held_in(ledger_url, state))
            break_ledger(ledger_url, state)
            one = f"/api/v1/configurations/default/{SOURCE}/daily"
            assert told.ask(url, "GET", one, Authorization=bearer).status >= 500
    told.places |= dict(files_in(state, HIDDEN))
    reports = store.buckets[REPORTS]
    told.places |= {f"s3://{REPORTS}/{key}": reports.read(key) for key in reports.keys()}  # noqa: SIM118
    assert any("manifest.checksum" in place for place in told.places)
    assert b"SignatureDoesNotMatch" in b"".join(told.places.values())
    # They are found where they are: what was searched for is what was given.
    given = {str(path): path.read_bytes() for path in (state / "keys.json", settings)}
    assert {name for name, _, _ in seen(told.secrets, given)} == {"user", "path"}
    hooked = {each.path: each.path.encode() for each in receiver.requests}
    assert {name for name, _, _ in seen(told.secrets, hooked)} == {"path"}
    assert seen(told.secrets, told.places) == []

"""`stocktake serve`, `keys` and `config` as a user types them."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from stocktake.model.configuration import parse_configuration_json
from stocktake.model.xml import render_configuration_xml
from tests.acceptance.command_line import Outcome, command, stocktake
from tests.api.test_inventory import WHOLE, plain
from tests.servers.server import REGION, Server


@pytest.fixture
def environment(moto_server: Server, tmp_path: Path) -> dict[str, str]:
    return {**moto_server.environment(), "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}


@pytest.fixture
def bucket(moto_server: Server, buckets: Callable[..., str]) -> str:
    name = buckets("photos")
    moto_server.client().create_bucket(Bucket=name)
    return name


@contextmanager
def served(
    environment: dict[str, str],
    *arguments: str | Path,
    workers: int = 0,
    under: Sequence[str] = (),
) -> Iterator[tuple[str, list[str]]]:
    """The URL of a server that runs as the program, and what it said; that is whole behind the block. `under`: the
    program that starts it.
    """
    said: list[str] = []
    words = command("serve", "--listen", "127.0.0.1:0", "--workers", str(workers), *arguments)
    with subprocess.Popen(
        [*under, *words],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        first = process.stderr.readline()
        try:
            yield first[first.index("http://") :].split()[0], said
        finally:
            process.send_signal(signal.SIGTERM)
            said += [first, *process.stderr]
            assert process.wait(timeout=60) == 0, said


def _told(url: str, path: str) -> str:
    with urlopen(f"{url}/{path}", timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
def test_from_a_put_to_a_report_with_nobody_touching_anything(
    environment: dict[str, str], bucket: str, moto_server: Server
) -> None:
    store = moto_server.client()
    store.put_object(Bucket=bucket, Key="a", Body=b"x")
    key = stocktake(
        "keys", "create", "--role", "admin", "--bucket", "*", "--json", environment=environment
    ).document
    with served(environment, "--log-format", "json", workers=1) as (url, said):
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"],
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}),
        )
        wanted = plain("daily")
        wanted["Destination"]["S3BucketDestination"]["Bucket"] = f"arn:aws:s3:::{bucket}"
        client.put_bucket_inventory_configuration(
            Bucket=bucket, Id="daily", InventoryConfiguration=wanted
        )
        until = time.monotonic() + 180
        found: list[str] = []
        while time.monotonic() < until and not any(
            each.endswith("manifest.checksum") for each in found
        ):
            time.sleep(0.2)
            listed = store.list_objects_v2(Bucket=bucket).get("Contents", [])
            found = [each["Key"] for each in listed]
        # What was put was tried out meanwhile, and nothing of that is left; here and through the server.
        pair = {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"]}
        ways: tuple[tuple[list[str], dict[str, str]], ...] = (([], {}), (["--server", url], pair))
        for words, more in ways:
            for verb, place in (("get", [f"s3://{bucket}", "daily"]), ("list", [f"s3://{bucket}"])):
                document = _until_checked(verb, *place, *words, environment=environment | more)
                assert document["check"]["verdict"] == "ok", document
                assert document["configuration"] == wanted
        anew = stocktake(
            "config",
            "check",
            f"s3://{bucket}",
            "daily",
            "--server",
            url,
            environment=environment | pair,
        )
        assert anew.out == f"daily of {bucket} waits for a worker to try it out\n", anew
        again = _until_checked("get", f"s3://{bucket}", "daily", environment=environment)
        assert again["check"]["checked"] > document["check"]["checked"]
        until = time.monotonic() + 180
        while "stocktake_objects_total 1.0\n" not in (told := _told(url, "metrics")):
            assert time.monotonic() < until, told
            time.sleep(1)  # the ledger is asked for them only so often
        for part in (
            f'stocktake_report_age_seconds{{bucket="{bucket}",configuration="daily",',
            'stocktake_runs{state="published"} 1.0\n',
            "stocktake_workers 1.0\n",
        ):
            assert part in told
        assert _told(url, "readyz") == "ready\n"
        assert 'stocktake_store_requests_total{call="list"}' in told
    listed = store.list_objects_v2(Bucket=bucket)["Contents"]
    assert not [each["Key"] for each in listed if "/check-" in each["Key"]]
    assert [each for each in found if each.endswith("manifest.checksum")], (found, said)
    lines = [json.loads(each) for each in said]  # the worker's are among them
    assert {each["message"] for each in lines} >= {"stopped", "working for default"}
    [begun] = [each for each in lines if each.get("run") and each["message"].startswith("run ")]
    assert (begun["store"], begun["bucket"], begun["configuration"]) == ("default", bucket, "daily")
    [put] = [each for each in lines if each.get("method") == "PUT"]
    assert (put["status"], put["key"]) == (204, key["access_key"])
    assert key["secret_key"] not in "".join(said)


def _until_checked(*words: str, environment: dict[str, str]) -> Any:
    """What `stocktake config WORDS --json` says of the one configuration, once its check is there."""
    until = time.monotonic() + 180
    while True:
        document = stocktake("config", *words, "--json", environment=environment).document
        [found] = document.get("configurations", [document])
        if "check" in found or time.monotonic() > until:
            return found
        time.sleep(0.2)


@pytest.mark.slow
def test_from_a_key_to_a_configuration(
    environment: dict[str, str], bucket: str, tmp_path: Path
) -> None:
    with served(environment) as (_, said):
        pass
    assert "`stocktake keys create --role admin --bucket '*'` makes one" in "".join(said)
    assert said[-1] == "stopped\n"

    made = stocktake(
        "keys", "create", "--role", "admin", "--bucket", "*", "--json", environment=environment
    )
    key = made.document
    with served(environment) as (url, said):
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"],
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}),
        )
        client.put_bucket_inventory_configuration(
            Bucket=bucket, Id="report1", InventoryConfiguration=WHOLE
        )
        # The command line works on the same ledger while the server runs, or through it.
        pair = {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"]}

        def through(*words: str | Path) -> Outcome:
            return stocktake("config", *words, "--server", url, environment=environment | pair)

        got = through("get", f"s3://{bucket}", "report1")
        assert got.document == {"InventoryConfiguration": WHOLE}
        (tmp_path / "c.json").write_text(json.dumps(plain("c")))
        assert through("put", f"s3://{bucket}", tmp_path / "c.json").out == f"put c of {bucket}\n"
        assert [line[:2] for line in through("list", f"s3://{bucket}").out.splitlines()] == [
            "c:",
            "re",
        ]
        assert through("delete", f"s3://{bucket}", "c").out == f"deleted c of {bucket}\n"
        through("delete", f"s3://{bucket}", "c").failed_clearly(1, "NoSuchConfiguration", "`c`")
        strange = stocktake(
            "config", "list", f"s3://{bucket}", "--server", url, environment=environment
        )
        strange.failed_clearly(1, "InvalidAccessKeyId")
        both = through("put", f"s3://{bucket}", tmp_path / "c.json", "--endpoint-url", url)
        both.failed_clearly(2, "two places to ask")
        (tmp_path / "b.json").write_text(json.dumps(plain("b")))
        put = stocktake(
            "config", "put", f"s3://{bucket}", tmp_path / "b.json", environment=environment
        )
        assert (put.code, put.out) == (0, f"put b of {bucket}\n"), put
        listed = client.list_bucket_inventory_configurations(Bucket=bucket)
        assert listed["InventoryConfigurationList"] == [plain("b"), WHOLE]
        assert stocktake("keys", "delete", key["access_key"], environment=environment).code == 0
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            client.list_bucket_inventory_configurations(Bucket=bucket)
    assert key["secret_key"] not in "".join(said)
    assert "note: nobody has a key yet" not in "".join(said)


def test_configurations_are_put_read_listed_and_deleted(
    environment: dict[str, str], bucket: str, tmp_path: Path
) -> None:
    def config(*words: str | Path) -> object:
        done = stocktake("config", *words, environment=environment)
        assert done.code == 0, done
        return done.out

    where = f"s3://{bucket}"
    assert config("list", where) == f"{where} has no inventory configuration\n"
    (tmp_path / "whole.json").write_text(json.dumps({"InventoryConfiguration": WHOLE}))
    xml = render_configuration_xml(
        parse_configuration_json(json.dumps(plain("a", IsEnabled=False)))
    )
    (tmp_path / "a.xml").write_bytes(xml)
    config("put", where, tmp_path / "whole.json")
    config("put", where, tmp_path / "a.xml")
    got = json.loads(str(config("get", where, "report1")))
    assert got == {"InventoryConfiguration": WHOLE}
    assert config("list", where) == (
        "a: Daily, CSV to s3://dest, Current versions, disabled\n"
        "report1: Weekly, Parquet to s3://dest/inv, All versions\n"
    )
    listed = json.loads(str(config("list", where, "--json")))["configurations"]
    assert [each["id"] for each in listed] == ["a", "report1"]
    assert listed[1]["configuration"] == WHOLE
    assert listed[0]["version"] > listed[1]["version"]
    assert config("delete", where, "a") == f"deleted a of {bucket}\n"
    for words in (("delete", where, "a"), ("get", where, "a")):
        done = stocktake("config", *words, environment=environment)
        done.failed_clearly(1, f"the bucket {bucket} has no inventory configuration `a`")


def test_a_configuration_may_come_on_stdin(
    environment: dict[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = io.TextIOWrapper(io.BytesIO(json.dumps(WHOLE).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    done = stocktake("config", "put", f"s3://{bucket}", "-", "--json", environment=environment)
    assert done.document["configuration"] == WHOLE


def test_what_cannot_be_put_is_told(
    environment: dict[str, str], bucket: str, tmp_path: Path
) -> None:
    def put(where: str, text: str, *said: str, code: int = 2) -> None:
        (tmp_path / "x").write_text(text)
        done = stocktake("config", "put", where, tmp_path / "x", environment=environment)
        done.failed_clearly(code, *said)

    put("s3://no-such-bucket", json.dumps(WHOLE), "there is no bucket `no-such-bucket`", code=1)
    put(f"s3://{bucket}/prefix", json.dumps(WHOLE), "is no bucket; expected s3://NAME")
    put(f"s3://{bucket}", "{}", "malformed inventory configuration")
    put(
        f"s3://{bucket}",
        json.dumps(plain("x", Filter={"Prefix": "\x01"})),
        "a character that XML cannot",
    )
    missing = stocktake(
        "config", "put", f"s3://{bucket}", tmp_path / "missing", environment=environment
    )
    missing.failed_clearly(2, "cannot be read")


def test_keys_are_made_imported_listed_and_deleted(
    environment: dict[str, str], tmp_path: Path
) -> None:
    def keys(*words: str | Path, code: int = 0) -> str:
        done = stocktake("keys", *words, environment=environment)
        assert done.code == code, done
        return done.out + done.err

    assert keys("list") == "nobody has a key\n"
    made = keys("create", "--role", "reader", "--bucket", "a-*", "--field", "Size", "--name", "bob")
    access, secret = (line.split()[-1] for line in made.splitlines())
    (tmp_path / "credentials").write_text(
        "[c]\naws_access_key_id=AKIA1\naws_secret_access_key=zzz\n"
    )
    given = tmp_path / "credentials"
    assert keys("import", given, "--role", "admin", "--bucket", "*") == "imported AKIA1 of c\n"
    listed = keys("list")
    assert f"{access}  reader  a-*  fields Size  (bob)" in listed
    assert "AKIA1" in listed
    assert secret not in listed + keys("list", "--json")
    assert "zzz" not in listed
    assert keys("delete", access) == f"deleted {access}\n"
    assert "no access key" in keys("delete", access, code=2)
    assert "no bucket is named" in keys("create", "--role", "admin", code=2)
    assert "unknown role" in keys("create", "--role", "root", "--bucket", "*", code=2)


def test_a_server_that_cannot_start_says_why(environment: dict[str, str], tmp_path: Path) -> None:
    def serve(*words: str | Path, said: str) -> None:
        stocktake("serve", *words, environment=environment).failed_clearly(2, said)

    serve("--listen", "nowhere.invalid:1", said="nobody can listen on nowhere.invalid:1")
    serve("--listen", "8170", said="expected HOST:PORT")
    for nobody in ("a..b:1", f"{'x' * 70}.example.com:1"):
        serve("--listen", nobody, said=f"nobody can listen on {nobody}: ")
    (tmp_path / "s.toml").write_text("[server]\nlisten_on = 1\n")
    serve("--settings", tmp_path / "s.toml", said="did you mean `server.listen`?")
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "keys.json").write_text("{}")
    (tmp_path / "state" / "keys.json").chmod(0o644)
    serve("--listen", "127.0.0.1:0", said="its mode is 0644, expected 0600")


# -- what the document shows -----------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[2] / "docs" / "serve.md"
RADOSGW = {"user_id": "alice", "keys": [{"user": "alice", "access_key": "A", "secret_key": "b"}]}


def shown(language: str) -> list[str]:
    """The lines of the code blocks in the document."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.M)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_every_command_shown_in_the_document_of_the_service_runs(
    environment: dict[str, str],
    moto_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with suppress(ClientError):  # another test's, of the same store
        moto_server.client().create_bucket(Bucket="photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    pair = f"aws_access_key_id={moto_server.access_key}\naws_secret_access_key={moto_server.secret_key}\n"
    credentials = tmp_path / ".aws" / "credentials"
    credentials.write_text(f"[default]\n{pair}[garage]\n{pair}")
    environment["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials)
    (tmp_path / "user.json").write_text(json.dumps(RADOSGW))
    (tmp_path / "daily.json").write_text(json.dumps(plain("daily")))
    (tmp_path / "stocktake.toml").write_text("\n".join(shown("toml")))
    for line in shown("console"):
        words = shlex.split(line.replace("~", str(tmp_path)))
        if words[:2] == ["stocktake", "serve"]:
            with served(environment, *words[2:]) as (url, _):
                assert url.startswith("http://127.0.0.1:")
        elif words[0] == "stocktake":
            done = stocktake(*words[1:], environment=environment)
            assert (done.code, done.err) == (0, ""), (line, done)
        else:
            assert words[:2] == ["aws", "s3api"], line  # tests/api runs these
    with served(environment, "--settings", "stocktake.toml") as (_, said):
        pass
    assert "for ceph, garage" in said[0]

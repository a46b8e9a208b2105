"""Options beside a configuration, as the command line says them: the same of a server as of this machine's ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stocktake.model.access import AccessKey
from tests.acceptance.command_line import Outcome, stocktake
from tests.api.serving import ADMIN, WRITER, Api
from tests.api.test_inventory import plain
from tests.servers.server import Server

WORDS = ("--hour", "3", "--extension-fields", "ObjectTags", "--strict", "--keep-last", "30")
SAID = {"hour": 3, "extension_fields": ["ObjectTags"], "strict": True, "keep_last": 30}


def keys(api: Api, key: AccessKey = ADMIN) -> dict[str, str]:
    """The environment of somebody who asks that server."""
    return {
        "STOCKTAKE_SERVER": api.endpoint_url,
        "AWS_ACCESS_KEY_ID": key.access_key,
        "AWS_SECRET_ACCESS_KEY": key.secret_key,
    }


@pytest.fixture(params=["here", "server"])
def environment(request: pytest.FixtureRequest, api: Api) -> dict[str, str]:
    return keys(api) if request.param == "server" else {}


def test_options_are_put_with_a_configuration_and_shown_with_it(
    environment: dict[str, str], api: Api, bucket: str, tmp_path: Path
) -> None:
    where, file = f"s3://{bucket}", tmp_path / "daily.json"
    file.write_text(json.dumps(plain("daily")))

    def config(*words: str | Path) -> Outcome:
        done = stocktake("config", *words, environment=environment)
        assert (done.code, done.err) == (0, ""), done
        return done

    def beside() -> object:
        return config("get", where, "daily", "--json").document["options"]

    assert config("put", where, file).out == f"put daily of {bucket}\n"
    assert beside() == {}
    put = config("put", where, file, *WORDS, "--destination-store", "far", "--json").document
    assert put["options"] == beside() == {**SAID, "destination_store": "far"}
    assert config("put", where, file, "--json").document["options"] == put["options"]
    config("put", where, file, "--destination-store", "", "--owner-full-control")
    assert beside() == {**SAID, "owner_full_control": True}
    config("put", where, file, "--no-owner-full-control")
    assert beside() == SAID
    line = config("list", where).out.splitlines()[0]
    assert "; hour 3, extension_fields ObjectTags, strict, keep_last 30" in line
    listed = config("list", where, "--json").document["configurations"]
    assert [each["options"] for each in listed] == [SAID]
    told = json.loads(api.ask("GET", f"/api/v1/configurations/default/{bucket}/daily").body)
    assert told["options"].items() >= SAID.items()

    words = ("reports", "retention", where, "daily")
    shown = stocktake(*words, "--keep-days", "9", environment=environment)
    assert shown.out == f"daily of {where} keeps those of the last 9 days\n", shown
    others = {name: value for name, value in SAID.items() if name != "keep_last"}
    assert beside() == {**others, "keep_days": 9}
    forever = stocktake(*words, "--forever", "--json", environment=environment).document
    assert forever["retention"] == {"keep_last": None, "keep_days": None}


def test_options_that_may_not_be_or_make_no_sense_are_told(
    api: Api, moto_server: Server, tmp_path: Path
) -> None:
    moto_server.client().create_bucket(Bucket="team-options")
    file, environment = tmp_path / "daily.json", keys(api, WRITER)
    wanted = plain("daily")
    wanted["Destination"]["S3BucketDestination"]["Bucket"] = "arn:aws:s3:::team-options"
    file.write_text(json.dumps(wanted))
    put = ("config", "put", "s3://team-options", file)
    far = stocktake(*put, "--destination-store", "far", environment=environment)
    far.failed_clearly(1, "AccessDenied", "whither reports go")
    got = ("config", "get", "s3://team-options", "daily", "--json")
    nothing = stocktake(*got, environment=environment)
    nothing.failed_clearly(1, "NoSuchConfiguration")  # both, or neither
    assert stocktake(*put, environment=environment).code == 0, "the same again does no harm"
    late = stocktake(*put, "--hour", "24", environment=environment)
    late.failed_clearly(2, "the option `hour` of daily makes no sense")


def test_a_writer_chooses_no_other_bucket_of_a_store_that_an_admin_named(
    api: Api, moto_server: Server, tmp_path: Path
) -> None:
    moto_server.client().create_bucket(Bucket="team-far")
    writer, admin, file = keys(api, WRITER), keys(api), tmp_path / "daily.json"
    put = ("config", "put", "s3://team-far", file)

    def write(destination: str, **changed: object) -> None:
        wanted = plain("daily", **changed)
        wanted["Destination"]["S3BucketDestination"]["Bucket"] = f"arn:aws:s3:::{destination}"
        file.write_text(json.dumps(wanted))

    write("team-far")
    assert stocktake(*put, "--destination-store", "far", environment=admin).code == 0
    write("team-far", IsEnabled=False)
    assert stocktake(*put, environment=writer).code == 0, "whither reports go stays the same"
    write("team-another")
    for words in ((), ("--hour", "4")):
        refused = stocktake(*put, *words, environment=writer)
        refused.failed_clearly(1, "AccessDenied", "team-far on the store far")
    kept = stocktake("config", "get", "s3://team-far", "daily", "--json", environment=writer)
    destination = kept.document["configuration"]["Destination"]["S3BucketDestination"]
    assert destination["Bucket"] == "arn:aws:s3:::team-far"
    assert "hour" not in kept.document["options"]
    assert stocktake(*put, environment=admin).code == 0
    write("team-far")
    refused = stocktake(*put, environment=writer)
    refused.failed_clearly(1, "AccessDenied", "team-another on the store far")


def test_a_place_that_an_option_names_comes_before_the_variable(
    bucket: str, tmp_path: Path, moto_server: Server
) -> None:
    away = {"STOCKTAKE_SERVER": "http://127.0.0.1:1"}
    file = tmp_path / "daily.json"
    file.write_text(json.dumps(plain("daily")))
    url = moto_server.endpoint_url
    here = stocktake(
        "config", "put", f"s3://{bucket}", file, "--endpoint-url", url, environment=away
    )
    assert (here.code, here.out) == (0, f"put daily of {bucket}\n"), here
    asked = stocktake("config", "list", f"s3://{bucket}", environment=away)
    asked.failed_clearly(1, "cannot reach http://127.0.0.1:1")
    wrong = {"STOCKTAKE_SERVER": "stocktake:8170"}
    stocktake("runs", "scheduled", environment=wrong).failed_clearly(2, "is no server")
    secret = {"STOCKTAKE_TOKEN": "stk_hush", "STOCKTAKE_SERVER": "http://me:hush@h"}
    shown = stocktake("settings", environment=secret)
    assert "client.token" in shown.out
    assert "http://***@h" in shown.out
    assert "hush" not in shown.out

"""Who may do what: every route of our own API, for every kind of key. The table is the one of docs/api.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stocktake.model.access import AccessKey, Grant, Role
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.service.access_keys import add_keys
from stocktake.service.access_tokens import create_token, list_tokens, tokens_file
from stocktake.state.ledger import Ledger
from tests.api.serving import ADMIN, READER, Answer, Api
from tests.api.test_inventory import plain
from tests.api.test_v1 import ROOT, document, refused
from tests.servers.server import Server

# Of all keys, which role may; `server`: an admin of all buckets.
RANKS = ("reader", "writer", "admin", "server")
MAY: dict[tuple[str, str], str] = {
    ("GET", "/stores"): "reader",
    ("GET", "/stores/{store}/buckets"): "reader",
    ("GET", "/configurations/{store}/{bucket}"): "reader",
    ("GET", "/configurations/{store}/{bucket}/{id}"): "reader",
    ("PUT", "/configurations/{store}/{bucket}/{id}"): "writer",
    ("DELETE", "/configurations/{store}/{bucket}/{id}"): "writer",
    ("POST", "/configurations/{store}/{bucket}/{id}/check"): "writer",
    ("GET", "/configurations/{store}/{bucket}/{id}/options"): "reader",
    ("PUT", "/configurations/{store}/{bucket}/{id}/options"): "writer",
    ("PATCH", "/configurations/{store}/{bucket}/{id}/options"): "writer",
    ("GET", "/configurations/{store}/{bucket}/{id}/reports"): "reader",
    ("POST", "/configurations/{store}/{bucket}/{id}/runs"): "writer",
    ("GET", "/runs"): "reader",
    ("GET", "/runs/{run}"): "reader",
    ("GET", "/runs/{run}/events"): "reader",
    ("POST", "/runs/{run}/cancel"): "writer",
    ("POST", "/runs/{run}/retry"): "writer",
    ("GET", "/upcoming"): "reader",
    ("GET", "/workers"): "server",
    ("GET", "/settings"): "server",
    ("GET", "/tokens"): "server",
    ("DELETE", "/tokens/{token}"): "server",
}
KEYS = {
    "reader": AccessKey("R1", Grant(Role.READER, ("team-*",)), "", "r1"),
    "writer": AccessKey("W1", Grant(Role.WRITER, ("team-*",)), "", "w1"),
    "admin": AccessKey("A1", Grant(Role.ADMIN, ("team-*",)), "", "a1"),
    "server": AccessKey("S1", Grant(Role.ADMIN, ("*",)), "", "s1"),
}
OUTSIDER = AccessKey("O1", Grant(Role.ADMIN, ("others-*",)), "", "o1")
OPTIONS = b'{"hour": 3, "keep_last": 7}'


@pytest.fixture
def ledger(api: Api) -> Iterator[Ledger]:
    add_keys(api.keys_file, [*KEYS.values(), OUTSIDER])
    with Ledger.open(api.state_folder, now=house.now) as opened:
        yield opened


def plain_to(bucket: str) -> bytes:
    """A configuration whose destination is the bucket itself, which every key here covers."""
    configuration = plain("daily")
    configuration["Destination"]["S3BucketDestination"]["Bucket"] = f"arn:aws:s3:::{bucket}"
    return json.dumps(configuration).encode()


def test_every_route_has_its_row_here_and_in_the_document(api: Api) -> None:
    told = document(api.ask("GET", f"{ROOT}/openapi.json", key=None))
    routes = {(method.upper(), path) for path, item in told["paths"].items() for method in item}
    assert routes == set(MAY)
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z]+) (/[^`]*)` \| (\w+)", text, re.MULTILINE)
    assert {(method, path): who for method, path, who in rows} == MAY


def _target(api: Api, ledger: Ledger, bucket: str, path: str, key: AccessKey) -> str:
    """Where to ask, with a run and a token that are there, if they are asked for."""
    run = token = ""
    if path.endswith("runs") or "{run}" in path:  # one at a time
        for each in ledger.schedule.list():
            if each.finished is None:
                ledger.schedule.cancel(each.id)
    if "{run}" in path:
        run = ledger.schedule.run_now(ConfigurationKey("default", bucket, "daily"))
    if path.endswith("events"):  # of a run that is over, whose last event is soon told
        ledger.schedule.cancel(run)
    if "{token}" in path:
        file = tokens_file(api.keys_file)
        token = create_token(file, key.grant, "", days=1, now=house.now())[0].id
    return ROOT + path.format(store="default", bucket=bucket, id="daily", run=run, token=token)


@pytest.mark.parametrize("route", sorted(MAY), ids=" ".join)
def test_each_role_may_what_the_table_says_and_no_more(
    api: Api, bucket: str, ledger: Ledger, route: tuple[str, str]
) -> None:
    method, path = route
    statuses: dict[str, int] = {}
    for rank, key in [*KEYS.items(), ("outsider", OUTSIDER)]:
        place = f"{ROOT}/configurations/default/{bucket}/daily"
        if method == "DELETE" or rank == RANKS[0]:
            document(api.ask("PUT", place, plain_to(bucket)))
        target = _target(api, ledger, bucket, path, key)
        body = b""
        if method in ("PUT", "PATCH"):
            body = OPTIONS if path.endswith("options") else plain_to(bucket)
        statuses[rank] = api.ask(method, target, body, key=key).status
    least = RANKS.index(MAY[route])
    for number, rank in enumerate(RANKS):
        if number < least:
            assert statuses[rank] == 403, (rank, statuses)
        else:
            assert statuses[rank] in (200, 201, 202, 204, 409), (rank, statuses)
    named = any(part in path for part in ("{bucket}", "{run}")) or MAY[route] == "server"
    assert statuses["outsider"] == ((404 if "{run}" in path else 403) if named else 200)
    assert api.ask(method, target, body, key=None).status == 403


def test_options_are_put_whole_and_targets_by_admins_alone(
    api: Api, bucket: str, ledger: Ledger
) -> None:
    configuration = f"{ROOT}/configurations/default/{bucket}/daily"
    document(api.ask("PUT", configuration, plain_to(bucket)))
    place, writer = f"{configuration}/options", KEYS["writer"]
    before = document(api.ask("GET", place, key=KEYS["reader"]))
    assert (before["hour"], before["strict"], before["owner_full_control"]) == (1, False, False)
    after = document(api.ask("PUT", place, OPTIONS, key=writer))
    assert after == before | {"hour": 3, "keep_last": 7}
    assert document(api.ask("GET", place)) == after
    target = b'{"owner_full_control": true}'
    refused(api.ask("PUT", place, target, key=writer), 403, "AccessDenied", "owner_full_control")
    assert document(api.ask("PUT", place, target, key=KEYS["admin"]))["hour"] == 1
    both = b'{"owner_full_control": true, "hour": 5}'  # it stays as the admin has it
    assert document(api.ask("PUT", place, both, key=writer))["hour"] == 5
    for wrong in (b'{"hour": 24}', b'{"huor": 1}', b"[]", b"", b"[" * 9000, b'{"hour": NaN}'):
        refused(api.ask("PUT", place, wrong), 400, "InvalidArgument")
    missing = f"{configuration}x/options"
    refused(api.ask("PUT", missing, OPTIONS), 404, "NoSuchConfiguration")
    refused(api.ask("GET", missing), 404, "NoSuchConfiguration")
    api.ask("DELETE", configuration)
    assert ledger.configurations.options(ConfigurationKey("default", bucket, "daily")) == {}


def test_what_belongs_to_the_server_is_told_to_its_admins(
    api: Api, bucket: str, ledger: Ledger
) -> None:
    [told] = document(api.ask("GET", f"{ROOT}/stores", key=KEYS["server"]))["stores"]
    assert told["endpoint_url"].startswith("http://127.0.0.1:")
    assert told["limits"] == {}
    [told] = document(api.ask("GET", f"{ROOT}/stores", key=KEYS["admin"]))["stores"]
    assert sorted(told) == ["domains", "name"]
    settings = document(api.ask("GET", f"{ROOT}/settings"))["settings"]
    assert {each["key"]: each["value"] for each in settings}["server.workers"] == 1
    assert all(each["meaning"] and each["origin"] for each in settings)


def test_buckets_are_counted_in_pages(api: Api, bucket: str, ledger: Ledger) -> None:
    document(api.ask("PUT", f"{ROOT}/configurations/default/{bucket}/daily", plain_to(bucket)))
    found, token = [], ""
    for _ in range(100):
        page = document(api.ask("GET", f"{ROOT}/stores/default/buckets?limit=2{token}", key=READER))
        found += page["buckets"]
        if page["next_token"] is None:
            break
        token = f"&token={page['next_token']}"
    assert {"name": bucket, "configurations": 1} in found
    names = [each["name"] for each in found]
    assert names == sorted(set(names))
    covered = document(api.ask("GET", f"{ROOT}/stores/default/buckets", key=OUTSIDER))
    assert covered == {"buckets": [], "next_token": None}
    refused(api.ask("GET", f"{ROOT}/stores/none/buckets"), 400, "InvalidArgument", "`none`")


def test_buckets_without_a_configuration_are_listed_to_who_asks_for_every_one(
    api: Api, bucket: str, buckets: Callable[..., str], moto_server: Server
) -> None:
    names = sorted([bucket, *(buckets("team") for _ in range(3))])
    for name in names:
        if name != bucket:
            moto_server.client().create_bucket(Bucket=name)
    add_keys(api.keys_file, [KEYS["reader"], OUTSIDER])
    document(api.ask("PUT", f"{ROOT}/configurations/default/{bucket}/daily", plain_to(bucket)))
    place, found, token = f"{ROOT}/stores/default/buckets?every=true&limit=2", {}, ""
    while True:
        page = document(api.ask("GET", f"{place}{token}", key=KEYS["reader"]))
        assert len(page["buckets"]) <= 2
        found |= {each["name"]: each["configurations"] for each in page["buckets"]}
        if page["next_token"] is None:
            break
        token = f"&token={page['next_token']}"
    assert list(found) == sorted(found)
    assert {name: found[name] for name in names} == {name: int(name == bucket) for name in names}
    others = document(api.ask("GET", place, key=OUTSIDER))
    assert others["buckets"] == []


def test_tokens_ask_as_keys_do_until_they_are_revoked_or_over(
    api: Api, bucket: str, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    path, grant = tokens_file(api.keys_file), KEYS["writer"].grant
    made, token = create_token(path, grant, "ci", days=1, now=house.now())
    _, old = create_token(path, grant, "", days=1, now=house.now().replace(year=2025))
    create_token(path, grant, "", days=1, now=house.now().replace(year=2025))
    bearer = {"Authorization": f"Bearer {token}"}
    place = f"{ROOT}/configurations/default/{bucket}/daily"

    def ask(method: str, target: str, said: dict[str, str], body: bytes = b"") -> Answer:
        return api.ask(method, target, body, key=None, headers=said)

    assert document(ask("PUT", place, bearer, plain_to(bucket)))["id"] == "daily"
    assert document(ask("GET", place, {"Authorization": f"bearer  {token}"}))["id"] == "daily"
    refused(ask("GET", f"{ROOT}/tokens", bearer), 403, "AccessDenied", "admin")
    other = f"{ROOT}/configurations/default/others-1"
    refused(ask("GET", other, bearer), 403, "AccessDenied", "others-1")
    listed = document(api.ask("GET", f"{ROOT}/tokens"))["tokens"]
    assert [each["name"] for each in listed if each["id"] == made.id] == ["ci"]
    assert token not in path.read_text()
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    unknown = f"stk_{'a' * 10}_{'a' * 43}"
    for said in (wrong, old, unknown, "", "x", token + "x", token.upper(), "\xff" * 50):
        answer = ask("GET", place, {"Authorization": f"Bearer {said}"})
        refused(answer, 401, "InvalidToken", "unknown, revoked or over")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    # AWS's own API knows signatures alone.
    assert ask("GET", f"/{bucket}?inventory", bearer).error[1] == "InvalidRequest"
    assert api.ask("DELETE", f"{ROOT}/tokens/{made.id}").status == 204
    refused(ask("GET", place, bearer), 401, "InvalidToken")
    refused(api.ask("DELETE", f"{ROOT}/tokens/{made.id}"), 404, "NoSuchToken")
    assert made.id not in {each.id for each in list_tokens(path)}
    assert f"token:{made.id}" in caplog.text
    for secret in (token, token[-43:], made.sha256, ADMIN.secret_key):
        assert secret not in caplog.text


def test_the_document_is_the_one_path_that_is_open(api: Api, bucket: str) -> None:
    for path in ("/configurations/default/b/openapi.json", "/x/openapi.json", "//openapi.json"):
        assert api.ask("GET", f"{ROOT}{path}", key=None).status in (403, 404)

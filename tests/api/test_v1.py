"""Our own API: the same configurations, the same senders, and refusals as RFC 9457 has them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stocktake.api import bodies
from tests.api.serving import READER, WRITER, Answer, Api
from tests.api.test_inventory import WHOLE, plain, put
from tests.state.ledgers import fill_ledger

ROOT = "/api/v1"
ROOT_FOLDER = Path(__file__).parents[2]


@pytest.fixture
def place(bucket: str) -> str:
    return f"{ROOT}/configurations/default/{bucket}"


def document(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


def refused(answer: Answer, status: int, title: str, *said: str) -> None:
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"], problem["title"]) == (status, status, title), answer
    assert answer.headers["content-type"] == "application/problem+json"
    for text in said:
        assert text in problem["detail"] + problem.get("hint", "")


def test_what_is_put_here_is_there_for_aws_and_the_other_way_round(
    api: Api, bucket: str, place: str
) -> None:
    made = document(api.ask("PUT", f"{place}/report1", json.dumps(WHOLE).encode()))
    assert made["configuration"] == WHOLE
    got = api.client().get_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    assert got["InventoryConfiguration"] == WHOLE
    put(api, bucket, plain("report1", IsEnabled=False))
    found = document(api.ask("GET", f"{place}/report1"))
    assert found["configuration"] == plain("report1", IsEnabled=False)
    assert found["version"] > made["version"]
    assert found["created"] == made["created"]
    assert document(api.ask("GET", place)) == {"configurations": [found]}
    assert api.ask("DELETE", f"{place}/report1").status == 204
    refused(api.ask("GET", f"{place}/report1"), 404, "NoSuchConfiguration", bucket)
    refused(api.ask("DELETE", f"{place}/report1"), 404, "NoSuchConfiguration", bucket)


def test_pages_follow_each_other(api: Api, bucket: str, place: str) -> None:
    fill_ledger(api.state_folder, "default", bucket, [f"{number:03}" for number in range(150)])
    first = document(api.ask("GET", place))
    second = document(api.ask("GET", f"{place}?token={first['next_token']}"))
    names = [each["id"] for each in first["configurations"] + second["configurations"]]
    assert names == [f"{number:03}" for number in range(150)]
    assert "next_token" not in second
    refused(api.ask("GET", f"{place}?token=x"), 400, "InvalidArgument", "continuation token")


def test_who_asks_must_be_known_and_allowed(api: Api, place: str) -> None:
    body = json.dumps(plain("report1")).encode()
    refused(api.ask("GET", place, key=None), 403, "AccessDenied")
    refused(api.ask("PUT", f"{place}/report1", body, key=READER), 403, "AccessDenied", "reader")
    refused(api.ask("PUT", f"{place}/report1", body, key=WRITER), 403, "AccessDenied", "dest")
    other = f"{ROOT}/configurations/default/other-bucket"
    refused(api.ask("GET", other, key=WRITER), 403, "AccessDenied", "other-bucket")
    changed = api.ask("PUT", f"{place}/report1", body, sent=body.replace(b"Daily", b"daily"))
    refused(changed, 400, "XAmzContentSHA256Mismatch")
    large = api.ask("PUT", f"{place}/report1", b" " * (bodies.BODY_BYTES_MAX + 1))
    refused(large, 400, "MaxMessageLengthExceeded")
    assert document(api.ask("GET", place, key=READER)) == {"configurations": []}


def test_what_makes_no_sense_is_told(api: Api, place: str) -> None:
    refused(api.ask("PUT", f"{place}/report1", b"{}"), 400, "MalformedXML", "Id")
    refused(api.ask("PUT", f"{place}/report1", b"no JSON"), 400, "MalformedXML", "JSON")
    body = json.dumps(plain("report2")).encode()
    refused(api.ask("PUT", f"{place}/report1", body), 400, "IdMismatch", "`report2`")
    missing = f"{ROOT}/configurations/default/no-such-bucket"
    refused(api.ask("GET", missing), 404, "NoSuchBucket", "no-such-bucket")
    refused(api.ask("GET", f"{ROOT}/configurations/none/b"), 400, "InvalidArgument", "`none`")
    refused(api.ask("GET", f"{ROOT}/configurations/default/a%20b"), 400, "InvalidBucketName")
    refused(api.ask("GET", f"{ROOT}/nothing"), 404, "NoSuchResource")
    refused(api.ask("POST", place), 405, "NoSuchResource")


def test_the_stores_are_told(api: Api) -> None:
    told = document(api.ask("GET", f"{ROOT}/stores", key=READER))
    assert told == {"stores": [{"name": "default", "domains": ["s3.example.com"]}]}


def test_the_api_describes_itself_to_everybody(api: Api) -> None:
    told = document(api.ask("GET", f"{ROOT}/openapi.json", key=None))
    assert told["openapi"].startswith("3.")
    one = told["paths"]["/configurations/{store}/{bucket}/{id}"]
    assert sorted(one) == ["delete", "get", "put"]
    assert {server["url"] for server in told["servers"]} == {ROOT}
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(told)):
        assert reference in told["components"]["schemas"]
    for path in told["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"]
            assert "403" in operation["responses"]


def test_to_have_a_configuration_tried_anew_takes_who_may_write(
    api: Api, bucket: str, place: str
) -> None:
    put(api, bucket, plain("report1"))
    assert api.ask("POST", f"{place}/report1/check").status == 202
    refused(api.ask("POST", f"{place}/report1/check", key=READER), 403, "AccessDenied")
    refused(api.ask("POST", f"{place}/none/check"), 404, "NoSuchConfiguration")
    assert "check" not in document(api.ask("GET", f"{place}/report1"))


def test_a_configuration_and_its_options_are_put_both_or_neither(
    api: Api, bucket: str, place: str
) -> None:
    def asked(*, enabled: bool, **options: object) -> bytes:
        configuration = plain("daily", IsEnabled=enabled)
        configuration["Destination"]["S3BucketDestination"]["Bucket"] = f"arn:aws:s3:::{bucket}"
        return json.dumps({"options": options, "configuration": configuration}).encode()

    one = f"{place}/daily"
    made = document(api.ask("PUT", one, asked(enabled=True, hour=3, keep_last=9)))
    assert (made["options"]["hour"], made["options"]["keep_last"]) == (3, 9)
    for options, title in (({"hour": 24}, "InvalidArgument"), ({"weather": 1}, "InvalidArgument")):
        refused(api.ask("PUT", one, asked(enabled=False, **options)), 400, title)
    far = api.ask("PUT", one, asked(enabled=False, destination_store="far"), key=WRITER)
    refused(far, 403, "AccessDenied", "whither reports go")
    kept = document(api.ask("GET", one))
    assert (kept["version"], kept["options"]) == (made["version"], made["options"])
    changed = document(api.ask("PUT", one, asked(enabled=False, hour=None, strict=True)))
    assert changed["configuration"]["IsEnabled"] is False
    said = changed["options"]
    assert (said["hour"], said["strict"], said["keep_last"]) == (1, True, 9)


def test_options_are_changed_one_by_one(api: Api, place: str) -> None:
    document(api.ask("PUT", f"{place}/daily", json.dumps(plain("daily")).encode()))
    options = f"{place}/daily/options"
    document(api.ask("PATCH", options, b'{"hour": 3, "keep_last": 9}'))
    said = document(api.ask("PATCH", options, b'{"keep_last": null, "keep_days": 2}'))
    assert said == document(api.ask("GET", options))
    assert (said["hour"], said["keep_last"], said["keep_days"]) == (3, None, 2)
    for body in (b"[]", b"{", b'{"hour": "3"}', b'{"weather": null}'):
        refused(api.ask("PATCH", options, body), 400, "InvalidArgument")

"""Every refusal that AWS documents or was recorded with: status, code and message, and which of two comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.api.failures import ANSWERS
from stocktake.model.store import Store
from stocktake.service.server_settings import Site
from tests.api.serving import Api, destination, document, running_api
from tests.servers.server import REGION

MALFORMED = (
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
)
MISMATCH = (400, "IdMismatch", "Document ID does not match the specified configuration ID.")
NO_ARN = (400, "InvalidS3DestinationBucket", "Invalid bucket ARN.")
NO_CONFIGURATION = (404, "NoSuchConfiguration", "The specified configuration does not exist.")
NO_BUCKET = (404, "NoSuchBucket", "The specified bucket does not exist")
ARGUMENT = (400, "InvalidArgument", "Invalid Argument")
DENIED = (403, "AccessDenied", "Access Denied")
METHOD = (
    405,
    "MethodNotAllowed",
    "The specified method is not allowed against this resource.",
)


def put(api: Api, bucket: str, body: bytes, name: str = "report1") -> tuple[int, str, str]:
    return api.ask("PUT", f"/{bucket}?inventory&id={name}", body).error


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_id_is_no_such_configuration(api: Api, bucket: str, method: str) -> None:
    assert api.ask(method, f"/{bucket}?inventory&id=unknown").error == NO_CONFIGURATION
    assert api.ask(method, f"/{bucket}?inventory&id=").error == NO_CONFIGURATION


def test_a_second_deletion_is_refused(api: Api, bucket: str) -> None:
    assert api.ask("PUT", f"/{bucket}?inventory&id=report1", document()).status == 204
    assert api.ask("DELETE", f"/{bucket}?inventory&id=report1").status == 204
    assert api.ask("DELETE", f"/{bucket}?inventory&id=report1").error == NO_CONFIGURATION


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("GET", "inventory&id=report1", b""),
        ("GET", "inventory", b""),
        ("DELETE", "inventory&id=report1", b""),
        ("PUT", "inventory&id=report1", document()),
        ("PUT", "inventory&id=report1", b"<malformed"),
    ],
)
def test_a_bucket_that_the_store_has_not_is_no_such_bucket(
    api: Api, method: str, query: str, body: bytes
) -> None:
    assert api.ask(method, f"/no-such-bucket?{query}", body).error == NO_BUCKET


REQUIRED = ("Id", "IsEnabled", "Destination", "Schedule", "IncludedObjectVersions")
BAD_DOCUMENTS = {
    "nothing": b"",
    "no XML": b"{}",
    "not well-formed": document()[:-3],
    "another document": b"<Inventory/>",
    "bad format": document(Destination=destination(form="csv")),
    "bad frequency": document(Schedule="<Schedule><Frequency>Hourly</Frequency></Schedule>"),
    "bad versions": document(
        IncludedObjectVersions="<IncludedObjectVersions>Some</IncludedObjectVersions>"
    ),
    "bad flag": document(IsEnabled="<IsEnabled>yes</IsEnabled>"),
    "bad field": document(OptionalFields="<OptionalFields><Field>Tags</Field></OptionalFields>"),
    "field twice": document(
        OptionalFields="<OptionalFields><Field>Size</Field><Field>Size</Field></OptionalFields>"
    ),
    "bad account": document(
        Destination=destination(more="<AccountId>1234</AccountId>")
    ),
    "unknown element": document(More="<More/>"),
    "element twice": document(Twice="<Id>report1</Id>"),
    "filter without prefix": document(Filter="<Filter/>"),
    "filter by tag": document(Filter="<Filter><Tag><Key>a</Key></Tag></Filter>"),
    "two encryptions": document(
        Destination=destination(
            more="<Encryption><SSE-S3/><SSE-KMS><KeyId>k</KeyId></SSE-KMS></Encryption>"
        )
    ),
    "no key": document(Destination=destination(more="<Encryption><SSE-KMS/></Encryption>")),
    **{f"without {name}": document(**{name: ""}) for name in REQUIRED},
    "document type": b"<!DOCTYPE x>" + document(),
    "entity": b'<!DOCTYPE x [<!ENTITY a "b">]>' + document("&a;"),
    "undeclared entity": document("&nbsp;"),
    "outside entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + document("&a;"),
    "bomb": b'<!DOCTYPE x [<!ENTITY a "'
    + b"x" * 1000
    + b'">'
    + b"".join(
        f'<!ENTITY a{n} "{f"&a{n - 1 if n else str()};" * 10}">'.encode() for n in range(9)
    )
    + b"]>"
    + document("&a8;"),
    "deep": b"<a>" * 300 + b"</a>" * 300,
    "deep destination": document(Destination="<Destination>" * 200 + "</Destination>" * 200),
    "another encoding": b'<?xml version="1.0" encoding="x-unknown"?>' + document(),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_DOCUMENTS)
def test_what_the_schema_does_not_have_is_malformed(api: Api, bucket: str, what: str) -> None:
    assert put(api, bucket, BAD_DOCUMENTS[what]) == MALFORMED
    assert api.ask("GET", f"/{bucket}?inventory&id=report1").error == NO_CONFIGURATION


def test_a_document_for_another_id_is_a_mismatch(api: Api, bucket: str) -> None:
    assert put(api, bucket, document("report2")) == MISMATCH
    assert put(api, bucket, document(), name="") == MISMATCH


@pytest.mark.parametrize(
    "arn", ["dest", "arn:aws:s3:::", "arn:aws:s3:::a/b", "arn:aws:sns:::dest", "arn:aws:s3:::..", "s3://dest", ""]
)  # fmt: skip
def test_a_destination_that_is_no_arn_is_told(api: Api, bucket: str, arn: str) -> None:
    assert put(api, bucket, document(Destination=destination(arn))) == NO_ARN


def test_the_schema_comes_first_then_the_id_then_the_destination(api: Api, bucket: str) -> None:
    bad = destination("dest", form="XML")
    assert put(api, bucket, document("report2", Destination=bad)) == MALFORMED
    wrong = document("report2", Destination=destination("dest"))
    assert put(api, bucket, wrong) == MISMATCH
    assert put(api, bucket, document(Destination=destination("dest"))) == NO_ARN


LONG = "x" * 1025


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("a/b", {}),
        ("a" * 65, {}),
        ("..", {}),
        ("report 1", {}),
        ("report1", {"Filter": f"<Filter><Prefix>{LONG}</Prefix></Filter>"}),
        ("report1", {"Destination": destination(more=f"<Prefix>{LONG}</Prefix>")}),
        (
            "report1",
            {
                "Destination": destination(
                    more=f"<Encryption><SSE-KMS><KeyId>{LONG * 2}</KeyId></SSE-KMS></Encryption>"
                )
            },
        ),
    ],
)
def test_what_no_configuration_can_have_is_an_invalid_argument(
    api: Api, bucket: str, name: str, more: dict[str, str]
) -> None:
    encoded = name.replace("/", "%2F").replace(" ", "%20")
    assert put(api, bucket, document(name, **more), name=encoded) == ARGUMENT


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_id_is_needed(api: Api, bucket: str, method: str) -> None:
    assert api.ask(method, f"/{bucket}?inventory").error == ARGUMENT


@pytest.mark.parametrize(
    "query",
    ["inventory&inventory", "inventory&id=a&id=b", "inventory&policy", "acl&inventory"],
)
def test_one_request_asks_one_thing(api: Api, bucket: str, query: str) -> None:
    assert api.ask("GET", f"/{bucket}?{query}").error == ARGUMENT


@pytest.mark.parametrize("token", ["", "x", "MQ==", "MWE=b", "%00", "Mi4u", "MS4uLy4u", "é"])
def test_a_token_that_no_list_gave_is_refused(api: Api, bucket: str, token: str) -> None:
    answer = api.ask(
        "GET", f"/{bucket}?inventory&continuation-token={token.replace('é', '%C3%A9')}"
    )
    assert answer.error == (400, "InvalidArgument", "The continuation token provided is incorrect")


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/{}?inventory&id=a"), ("PATCH", "/{}?inventory"), ("GET", "/{}/key?inventory")],
)
def test_other_methods_and_objects_are_refused(
    api: Api, bucket: str, method: str, target: str
) -> None:
    assert api.ask(method, target.format(bucket)).error == METHOD


def test_a_head_has_no_body(api: Api, bucket: str) -> None:
    answer = api.ask("HEAD", f"/{bucket}?inventory&id=a")
    assert (answer.status, answer.body) == (405, b"")


@pytest.mark.parametrize("name", ["", "%2e%2e", "..", "a%00b", "a%20b", "arn:aws:s3:::b", "%ff"])
def test_a_name_that_no_bucket_has_is_told(api: Api, name: str) -> None:
    expected = (400, "InvalidBucketName", "The specified bucket is not valid.")
    assert api.ask("GET", f"/{name}?inventory").error == expected


def test_the_owner_that_is_expected_must_be_the_one(api: Api, bucket: str) -> None:
    target = f"/{bucket}?inventory"
    owner = {"x-amz-expected-bucket-owner": "111122223333"}
    assert api.ask("GET", target, headers=owner).status == 200
    other = {"x-amz-expected-bucket-owner": "999999999999"}
    assert api.ask("GET", target, headers=other).error == DENIED


def test_a_store_that_cannot_be_reached_is_no_missing_bucket(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        store = Store(endpoint_url="http://127.0.0.1:1", region=REGION)
        with running_api(tmp_path, (Site("default", store),)) as api:
            answer = api.ask("GET", "/bucket?inventory")
    assert answer.error == (503, "ServiceUnavailable", "Service is unable to handle request.")


def test_several_stores_are_told_by_their_names(tmp_path: Path) -> None:
    stores = [
        Site(name, Store(endpoint_url="http://127.0.0.1:1"), (f"{name}.example.com",))
        for name in ("a", "b")
    ]
    with running_api(tmp_path, tuple(stores)) as api:
        answer = api.ask("GET", "/bucket?inventory", headers={"Host": "c.example.com"})
        assert answer.error == ARGUMENT


def test_codes_and_messages_are_of_the_form_of_awss() -> None:
    for code, status, message in ANSWERS.values():
        assert code.isalnum()
        assert 400 <= status < 600
        assert message


def test_a_store_whose_set_up_is_gone_is_unavailable_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site("default", Store("http://127.0.0.1:1", profile="gone", region=REGION))
    with running_api(tmp_path, (site,)) as api:
        unavailable = (503, "ServiceUnavailable", "Service is unable to handle request.")
        assert put(api, "bucket", document()) == unavailable
    [told] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "there is no profile `gone`" in told.getMessage()
    assert not told.exc_info or told.exc_info[0] is None

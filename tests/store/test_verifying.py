"""Signatures of others: AWS's own examples hold, what our and botocore's signers make holds, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.access import ReceivedRequest
from stocktake.model.errors import UnauthenticatedError
from stocktake.store.signing import Credentials, Signer, encode_path, encode_query
from stocktake.store.verifying import is_signed_with, read_signature

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and sigv4-query-string-auth.html
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST = "examplebucket.s3.amazonaws.com"
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"


def example(
    method: str,
    path: str,
    query: tuple[tuple[str, str], ...],
    signature: str,
    more: Mapping[str, str] | None = None,
    *,
    payload: str = NOTHING,
) -> ReceivedRequest:
    headers = {
        "host": HOST,
        "x-amz-content-sha256": payload,
        "x-amz-date": "20130524T000000Z",
        **(more or {}),
    }
    names = ";".join(sorted(headers))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders={names}, Signature={signature}"
    )
    return ReceivedRequest(method, path.encode(), query, headers)


GET_OBJECT = example(
    "GET", "/test.txt", (),
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", {"range": "bytes=0-9"},
)  # fmt: skip
PUT_OBJECT = example(
    "PUT", "/test%24file.text", (),
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
    payload="44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
)  # fmt: skip
LIFECYCLE = example(
    "GET", "/", (("lifecycle", ""),),
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
)  # fmt: skip
LIST = example(
    "GET", "/", (("prefix", "J"), ("max-keys", "2")),
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
)  # fmt: skip
PRESIGNED = ReceivedRequest(
    "GET",
    b"/test.txt",
    (
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", SCOPE),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
    ),
    {"host": HOST, "user-agent": "not signed"},
)
EXAMPLES = [GET_OBJECT, PUT_OBJECT, LIFECYCLE, LIST, PRESIGNED]


@pytest.mark.parametrize("request_", EXAMPLES, ids=range(len(EXAMPLES)))
def test_awss_own_examples_hold_and_no_other_secret_does(request_: ReceivedRequest) -> None:
    said = read_signature(request_)
    assert said.access_key == "AKIAIOSFODNN7EXAMPLE"
    assert said.moment == datetime(2013, 5, 24, tzinfo=UTC)
    assert is_signed_with(request_, said, SECRET)
    assert not is_signed_with(request_, said, SECRET + "x")
    assert not is_signed_with(replace(request_, method="DELETE"), said, SECRET)
    assert not is_signed_with(replace(request_, path=request_.path + b"x"), said, SECRET)
    assert not is_signed_with(replace(request_, query=(*request_.query, ("a", ""))), said, SECRET)
    assert said.value not in repr(said)


def test_a_presigned_url_says_how_long_it_holds() -> None:
    said = read_signature(PRESIGNED)
    assert said.expires == timedelta(days=1)
    assert said.payload == "UNSIGNED-PAYLOAD"
    assert read_signature(LIST).expires is None


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(
        st.tuples(TEXTS.filter(lambda name: not name.startswith("X-Amz-")), TEXTS), max_size=4
    ),
    TEXTS,
    TEXTS,
)
def test_what_our_own_signer_signs_holds(
    query: list[tuple[str, str]], key: str, secret: str
) -> None:
    """An implementation that shares nothing with botocore."""
    signer = Signer(
        "GET", "store:8000", (), credentials=Credentials("AK", secret or "s"), region="r", second=1_790_000_000
    )  # fmt: skip
    path = f"/bucket/{encode_path(key)}"
    canonical, _ = encode_query(query)
    signature = signer.signature(path, canonical)
    headers = {"host": "store:8000"}
    for line in signer.lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    headers["authorization"] = f"{signer.authorization.partition(':')[2].strip()}{signature}"
    received = ReceivedRequest("GET", path.encode(), tuple(query), headers)
    said = read_signature(received)
    assert is_signed_with(received, said, secret or "s")
    assert not is_signed_with(received, said, secret + "x")


def without(request: ReceivedRequest, name: str) -> ReceivedRequest:
    return replace(request, headers={n: v for n, v in request.headers.items() if n != name})


def presigned(**changed: str | None) -> ReceivedRequest:
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    query = [(name, named.get(name, value)) for name, value in PRESIGNED.query]
    return replace(PRESIGNED, query=tuple((n, v) for n, v in query if v is not None))


REFUSED = {
    "nothing": (without(LIST, "authorization"), "AccessDenied"),
    "no hash": (without(LIST, "x-amz-content-sha256"), "MissingSecurityHeader"),
    "no date": (without(LIST, "x-amz-date"), "MissingDate"),
    "a date that is none": (
        replace(LIST, headers={**LIST.headers, "x-amz-date": "20130231T000000Z"}), "MissingDate",
    ),
    "another day": (
        replace(LIST, headers={**LIST.headers, "x-amz-date": "20130525T000000Z"}), "AuthorizationHeaderMalformed",
    ),
    "a stream": (
        replace(LIST, headers={**LIST.headers, "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}),
        "InvalidPayloadHash",
    ),
    "a header that is not there": (without(GET_OBJECT, "range"), "SignatureDoesNotMatch"),
    "host not signed": (
        replace(LIST, headers={**LIST.headers, "authorization": LIST.headers["authorization"].replace("host;", "")}),
        "HeadersNotSigned",
    ),
    "no signature": (presigned(X_Amz_Signature=None), "AuthorizationQueryParametersError"),
    "no algorithm": (presigned(X_Amz_Algorithm=None), "AuthorizationQueryParametersError"),
    "no period": (presigned(X_Amz_Expires=None), "AuthorizationQueryParametersError"),
    "odd period": (presigned(X_Amz_Expires="-1"), "AuthorizationQueryParametersError"),
    "odd digits": (presigned(X_Amz_Expires="٣"), "AuthorizationQueryParametersError"),
    "endless": (presigned(X_Amz_Expires="604801"), "AuthorizationQueryParametersError"),
    "no host": (presigned(X_Amz_SignedHeaders="user-agent"), "HeadersNotSigned"),
    "no credential": (presigned(X_Amz_Credential=""), "AuthorizationQueryParametersError"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_signed_as_it_must_be_is_refused(what: str) -> None:
    request, code = REFUSED[what]
    with pytest.raises(UnauthenticatedError) as caught:
        read_signature(request)
    assert caught.value.code == code

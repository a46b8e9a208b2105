"""SigV4 against AWS's published examples and against botocore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from unittest.mock import patch

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from stocktake.store.signing import Credentials, Signer, encode_path, encode_query

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_HOST = "examplebucket.s3.amazonaws.com"
EXAMPLE_NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
# What botocore itself signs without harm: printable, no line ends.
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)


def sign(
    method: str,
    host: str,
    raw_path: str,
    query: str,
    *,
    headers: Sequence[tuple[str, str]],
    credentials: Credentials | None,
    region: str,
    now: float,
) -> list[str]:
    """The header lines of a request, the one with the signature first."""
    signer = Signer(method, host, headers, credentials=credentials, region=region, second=int(now))
    signed = f"{signer.authorization}{signer.signature(raw_path, query)}"
    return [signed, *signer.lines] if signed else [*signer.lines]


def _signature(lines: list[str]) -> str:
    [authorization] = [line for line in lines if line.startswith("Authorization: ")]
    return authorization.rpartition("Signature=")[2]


def _sign_example(path: str, query: str, headers: tuple[tuple[str, str], ...] = ()) -> list[str]:
    return sign(
        "GET",
        EXAMPLE_HOST,
        path,
        query,
        headers=headers,
        credentials=EXAMPLE,
        region="us-east-1",
        now=EXAMPLE_NOW,
    )


def test_aws_example_get_object() -> None:
    lines = _sign_example("/test.txt", "", (("Range", "bytes=0-9"),))
    assert _signature(lines) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert lines[0].startswith(
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        "aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
    )
    assert "x-amz-date: 20130524T000000Z" in lines
    assert "Range: bytes=0-9" in lines


def test_aws_example_get_bucket_lifecycle() -> None:
    signed, sent = encode_query([("lifecycle", "")])
    assert (signed, sent) == ("lifecycle=", "lifecycle")
    assert (
        _signature(_sign_example("/", signed))
        == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )


def test_aws_example_list_objects() -> None:
    signed, sent = encode_query([("prefix", "J"), ("max-keys", "2")])
    assert signed == sent == "max-keys=2&prefix=J"
    assert (
        _signature(_sign_example("/", signed))
        == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


@given(
    method=st.sampled_from(["GET", "HEAD"]),
    host=st.sampled_from(["b.s3.eu-west-1.amazonaws.com", "127.0.0.1:8100", "[::1]:9000"]),
    key=KEYS,
    query=st.dictionaries(KEYS, KEYS, max_size=4),
    headers=st.dictionaries(
        st.from_regex(r"x-amz-[a-z-]{1,12}|Range", fullmatch=True).filter(
            lambda name: name not in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
        ),
        VALUES,
        max_size=3,
    ),
    token=st.sampled_from(["", "a-token/with+signs=="]),
    region=st.sampled_from(["us-east-1", "auto", "garage"]),
    second=st.integers(0, 4_000_000_000),
)
def test_every_signature_is_the_one_botocore_makes(  # noqa: PLR0917
    method: str,
    host: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    token: str,
    region: str,
    second: int,
) -> None:
    credentials = Credentials("AKID", "secret/with+signs", token)
    path = f"/bucket/{encode_path(key)}"
    signed, sent = encode_query(query.items())
    lines = sign(
        method, host, path, signed, headers=tuple(headers.items()),
        credentials=credentials, region=region, now=second,
    )  # fmt: skip

    request = AWSRequest(method, f"https://{host}{path}?{sent}", headers=headers)
    request.context["payload_signing_enabled"] = True
    moment = datetime.fromtimestamp(second, UTC)
    with patch("botocore.auth.get_current_datetime", return_value=moment.replace(tzinfo=None)):
        S3SigV4Auth(
            BotocoreCredentials("AKID", "secret/with+signs", token or None), "s3", region
        ).add_auth(request)
    theirs = request.headers["Authorization"].replace(", ", ",")
    assert lines[0] == f"Authorization: {theirs}"
    ours = {name: value for name, _, value in (line.partition(": ") for line in lines[1:])}
    for name in ("X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token"):
        assert ours.get(name.lower()) == request.headers.get(name)


def test_without_credentials_nothing_is_added() -> None:
    lines = sign(
        "GET", "h", "/b", "", headers=(("Range", "bytes=0-0"),),
        credentials=None, region="us-east-1", now=0,
    )  # fmt: skip
    assert lines == ["Range: bytes=0-0"]


def test_credentials_do_not_show_what_is_secret() -> None:
    shown = repr(Credentials("AKID", "hidden-secret", "hidden-token"))
    assert "AKID" in shown
    assert "hidden" not in shown


def test_one_key_is_not_used_for_another_day_region_or_secret() -> None:
    def signature(secret: str, region: str, now: float) -> str:
        credentials = Credentials("A", secret)
        return _signature(
            sign("GET", "h", "/", "", headers=(), credentials=credentials, region=region, now=now)
        )

    day = 86_400.0
    of = [signature("s", "r", 0), signature("t", "r", 0), signature("s", "q", 0)]
    of += [signature("s", "r", day), signature("s", "r", 1)]
    assert len(set(of)) == len(of)
    assert signature("s", "r", 0) == of[0]


@given(KEYS)
def test_a_path_holds_only_what_a_url_may_hold(key: str) -> None:
    encoded = encode_path(key)
    assert set(encoded) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-_.~%"
    )
    assert encoded.count("/") == key.count("/")


@given(st.lists(st.tuples(KEYS, st.dictionaries(KEYS, KEYS, max_size=2)), max_size=5))
def test_what_a_signer_has_signed_leaves_no_trace_on_what_it_signs_next(
    requests: list[tuple[str, dict[str, str]]],
) -> None:
    def signer() -> Signer:
        return Signer(
            "HEAD", "h", (("x-a", "b"),), credentials=EXAMPLE, region="us-east-1", second=0
        )

    kept = signer()
    for key, query in requests:
        path, signed = encode_path(key), encode_query(query.items())[0]
        assert kept.signature(path, signed) == signer().signature(path, signed)

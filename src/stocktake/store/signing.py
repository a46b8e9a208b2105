"""AWS Signature Version 4 for requests without a body, pure and in few steps: it is paid once a HEAD.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
S3's own rules: the path is encoded once and never normalised (`a/../b` is a key), and the hash of the
body is a header. Of all requests of one day and region the signing key is the same, and of all of one
second the moment; both are kept.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_NOTHING_SHA256 = hashlib.sha256(b"").hexdigest()
_PATH_SAFE = "/-_.~"
_QUERY_SAFE = "-_.~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair, and the token that makes it valid where it is a temporary one. Never shown whole."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def encode_path(key: str) -> str:
    """A key as it stands in a URL: every byte that is not a letter, digit or `/-_.~` as `%XX`."""
    return quote(key, safe=_PATH_SAFE)


def encode_query(query: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The query as it is signed, sorted and with every `=`, and as it is sent: there a pair without a
    value is the bare name, as in `?acl`.
    """
    pairs = sorted(
        (quote(name, safe=_QUERY_SAFE), quote(value, safe=_QUERY_SAFE)) for name, value in query
    )
    signed = "&".join(f"{name}={value}" for name, value in pairs)
    return signed, "&".join(f"{name}={value}" if value else name for name, value in pairs)


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
    """The header lines of a request without a body: the given ones, and those that sign it.

    `host` is what the Host header will be; `raw_path` is encoded already; `query` is encode_query's
    first; all of `headers` are signed; `now` is in seconds since 1970. Without credentials nothing is
    added.
    """
    if credentials is None:
        return [f"{name}: {value}" for name, value in headers]
    moment, day = _moment(int(now))
    if headers or credentials.token:
        signed, canonical = _canonical_headers(host, headers, credentials.token, moment)
    else:
        signed = "host;x-amz-content-sha256;x-amz-date"
        canonical = f"host:{host}\nx-amz-content-sha256:{_NOTHING_SHA256}\nx-amz-date:{moment}\n"
    request = f"{method}\n{raw_path}\n{query}\n{canonical}\n{signed}\n{_NOTHING_SHA256}"
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_key, day, region)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    lines = [
        f"Authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}"
        f",SignedHeaders={signed},Signature={signature}",
        f"x-amz-date: {moment}",
        f"x-amz-content-sha256: {_NOTHING_SHA256}",
    ]
    if credentials.token:
        lines.append(f"x-amz-security-token: {credentials.token}")
    lines += [f"{name}: {value}" for name, value in headers]
    return lines


def _canonical_headers(
    host: str, headers: Sequence[tuple[str, str]], token: str, moment: str
) -> tuple[str, str]:
    named = {name.lower(): " ".join(value.split()) for name, value in headers}
    named["host"] = host
    named["x-amz-content-sha256"] = _NOTHING_SHA256
    named["x-amz-date"] = moment
    if token:
        named["x-amz-security-token"] = token
    names = sorted(named)
    return ";".join(names), "".join(f"{name}:{named[name]}\n" for name in names)


@lru_cache(maxsize=8)
def _moment(second: int) -> tuple[str, str]:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
    return moment, moment[:8]


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key

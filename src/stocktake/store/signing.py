"""AWS Signature Version 4 for requests without a body, pure and in few steps: it is paid once a HEAD.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
S3's own rules: the path is encoded once and never normalised (`a/../b` is a key), and the hash of the
body is a header. What requests of one second have in common, all but path and query, a `Signer` keeps.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_NOTHING_SHA256 = hashlib.sha256(b"").hexdigest()
_PATH_SAFE = "/-_.~"
_QUERY_SAFE = "-_.~"
_TO_ENCODE = re.compile(r"[^A-Za-z0-9/_.~-]")
_SHA256_BLOCK_BYTES = 64


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair, and the token that makes it valid where it is a temporary one. Never shown whole."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def encode_path(key: str) -> str:
    """A key as it stands in a URL: every byte that is not a letter, digit or `/-_.~` as `%XX`."""
    return key if _TO_ENCODE.search(key) is None else quote(key, safe=_PATH_SAFE)


def encode_query(query: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The query as it is signed, sorted and with every `=`, and as it is sent: there a pair without a
    value is the bare name, as in `?acl`.
    """
    pairs = sorted(
        (quote(name, safe=_QUERY_SAFE), quote(value, safe=_QUERY_SAFE)) for name, value in query
    )
    signed = "&".join(f"{name}={value}" for name, value in pairs)
    return signed, "&".join(f"{name}={value}" if value else name for name, value in pairs)


class Signer:
    """Signs the requests of one second that differ in path and query alone.

    `host` is what the Host header will be; all of `headers` are signed; `second` counts since 1970. The
    header lines of a request are `authorization` with its `signature` behind it, where `authorization` is not
    "", and `lines`: the given headers and those that the signature covers. Without credentials nothing is
    added to the given ones.
    """

    __slots__ = (
        "_inner",
        "_method",
        "_outer",
        "_signed",
        "_tail",
        "authorization",
        "lines",
    )

    def __init__(
        self,
        method: str,
        host: str,
        headers: Sequence[tuple[str, str]],
        *,
        credentials: Credentials | None,
        region: str,
        second: int,
    ) -> None:
        self._signed = credentials is not None
        self.authorization = ""
        self.lines = tuple(f"{name}: {value}" for name, value in headers)
        if credentials is None:
            return
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = moment[:8]
        token = credentials.token
        names, canonical = _canonical_headers(host, headers, token, moment)
        scope = f"{day}/{region}/s3/aws4_request"
        self._method = f"{method}\n"
        self._tail = f"\n{canonical}\n{names}\n{_NOTHING_SHA256}"
        inner, outer = _signing_hashes(credentials.secret_key, day, region)
        begun = inner.copy()
        begun.update(f"{_ALGORITHM}\n{moment}\n{scope}\n".encode())
        self._inner, self._outer = begun.copy, outer.copy
        self.authorization = (
            f"Authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}"
            f",SignedHeaders={names},Signature="
        )
        own = [f"x-amz-date: {moment}", f"x-amz-content-sha256: {_NOTHING_SHA256}"]
        own += [f"x-amz-security-token: {token}"] if token else []
        self.lines = (*own, *self.lines)

    def signature(self, path: str, query: str) -> str:
        """The signature of one request: `path` is encoded already, `query` is encode_query's first. "" without
        credentials.
        """
        if not self._signed:
            return ""
        request = f"{self._method}{path}\n{query}{self._tail}"
        # An HMAC by its definition: copying the two states of the key is twice as fast as hmac.digest.
        inner = self._inner()
        inner.update(hashlib.sha256(request.encode()).hexdigest().encode())
        outer = self._outer()
        outer.update(inner.digest())
        return outer.hexdigest()


def _canonical_headers(
    host: str, headers: Sequence[tuple[str, str]], token: str, moment: str
) -> tuple[str, str]:
    """The names of the headers that are signed, and the lines that are."""
    named = {name.lower(): " ".join(value.split()) for name, value in headers}
    named["host"] = host
    named["x-amz-content-sha256"] = _NOTHING_SHA256
    named["x-amz-date"] = moment
    if token:
        named["x-amz-security-token"] = token
    names = sorted(named)
    return ";".join(names), "".join(f"{name}:{named[name]}\n" for name in names)


@lru_cache(maxsize=8)
def _signing_hashes(secret_key: str, day: str, region: str) -> tuple[hashlib._Hash, hashlib._Hash]:
    """SHA-256 after the inner and after the outer pad of the HMAC with the signing key, to be copied."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    block = key.ljust(_SHA256_BLOCK_BYTES, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    return hashlib.sha256(inner), hashlib.sha256(outer)

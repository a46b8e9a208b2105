"""Who may ask: keys and session tokens that expire, the server's clock, the region of a signature.

Signatures are not verified: only which key, token, region and moment they name.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.servers.fault_fixtures import Bucket
from tests.servers.fault_values import Request, Response, error
from tests.servers.fault_xml import iso

SKEW_S_MAX = 900
_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d{8}/([^/,]+)/")


@dataclass(slots=True)
class Expiry:
    """When a token stops being valid: after so many more requests that bear it, or at a moment of
    `monotonic`."""

    requests_left: int | None
    at: float | None


@dataclass(slots=True)
class Access:
    """What the server demands of a request. Everything is allowed until a test says otherwise.

    access_keys: the keys accepted; None accepts every key, and no key.  tokens: likewise the
    session tokens.
    issued: what GET /.fault/credentials gives, the form that AWS_CONTAINER_CREDENTIALS_FULL_URI
    expects.
    clock_offset_s: how far the server's clock is ahead of this machine's; with `clock_checked`,
    requests signed more than 15 minutes away from it are refused.
    """

    access_keys: frozenset[str] | None = None
    tokens: frozenset[str] | None = None
    issued: dict[str, str] = field(default_factory=dict)
    clock_offset_s: float = 0.0
    clock_checked: bool = False
    expiries: dict[str, Expiry] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> datetime:
        """The server's own time."""
        return datetime.fromtimestamp(self.clock() + self.clock_offset_s, UTC)

    def expire(self, token: str, *, after_requests: int | None, after_s: float | None) -> None:
        """`token` serves that many more requests, or that many more seconds, and is ExpiredToken
        then; with neither named, at once."""
        at = None if after_s is None else self.monotonic() + after_s
        left = 0 if after_s is None and after_requests is None else after_requests
        self.expiries[token] = Expiry(left, at)

    def refusal(self, request: Request, bucket: Bucket | None) -> Response | None:
        """The error for a request that may not pass; None for one that may."""
        if (
            self.access_keys is None
            and self.tokens is None
            and not self.expiries
            and not self.clock_checked
        ):
            return (
                _wrong_region(request, bucket)
                if bucket is not None and bucket.wrong_region
                else None
            )
        return self._wrong_key(request) or self._wrong_token(request) or self._skewed(request) or (
            _wrong_region(request, bucket) if bucket is not None else None
        )  # fmt: skip

    def credentials(self, expires_at: datetime) -> bytes:
        """The credentials issued now, as a container's credential endpoint gives them."""
        return json.dumps(self.issued | {"Expiration": iso(expires_at)}).encode()

    def _wrong_key(self, request: Request) -> Response | None:
        if self.access_keys is None:
            return None
        key, _ = _credential(request)
        if not key:
            return error(403, "AccessDenied", "Access Denied")
        if key not in self.access_keys:
            message = "The AWS Access Key Id you provided does not exist in our records."
            return error(403, "InvalidAccessKeyId", message, AWSAccessKeyId=key)
        return None

    def _wrong_token(self, request: Request) -> Response | None:
        token = request.headers.get("x-amz-security-token") or request.query.get(
            "X-Amz-Security-Token", ""
        )
        if (expiry := self.expiries.get(token)) and self._expired(expiry):
            return error(400, "ExpiredToken", "The provided token has expired.", Token=token)
        if self.tokens is not None and token not in self.tokens:
            return error(
                400, "InvalidToken", "The provided token is malformed or otherwise invalid."
            )
        return None

    def _expired(self, expiry: Expiry) -> bool:
        if expiry.at is not None and self.monotonic() >= expiry.at:
            return True
        if expiry.requests_left is None:
            return False
        expiry.requests_left -= 1
        return expiry.requests_left < 0

    def _skewed(self, request: Request) -> Response | None:
        signed_at = request.headers.get("x-amz-date", "")
        if not self.clock_checked or not signed_at:
            return None
        signed = datetime.strptime(signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        now = self.now()
        if abs((now - signed).total_seconds()) <= SKEW_S_MAX:
            return None
        message = "The difference between the request time and the current time is too large."
        return error(
            403, "RequestTimeTooSkewed", message, RequestTime=signed_at, ServerTime=iso(now)
        )


def _credential(request: Request) -> tuple[str, str]:
    """The access key and the region of the signature; empty where there is none."""
    if found := _CREDENTIAL.search(request.headers.get("authorization", "")):
        return found[1], found[2]
    parts = request.query.get("X-Amz-Credential", "").split("/")
    return (parts[0], parts[2]) if len(parts) > 2 else ("", "")


def _wrong_region(request: Request, bucket: Bucket) -> Response | None:
    _, region = _credential(request)
    if not bucket.wrong_region or not region or region == bucket.region:
        return None
    headers: Mapping[str, str] = {"x-amz-bucket-region": bucket.region}
    if bucket.wrong_region == "redirect":
        message = "The bucket must be addressed using the specified endpoint."
        members = {"Bucket": bucket.name, "Endpoint": request.headers.get("host", "")}
        return error(301, "PermanentRedirect", message, headers=headers, **members)
    message = f"The authorization header is malformed; expecting '{bucket.region}'"
    return error(
        400, "AuthorizationHeaderMalformed", message, headers=headers, Region=bucket.region
    )

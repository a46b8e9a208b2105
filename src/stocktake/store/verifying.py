"""Whether a request that somebody sent us was signed as they say: Signature Version 4, in its header and in its URL.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
What was signed is put together by botocore's own code, so that what its clients sign is what is checked here.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from botocore.auth import SIGV4_TIMESTAMP, UNSIGNED_PAYLOAD, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import ReadOnlyCredentials

from stocktake.model.access import ReceivedRequest
from stocktake.model.errors import UnauthenticatedError

ALGORITHM = "AWS4-HMAC-SHA256"
EXPIRES_MAX = timedelta(days=7)  # of a presigned URL, AWS's own bound
_PAYLOAD_HEADER = "x-amz-content-sha256"
_CREDENTIAL = re.compile(
    r"(?P<key>[^/,\s]{1,128})/(?P<date>\d{8})/(?P<region>[^/,\s]{1,64})/s3/aws4_request"
)
_MOMENT = re.compile(r"\d{8}T\d{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_HEADER_NAMES = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(?:;[a-z0-9!#$%&'*+.^_`|~-]+)*")
_HEADER = "AuthorizationHeaderMalformed"
_QUERY = "AuthorizationQueryParametersError"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of its signature. `payload` is the SHA-256 of the body in hex, or UNSIGNED-PAYLOAD;
    `expires` how long a presigned URL holds from `moment` on, None for a signature in the header.
    """

    access_key: str
    region: str
    moment: datetime
    signed_headers: tuple[str, ...]
    payload: str
    expires: timedelta | None
    value: str = field(repr=False)


def read_signature(request: ReceivedRequest) -> Signature:
    """What the request says of its signature; nothing of it is believed yet.

    Raises:
        UnauthenticatedError: it says nothing, or what nobody can check; `code` is S3's.
    """
    authorization = request.headers.get("authorization")
    in_query = {name: value for name, value in request.query if name.startswith("X-Amz-")}
    presigned = "X-Amz-Algorithm" in in_query or "X-Amz-Signature" in in_query
    if authorization is not None and presigned:
        raise UnauthenticatedError(
            "it is signed in its header and in its URL", code="InvalidArgument"
        )
    if any(name == "AWSAccessKeyId" for name, _ in request.query):
        raise UnauthenticatedError("it is signed by version 2", code="InvalidRequest")
    if presigned:
        found = _in_query(request, in_query)
    elif authorization is not None:
        found = _in_header(request, authorization)
    else:
        raise UnauthenticatedError("the request is not signed", code="AccessDenied")
    _check_coverage(request, found)
    return found


def is_signed_with(request: ReceivedRequest, said: Signature, secret_key: str) -> bool:
    """Whether `said` is what the owner of `secret_key` would have signed `request` with; in constant time."""
    signer = _Signer(ReadOnlyCredentials(said.access_key, secret_key, None), "s3", said.region)
    names = {name: request.headers[name] for name in said.signed_headers}
    signed = AWSRequest(
        method=request.method,
        url=_url(request),
        headers=names | {_PAYLOAD_HEADER: said.payload},
    )
    signed.context.update(
        timestamp=said.moment.strftime(SIGV4_TIMESTAMP), signed=said.signed_headers
    )
    expected = signer.signature(
        signer.string_to_sign(signed, signer.canonical_request(signed)), signed
    )
    return hmac.compare_digest(expected.encode(), said.value.encode())


def _url(request: ReceivedRequest) -> str:
    """What was asked for, encoded as it is signed, whatever was sent."""
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in request.query
        if name != "X-Amz-Signature"
    )
    return f"http://signed{quote(unquote_to_bytes(request.path), safe='/-_.~')}?{query}"


class _Signer(S3SigV4Auth):
    """botocore's signer, told which headers were signed: other clients sign more and fewer than it does."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """The headers that the request names."""
        chosen = HTTPHeaders()
        for name in request.context["signed"]:
            chosen[name] = request.headers[name]
        return chosen


def _in_header(request: ReceivedRequest, authorization: str) -> Signature:
    scheme, _, rest = authorization.partition(" ")
    if scheme != ALGORITHM:
        raise UnauthenticatedError(f"it is signed by `{scheme[:32]}`", code="InvalidRequest")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    payload = request.headers.get(_PAYLOAD_HEADER)
    if payload is None:
        raise UnauthenticatedError(f"{_PAYLOAD_HEADER} is missing", code="MissingSecurityHeader")
    moment = request.headers.get("x-amz-date", "")
    return _checked(
        _HEADER,
        credential=parts.get("Credential", ""),
        moment=moment,
        names=parts.get("SignedHeaders", ""),
        value=parts.get("Signature", ""),
        payload=payload,
        expires=None,
    )


def _in_query(request: ReceivedRequest, said: Mapping[str, str]) -> Signature:
    if said.get("X-Amz-Algorithm") != ALGORITHM:
        raise UnauthenticatedError("another algorithm", code=_QUERY)
    expires = said.get("X-Amz-Expires", "")
    if re.fullmatch(r"\d{1,6}", expires, re.ASCII) is None:
        raise UnauthenticatedError("X-Amz-Expires is no number of seconds", code=_QUERY)
    period = timedelta(seconds=int(expires))
    if not timedelta(0) < period <= EXPIRES_MAX:
        raise UnauthenticatedError("X-Amz-Expires is out of range", code=_QUERY)
    if "X-Amz-Security-Token" in said:
        raise UnauthenticatedError("it names a session, and there are none", code="InvalidToken")
    return _checked(
        _QUERY,
        credential=said.get("X-Amz-Credential", ""),
        moment=said.get("X-Amz-Date", ""),
        names=said.get("X-Amz-SignedHeaders", ""),
        value=said.get("X-Amz-Signature", ""),
        payload=request.headers.get(_PAYLOAD_HEADER, UNSIGNED_PAYLOAD),
        expires=period,
    )


def _checked(
    code: str,
    *,
    credential: str,
    moment: str,
    names: str,
    value: str,
    payload: str,
    expires: timedelta | None,
) -> Signature:
    """The parts of a signature, each of the form it must have.

    Raises:
        UnauthenticatedError: one is not; of `code`.
    """
    scope = _CREDENTIAL.fullmatch(credential)
    if (
        scope is None
        or _HEADER_NAMES.fullmatch(names) is None
        or _SIGNATURE.fullmatch(value) is None
    ):
        raise UnauthenticatedError("a part of the signature is missing or malformed", code=code)
    signed_at = _moment(moment)
    if scope["date"] != moment[:8]:
        raise UnauthenticatedError("the credential is of another day than the date", code=code)
    if payload != UNSIGNED_PAYLOAD and _SIGNATURE.fullmatch(payload) is None:
        raise UnauthenticatedError(
            f"`{payload[:64]}` as {_PAYLOAD_HEADER}", code="InvalidPayloadHash"
        )
    signed = tuple(names.split(";"))
    return Signature(scope["key"], scope["region"], signed_at, signed, payload, expires, value)


def _moment(text: str) -> datetime:
    try:
        # Alone, it would take dates in other forms, too.
        found = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
    except ValueError as error:
        raise UnauthenticatedError("there is no valid x-amz-date", code="MissingDate") from error
    return found.astimezone(UTC)


def _check_coverage(request: ReceivedRequest, said: Signature) -> None:
    """Check that the signature covers what it must: the host, and every header that means something to S3."""
    missing = [name for name in said.signed_headers if name not in request.headers]
    amz = {name for name in request.headers if name.startswith("x-amz-")}
    uncovered = ({"host"} | amz) - set(said.signed_headers)
    if missing:
        raise UnauthenticatedError(
            f"{missing[0]} is signed and missing", code="SignatureDoesNotMatch"
        )
    if uncovered:
        raise UnauthenticatedError(f"{min(uncovered)} is not signed", code="HeadersNotSigned")
    if "x-amz-security-token" in request.headers:
        raise UnauthenticatedError("it names a session, and there are none", code="InvalidToken")

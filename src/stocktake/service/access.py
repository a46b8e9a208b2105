"""Who sends a request: the key it is signed with, if the signature holds and is of now."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from stocktake.model.access import AccessKey, ReceivedRequest
from stocktake.model.errors import UnauthenticatedError
from stocktake.service.access_tokens import AccessToken, check_token
from stocktake.store.verifying import (
    Signature,
    is_signed_with,
    read_signature,
)

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, RequestTimeTooSkewed
SKEW_MAX = timedelta(minutes=15)
_ANY_PAYLOAD = "UNSIGNED-PAYLOAD"
_BEARER = "bearer"  # RFC 6750; the case of schemes does not matter


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request, and what they signed its body to be: a SHA-256 in hex, or UNSIGNED-PAYLOAD."""

    key: AccessKey
    payload: str


def authenticate_script(
    request: ReceivedRequest,
    keys: Mapping[str, AccessKey],
    tokens: Callable[[], Mapping[str, AccessToken]],
    now: datetime,
) -> Sender:
    """Who sent `request`, by a signature or by a token. Its body is not looked at, as in `authenticate`; with a token,
    none is signed.

    Raises:
        UnauthenticatedError: as `authenticate`, or the token is none.
        AccessKeysError: the tokens cannot be read.
    """
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != _BEARER:
        return authenticate(request, keys, now)
    token = check_token(said.strip(), tokens(), now)
    return Sender(AccessKey(f"token:{token.id}", token.grant, token.name), _ANY_PAYLOAD)


def authenticate(request: ReceivedRequest, keys: Mapping[str, AccessKey], now: datetime) -> Sender:
    """Who sent `request`. Its body is not looked at: it is to be read only then, and checked by `check_body`.

    Raises:
        UnauthenticatedError: nobody whom `keys` knows, or not now; `code` is S3's.
    """
    said = read_signature(request)
    _check_moment(said, now)
    key = keys.get(said.access_key)
    if key is None:
        raise UnauthenticatedError("nobody has that access key", code="InvalidAccessKeyId")
    if not is_signed_with(request, said, key.secret_key):
        raise UnauthenticatedError("the signature does not match", code="SignatureDoesNotMatch")
    return Sender(key, said.payload)


def _check_moment(said: Signature, now: datetime) -> None:
    if said.expires is None:
        if abs(now - said.moment) > SKEW_MAX:
            raise UnauthenticatedError(
                f"it was signed at {said.moment}", code="RequestTimeTooSkewed"
            )
    elif now > said.moment + said.expires:
        raise UnauthenticatedError("the presigned URL is over", code="RequestExpired")
    elif said.moment > now + SKEW_MAX:
        raise UnauthenticatedError("the presigned URL has not begun", code="RequestNotYetValid")


def check_body(sender: Sender, body: bytes, content_md5: str | None) -> None:
    """Check that `body` is what was signed and, where there is a Content-MD5, sent.

    Raises:
        UnauthenticatedError: it is not; `code` is S3's.
    """
    if sender.payload != _ANY_PAYLOAD:
        found = hashlib.sha256(body).hexdigest()
        if not hmac.compare_digest(found, sender.payload):
            raise UnauthenticatedError(
                "the body is not the one signed", code="XAmzContentSHA256Mismatch"
            )
    if content_md5 is None:
        return
    try:
        claimed = base64.b64decode(content_md5.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnauthenticatedError("the Content-MD5 is none", code="InvalidDigest") from error
    if len(claimed) != hashlib.md5(usedforsecurity=False).digest_size:
        raise UnauthenticatedError("the Content-MD5 is none", code="InvalidDigest")
    if claimed != hashlib.md5(body, usedforsecurity=False).digest():
        raise UnauthenticatedError("the body is not the one sent", code="BadDigest")

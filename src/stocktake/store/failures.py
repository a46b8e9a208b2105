"""What stores, libcurl and botocore say when something goes wrong -> one of `model/errors.py`.

Everything is decided by the tables below: first by the S3 error code, which is exact where a body carries
one, then by the HTTP status. Messages come from outside, so they are shortened and made printable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import pycurl
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from lxml import etree

from stocktake.model.errors import (
    AccessDeniedError,
    CertificateError,
    CredentialsError,
    ExpiredTokenError,
    NoSuchBucketError,
    NoSuchKeyError,
    RequestRefusedError,
    ServerError,
    StoreError,
    ThrottledError,
    UnreachableError,
)
from stocktake.model.secrets import without_secrets
from stocktake.model.xml import XmlError, local_name, parse_xml, without_illegal_characters

ERROR_BODY_BYTES_MAX = 64 * 2**10  # no error document is longer; what is, is something else
_TEXT_LENGTH_MAX = 300
_CODE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_LOCATION = re.compile(rb"^location:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)

# A class of error and the way out.
_Verdict: TypeAlias = tuple[type[StoreError], str]

HINT_CREDENTIALS = (
    "give credentials as for the AWS CLI (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile NAME),"
    " or --no-sign-request for a public bucket"
)
HINT_CERTIFICATE = (
    "name the authority that signed it with --ca-bundle FILE, or trust any with --no-verify-ssl"
)
_HINT_DENIED = "ask for the permission, or use credentials that have it"
HINT_ENDPOINT = "check the endpoint URL, and the proxy if there is one"
_HINT_BUCKET = "check the bucket's name and the store's endpoint URL"
_HINT_CLOCK = "set this machine's clock"
_HINT_REGION = "name the bucket's region with --region"
_HINT_PROXY = "check the user name and the password in the proxy's URL"

_BY_CODE: dict[str, _Verdict] = {
    "AccessDenied": (AccessDeniedError, _HINT_DENIED),
    "AccessDeniedException": (AccessDeniedError, _HINT_DENIED),
    "AccountProblem": (AccessDeniedError, ""),
    "AllAccessDisabled": (AccessDeniedError, ""),
    "AuthorizationHeaderMalformed": (RequestRefusedError, _HINT_REGION),
    "BandwidthLimitExceeded": (ThrottledError, ""),
    "Busy": (ThrottledError, ""),
    "ExpiredToken": (ExpiredTokenError, "sign in anew"),
    "ExpiredTokenException": (ExpiredTokenError, "sign in anew"),
    "InternalError": (ServerError, ""),
    "InternalServerError": (ServerError, ""),
    "InvalidAccessKeyId": (CredentialsError, HINT_CREDENTIALS),
    "InvalidClientTokenId": (CredentialsError, HINT_CREDENTIALS),
    "InvalidSecurity": (CredentialsError, HINT_CREDENTIALS),
    "InvalidToken": (CredentialsError, HINT_CREDENTIALS),
    "NoSuchBucket": (NoSuchBucketError, _HINT_BUCKET),
    "NoSuchKey": (NoSuchKeyError, ""),
    "NoSuchVersion": (NoSuchKeyError, ""),
    "NotSignedUp": (CredentialsError, ""),
    "OperationAborted": (ServerError, ""),
    "PermanentRedirect": (RequestRefusedError, _HINT_REGION),
    "RequestExpired": (CredentialsError, _HINT_CLOCK),
    "RequestLimitExceeded": (ThrottledError, ""),
    "RequestThrottled": (ThrottledError, ""),
    "RequestTimeTooSkewed": (CredentialsError, _HINT_CLOCK),
    "RequestTimeout": (UnreachableError, ""),
    "ServiceUnavailable": (ThrottledError, ""),
    "SignatureDoesNotMatch": (CredentialsError, "check the secret access key"),
    "SlowDown": (ThrottledError, ""),
    "SlowDownRead": (ThrottledError, ""),
    "TemporaryRedirect": (RequestRefusedError, _HINT_REGION),
    "Throttling": (ThrottledError, ""),
    "ThrottlingException": (ThrottledError, ""),
    "TokenRefreshRequired": (ExpiredTokenError, "sign in anew"),
    "TooManyRequests": (ThrottledError, ""),
    "TooManyRequestsException": (ThrottledError, ""),
    "UnrecognizedClientException": (CredentialsError, HINT_CREDENTIALS),
}

_BY_STATUS: dict[int, _Verdict] = {
    401: (CredentialsError, HINT_CREDENTIALS),
    403: (AccessDeniedError, _HINT_DENIED),
    404: (NoSuchKeyError, ""),
    407: (RequestRefusedError, _HINT_PROXY),
    408: (UnreachableError, ""),
    429: (ThrottledError, ""),
    501: (RequestRefusedError, "the store does not know this call"),
    503: (ThrottledError, ""),
    505: (RequestRefusedError, ""),
}

# What else a status of a hundred means.
_BY_HUNDRED: dict[int, _Verdict] = {
    0: (UnreachableError, HINT_ENDPOINT),
    3: (RequestRefusedError, HINT_ENDPOINT),
    4: (RequestRefusedError, ""),
    5: (ServerError, ""),
}
_UNEXPECTED: _Verdict = (ServerError, "")  # 1xx, 2xx other than asked for, and what is no status

_HINT_NOT_TLS = "check whether the endpoint URL wants http:// or https://"
_BY_CURL_CODE: dict[int, _Verdict] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: (ServerError, _HINT_NOT_TLS),  # what answers speaks no HTTP
    pycurl.E_URL_MALFORMAT: (RequestRefusedError, HINT_ENDPOINT),
    pycurl.E_PEER_FAILED_VERIFICATION: (CertificateError, HINT_CERTIFICATE),
    pycurl.E_SSL_CACERT_BADFILE: (CertificateError, "check the file that --ca-bundle or AWS_CA_BUNDLE names"),
    pycurl.E_SSL_CERTPROBLEM: (CertificateError, HINT_CERTIFICATE),
    pycurl.E_SSL_ISSUER_ERROR: (CertificateError, HINT_CERTIFICATE),
    pycurl.E_SSL_CONNECT_ERROR: (UnreachableError, _HINT_NOT_TLS),
    pycurl.E_PARTIAL_FILE: (ServerError, ""),
    8: (ServerError, _HINT_NOT_TLS),  # a weird server reply
    100: (ServerError, ""),  # headers larger than libcurl accepts
}  # fmt: skip

# The first class that fits counts.
_BY_BOTOCORE: tuple[tuple[type[Exception], _Verdict], ...] = (
    (boto.NoCredentialsError, (CredentialsError, HINT_CREDENTIALS)),
    (boto.PartialCredentialsError, (CredentialsError, HINT_CREDENTIALS)),
    (boto.CredentialRetrievalError, (CredentialsError, HINT_CREDENTIALS)),
    (boto.MetadataRetrievalError, (CredentialsError, HINT_CREDENTIALS)),
    (boto.SSOError, (CredentialsError, "sign in anew, for example with `aws sso login`")),
    (boto.TokenRetrievalError, (CredentialsError, HINT_CREDENTIALS)),
    (boto.SSLError, (UnreachableError, _HINT_NOT_TLS)),
    (boto.HTTPClientError, (UnreachableError, HINT_ENDPOINT)),
    (boto.ConnectionError, (UnreachableError, HINT_ENDPOINT)),
    (boto.EndpointConnectionError, (UnreachableError, HINT_ENDPOINT)),
    (boto.IncompleteReadError, (ServerError, "")),
)


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """What an S3 error body says; all empty where it is none. `region` is the one AWS and Garage expect."""

    code: str = ""
    message: str = ""
    region: str = ""


_NONE = ErrorDocument()


def read_error(body: bytes) -> ErrorDocument:
    """The error document in `body`, whatever its namespace; an empty one where `body` is something else."""
    if not body or len(body) > ERROR_BODY_BYTES_MAX:
        return _NONE
    try:
        root = parse_xml(without_illegal_characters(body))
    except XmlError:
        return _NONE
    error = next((each for each in root.iter() if local_name(each) == "Error"), None)
    if error is None or local_name(root) not in ("Error", "ErrorResponse", "Response"):
        return _NONE
    texts = _texts(error)
    code = texts.get("Code", "")
    return ErrorDocument(
        code if _CODE.fullmatch(code) else "",
        printable(texts.get("Message", "")),
        texts.get("Region", "") if _CODE.fullmatch(texts.get("Region", "")) else "",
    )


def _texts(element: etree._Element) -> Mapping[str, str]:
    return {local_name(child): (child.text or "").strip() for child in element}


def read_error_code(body: bytes) -> str:
    """The S3 error code in `body`, or "" where there is none."""
    return read_error(body).code


def failure(status: int, body: bytes, headers: bytes, what: str) -> StoreError:
    """The error that an answer stands for. `what` says what was tried: "cannot list s3://bucket/prefix"."""
    said = read_error(body)
    located = _LOCATION.search(headers) if status // 100 == 3 else None  # noqa: PLR2004
    location = printable(located[1].decode("latin-1").split("?")[0]) if located else ""
    return _error(what, status, said.code, said.message, location)


def from_curl(code: int, text: str, what: str, host: str) -> StoreError:
    """The error that libcurl's `code` stands for; `text` is its own explanation."""
    kind, hint = _BY_CURL_CODE.get(code, (UnreachableError, HINT_ENDPOINT))
    return kind(f"{what}: {host}: {printable(text) or pycurl.easy_strerror(code)}", hint=hint)


def from_botocore(exception: Exception, what: str) -> StoreError:
    """The error that an exception of botocore stands for; the caller raises it `from exception`."""
    if isinstance(exception, ClientError):
        said = exception.response.get("Error", {})
        status = exception.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        # To an answer without a body, such as HEAD's, botocore gives its status as the code.
        code = "" if (named := said.get("Code", "")) == str(status) else named
        # Ceph leaves the message out of some errors; botocore then has None for it.
        message = printable(said.get("Message") or "") if code else ""
        return _error(what, status, code, message, "")
    text = printable(str(exception))
    if isinstance(exception, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(exception):
        return CertificateError(f"{what}: {text}", hint=HINT_CERTIFICATE)
    for kind, (error, hint) in _BY_BOTOCORE:
        if isinstance(exception, kind):
            return error(f"{what}: {text}", hint=hint)
    if not isinstance(exception, BotoCoreError):
        text = f"{type(exception).__name__}: {text}"
    return RequestRefusedError(f"{what}: {text}")


def from_problem(what: str, status: int, said: object) -> StoreError:
    """The error that a problem document (RFC 9457) of a stocktake server stands for; its title is S3's code."""
    told = said if isinstance(said, dict) else {}
    code, message = (printable(str(told.get(name, ""))) for name in ("title", "detail"))
    error = _error(what, status, code, message, "")
    if hint := printable(str(told.get("hint", ""))):
        error.hint = hint
    return error


def _error(what: str, status: int, code: str, message: str, location: str) -> StoreError:
    by_status = _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, _UNEXPECTED)
    kind, hint = _BY_CODE.get(code, by_status)
    if location:
        hint = f"the store redirects to {location}; if that is right, make it the endpoint URL"
    number = f"{status} {code}".strip() if status or code else "no answer"
    return kind(
        f"{what}: {number}{f': {message}' if message else ''}", hint=hint, code=code, status=status
    )


def printable(text: str) -> str:
    """`text` from outside on one line, shortened, with no password of a URL in it and nothing that a
    terminal would obey.
    """
    text = without_secrets(text)[:_TEXT_LENGTH_MAX]
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split()).rstrip(".")

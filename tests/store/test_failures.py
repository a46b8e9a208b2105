"""What stores, libcurl and botocore say -> our errors."""

from __future__ import annotations

import pickle

import pycurl
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

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
from stocktake.store.failures import (
    ERROR_BODY_BYTES_MAX,
    failure,
    from_botocore,
    from_curl,
    read_error,
    read_error_code,
)

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def _document(code: str, message: str = "", more: str = "") -> bytes:
    return (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    ).encode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (_document("NoSuchKey"), "NoSuchKey"),
        (b"<Error><Code> NoSuchKey\n</Code></Error>", "NoSuchKey"),
        (f"<Error xmlns='{S3_NAMESPACE}'><Code>X</Code></Error>".encode(), "X"),
        (b"<e:Error xmlns:e='urn:any'><e:Code>X</e:Code></e:Error>", "X"),
        (b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", "Throttling"),
        (_document("NoSuchKey", more="<Key>a&#x01;b</Key>"), "NoSuchKey"),
        (b"<Error><Message>no code</Message></Error>", ""),
        (b"<ListBucketResult><Error><Code>X</Code></Error></ListBucketResult>", ""),
        (b"<Error><Code>X</Code>", ""),
        (b"<html><body>Bad Gateway</body></html>", ""),
        (b"<!DOCTYPE Error [<!ENTITY x 'y'>]><Error><Code>&x;</Code></Error>", ""),
        (b"<Error><Code>\x1b[31m no code has a space</Code></Error>", ""),
        (_document("X", "m" * ERROR_BODY_BYTES_MAX), ""),
        (b"Too Many Requests", ""),
        (b"", ""),
    ],
)
def test_an_error_code_is_read_from_an_error_document_alone(body: bytes, code: str) -> None:
    assert read_error_code(body) == code


@given(st.binary(max_size=300))
def test_no_body_whatever_makes_reading_fail(body: bytes) -> None:
    assert read_error_code(body) == "" or b"Error" in body
    assert isinstance(failure(400, body, b"", "cannot"), RequestRefusedError)


def test_the_expected_region_is_read_where_the_store_names_it() -> None:
    body = _document("AuthorizationHeaderMalformed", more="<Region>garage</Region>")
    assert read_error(body).region == "garage"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", AccessDeniedError),
        (403, "InvalidAccessKeyId", CredentialsError),
        (403, "SignatureDoesNotMatch", CredentialsError),
        (400, "InvalidToken", CredentialsError),
        (400, "ExpiredToken", ExpiredTokenError),
        (403, "ExpiredToken", ExpiredTokenError),
        (404, "NoSuchBucket", NoSuchBucketError),
        (404, "NoSuchKey", NoSuchKeyError),
        (404, "NoSuchVersion", NoSuchKeyError),
        (400, "RequestTimeout", UnreachableError),
        (400, "InvalidArgument", RequestRefusedError),
        (503, "SlowDown", ThrottledError),
        (503, "InternalError", ServerError),
        (200, "InternalError", ServerError),
        (301, "PermanentRedirect", RequestRefusedError),
        (401, "", CredentialsError),
        (403, "", AccessDeniedError),
        (404, "", NoSuchKeyError),
        (405, "", RequestRefusedError),
        (407, "", RequestRefusedError),
        (429, "", ThrottledError),
        (500, "", ServerError),
        (501, "NotImplemented", RequestRefusedError),
        (502, "", ServerError),
        (503, "", ThrottledError),
        (504, "", ServerError),
        (521, "SomethingNew", ServerError),
    ],
)
def test_code_then_status_decide_the_class(
    status: int, code: str, expected: type[StoreError]
) -> None:
    body = _document(code) if code else b""
    error = failure(status, body, b"", "cannot list s3://b/")
    assert type(error) is expected
    assert (error.code, error.status) == (code, status)
    assert str(error).startswith("cannot list s3://b/: ")
    assert str(status) in str(error)


def test_what_the_store_says_is_passed_on_without_what_a_terminal_obeys() -> None:
    body = _document("AccessDenied", "no &#x9;\nway\u009b31m" + "x" * 1000)
    message = str(failure(403, body, b"", "cannot"))
    assert message.startswith("cannot: 403 AccessDenied: no way 31mxxx")
    assert message.isprintable()
    assert len(message) < 400


def test_a_redirect_elsewhere_names_the_place_without_its_query() -> None:
    headers = b"Server: x\r\nLocation: https://s3.example.com/b?secret=1\r\n"
    error = failure(308, b"", headers, "cannot list")
    assert "https://s3.example.com/b" in error.hint
    assert "secret" not in error.hint


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (pycurl.E_COULDNT_CONNECT, UnreachableError),
        (pycurl.E_COULDNT_RESOLVE_HOST, UnreachableError),
        (pycurl.E_OPERATION_TIMEDOUT, UnreachableError),
        (pycurl.E_RECV_ERROR, UnreachableError),
        (pycurl.E_GOT_NOTHING, UnreachableError),
        (pycurl.E_PARTIAL_FILE, ServerError),
        (pycurl.E_UNSUPPORTED_PROTOCOL, ServerError),
        (pycurl.E_SSL_CONNECT_ERROR, UnreachableError),
        (pycurl.E_PEER_FAILED_VERIFICATION, CertificateError),
        (pycurl.E_SSL_CACERT_BADFILE, CertificateError),
    ],
)
def test_every_libcurl_failure_names_the_host(code: int, expected: type[StoreError]) -> None:
    error = from_curl(code, "", "cannot list s3://b/", "s3.example.com:9000")
    assert type(error) is expected
    assert "s3.example.com:9000" in str(error)
    assert error.hint or expected is ServerError


def test_a_certificate_is_not_asked_for_twice() -> None:
    assert not CertificateError.retryable
    error = from_curl(pycurl.E_PEER_FAILED_VERIFICATION, "self-signed", "cannot", "h")
    assert "--ca-bundle" in error.hint
    assert "--no-verify-ssl" in error.hint
    assert type(pickle.loads(pickle.dumps(error))) is CertificateError


def _client_error(status: int, code: str, message: str = "") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "HeadBucket",
    )


@pytest.mark.parametrize(
    ("exception", "expected", "code"),
    [
        (_client_error(403, "AccessDenied", "Access Denied"), AccessDeniedError, "AccessDenied"),
        (_client_error(404, "404", "Not Found"), NoSuchKeyError, ""),
        (_client_error(403, "403", "Forbidden"), AccessDeniedError, ""),
        (_client_error(404, "NoSuchBucket"), NoSuchBucketError, "NoSuchBucket"),
        (_client_error(400, "ExpiredToken"), ExpiredTokenError, "ExpiredToken"),
        (boto.NoCredentialsError(), CredentialsError, ""),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), CredentialsError, ""),
        (boto.UnauthorizedSSOTokenError(), CredentialsError, ""),
        (boto.EndpointConnectionError(endpoint_url="http://h"), UnreachableError, ""),
        (boto.ConnectTimeoutError(endpoint_url="http://h"), UnreachableError, ""),
        (boto.ReadTimeoutError(endpoint_url="http://h"), UnreachableError, ""),
        (boto.ConnectionClosedError(endpoint_url="http://h"), UnreachableError, ""),
        (boto.ProxyConnectionError(proxy_url="http://u:pw@p"), UnreachableError, ""),
        (boto.ResponseStreamingError(error="reset"), UnreachableError, ""),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), ServerError, ""),
        (
            boto.SSLError(
                endpoint_url="https://h", error=ValueError("[SSL: CERTIFICATE_VERIFY_FAILED] x")
            ),
            CertificateError,
            "",
        ),
        (
            boto.SSLError(endpoint_url="https://h", error=ValueError("WRONG_VERSION")),
            UnreachableError,
            "",
        ),
        (boto.ParamValidationError(report="bad"), RequestRefusedError, ""),
        (ValueError("odd"), RequestRefusedError, ""),
    ],
)
def test_botocore_exceptions_become_ours(
    exception: Exception, expected: type[StoreError], code: str
) -> None:
    error = from_botocore(exception, "cannot reach s3://b")
    assert type(error) is expected
    assert error.code == code
    assert str(error).startswith("cannot reach s3://b: ")
    assert ":pw@" not in str(error)

"""What goes wrong, as S3 says it: code, status and message are AWS's wherever AWS has them.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Mapping

from stocktake.model import errors
from stocktake.model.errors import InventoryError
from stocktake.model.xml import render_xml


class RequestError(InventoryError):
    """A request that S3 would refuse, whoever sent it; `code` is S3's."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


# What we say for short -> S3's code, the status and the exact message. A few codes of S3 have several messages.
_MISSING_DATE = "AWS authentication requires a valid Date or x-amz-date header"
ANSWERS: Mapping[str, tuple[str, int, str]] = {
    said: (code, status, message)
    for said, code, status, message in (
        ("AccessDenied", "AccessDenied", 403, "Access Denied"),
        ("AuthorizationHeaderMalformed", "AuthorizationHeaderMalformed", 400,
         "The authorization header is malformed; expected Credential, SignedHeaders and Signature"),
        ("AuthorizationQueryParametersError", "AuthorizationQueryParametersError", 400,
         "Error parsing the X-Amz-* query parameters of a presigned URL"),
        ("BadDigest", "BadDigest", 400, "The Content-MD5 you specified did not match what we received."),
        ("HeadersNotSigned", "AccessDenied", 403, "There were headers present in the request which were not signed"),
        ("IdMismatch", "IdMismatch", 400, "Document ID does not match the specified configuration ID."),
        ("InternalError", "InternalError", 500, "We encountered an internal error. Please try again."),
        ("InvalidAccessKeyId", "InvalidAccessKeyId", 403,
         "The AWS Access Key Id you provided does not exist in our records."),
        ("InvalidArgument", "InvalidArgument", 400, "Invalid Argument"),
        ("InvalidBucketName", "InvalidBucketName", 400, "The specified bucket is not valid."),
        ("InvalidDigest", "InvalidDigest", 400, "The Content-MD5 you specified was invalid"),
        ("InvalidPayloadHash", "InvalidArgument", 400,
         "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, or a valid sha256 value."),
        ("InvalidContinuationToken", "InvalidArgument", 400, "The continuation token provided is incorrect"),
        ("InvalidRequest", "InvalidRequest", 400,
         "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."),
        ("InvalidS3DestinationBucket", "InvalidS3DestinationBucket", 400, "Invalid bucket ARN."),
        ("InvalidToken", "InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
        ("MalformedXML", "MalformedXML", 400,
         "The XML you provided was not well-formed or did not validate against our published schema"),
        ("MaxMessageLengthExceeded", "MaxMessageLengthExceeded", 400, "Your request was too big."),
        ("MethodNotAllowed", "MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
        ("MissingDate", "AccessDenied", 403, _MISSING_DATE),
        ("MissingSecurityHeader", "InvalidRequest", 400,
         "Missing required header for this request: x-amz-content-sha256"),
        ("NoSuchBucket", "NoSuchBucket", 404, "The specified bucket does not exist"),
        ("NoSuchConfiguration", "NoSuchConfiguration", 404, "The specified configuration does not exist."),
        ("NoSuchRun", "NoSuchRun", 404, "The specified run does not exist."),
        ("NoSuchToken", "NoSuchToken", 404, "The specified token does not exist."),
        ("RunState", "InvalidRunState", 409, "The run is not in the state for that."),
        ("RequestExpired", "AccessDenied", 403, "Request has expired"),
        ("RequestNotYetValid", "AccessDenied", 403, "Request is not valid yet"),
        ("RequestTimeout", "RequestTimeout", 400,
         "Your socket connection to the server was not read from or written to within the timeout period."),
        ("RequestTimeTooSkewed", "RequestTimeTooSkewed", 403,
         "The difference between the request time and the current time is too large."),
        ("ServiceUnavailable", "ServiceUnavailable", 503, "Service is unable to handle request."),
        ("SignatureDoesNotMatch", "SignatureDoesNotMatch", 403,
         "The request signature we calculated does not match the signature you provided. Check your key and signing"
         " method."),
        ("SlowDown", "SlowDown", 503, "Please reduce your request rate."),
        ("TooManyConfigurations", "TooManyConfigurations", 400,
         "You are attempting to create a new configuration but have already reached the 1,000-configuration limit."),
        ("UnknownToken", "InvalidToken", 401, "The token is unknown, revoked or over."),
        ("XAmzContentSHA256Mismatch", "XAmzContentSHA256Mismatch", 400,
         "The provided 'x-amz-content-sha256' header does not match what was computed."),
    )
}  # fmt: skip

# An error of ours -> what we say for it. The first class that it is of counts.
_BY_CLASS: tuple[tuple[type[InventoryError], str], ...] = (
    (errors.NotAllowedError, "AccessDenied"),
    (errors.NoSuchConfigurationError, "NoSuchConfiguration"),
    (errors.TooManyConfigurationsError, "TooManyConfigurations"),
    (errors.IdMismatchError, "IdMismatch"),
    (errors.InvalidIdError, "InvalidArgument"),
    (errors.BucketArnError, "InvalidS3DestinationBucket"),
    (errors.ConfigurationError, "MalformedXML"),
    (errors.ContinuationTokenError, "InvalidContinuationToken"),
    (errors.OptionsError, "InvalidArgument"),
    (errors.NoSuchRunError, "NoSuchRun"),
    (errors.NoSuchTokenError, "NoSuchToken"),
    (errors.RunStateError, "RunState"),
    (errors.NoSuchBucketError, "NoSuchBucket"),
    (errors.ThrottledError, "SlowDown"),
    (errors.StoreError, "ServiceUnavailable"),
    (errors.LedgerError, "ServiceUnavailable"),
    (errors.NobodyWorksError, "ServiceUnavailable"),
    (errors.AccessKeysError, "ServiceUnavailable"),
    # Of none of the classes above, it is about how the server is set up: a profile that was there when it started.
    (errors.UsageError, "ServiceUnavailable"),
)


def answer_for(error: Exception) -> tuple[str, int, str]:
    """What S3 says for `error`: code, status, message."""
    if isinstance(error, errors.UnauthenticatedError | RequestError):
        return ANSWERS[error.code]
    said = next((said for kind, said in _BY_CLASS if isinstance(error, kind)), "InternalError")
    return ANSWERS[said]


def error_document(code: str, message: str, request_id: str, **more: str) -> bytes:
    """The body of a refusal."""
    told = {"Code": code, "Message": message, **more, "RequestId": request_id, "HostId": request_id}
    return render_xml("Error", told)

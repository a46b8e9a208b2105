"""A configuration that somebody submits under an Id: checked in the order in which AWS does, so that what is wrong with
it in two ways gets the same error.

First the XML and its schema, with all enumerations; then whether the Id is the one it is submitted under; then the
destination.
"""

from __future__ import annotations

from pydantic import ValidationError

from stocktake.model.configuration import (
    InventoryConfiguration,
    configuration_error,
    valid_bucket_name,
)
from stocktake.model.errors import (
    BucketArnError,
    ConfigurationError,
    IdMismatchError,
    InvalidIdError,
)
from stocktake.model.keys import breaks_lines, has_dot_segments
from stocktake.model.xml import configuration_members, render_configuration_xml

PREFIX_BYTES_MAX = 1024  # as no key is longer
KMS_KEY_BYTES_MAX = (
    2048  # of an ARN: https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
)

# What the schema takes for a string, and AWS judges afterwards, in this order.
_LATER: dict[str, type[ConfigurationError]] = {
    "Id": InvalidIdError,
    "Destination.S3BucketDestination.Bucket": BucketArnError,
}


def read_submission(body: bytes, identity: str) -> InventoryConfiguration:
    """The configuration in the XML document `body` that is submitted under the Id `identity`.

    Raises:
        IdMismatchError, InvalidIdError, BucketArnError: as they say.
        ConfigurationError: not well-formed, or not of the schema.
    """
    members = configuration_members(body)
    try:
        configuration = InventoryConfiguration.model_validate(members, by_name=False)
    except ValidationError as error:
        told = configuration_error(error)
        complaints = {
            ".".join(map(str, each["loc"])): each["type"]
            for each in error.errors(include_url=False)
        }
        if any(where not in _LATER or kind != "value_error" for where, kind in complaints.items()):
            raise told from error
        _check_identity(str(members["Id"]), identity)
        kind = next(kind for where, kind in _LATER.items() if where in complaints)
        raise kind(told.message, hint=told.hint) from error
    _check_identity(configuration.id, identity)
    check_storable(configuration)
    return configuration


def check_storable(configuration: InventoryConfiguration) -> None:
    """Check what the document's own rules leave open: that it is of a bounded size, can be answered as XML, and is for
    a bucket that there can be and a place in it that requests cannot miss.

    Raises:
        InvalidIdError, BucketArnError: as they say.
        ConfigurationError: a field twice, or a character that XML cannot hold.
    """
    fields = configuration.optional_fields or ()
    if len(fields) != len(set(fields)):
        raise ConfigurationError(
            "malformed inventory configuration: an optional field is named twice"
        )
    render_configuration_xml(configuration)
    delivery = configuration.delivery
    key = (
        delivery.encryption.sse_kms.key_id
        if delivery.encryption and delivery.encryption.sse_kms
        else ""
    )
    for what, text, bytes_max in (
        ("the filter's prefix", configuration.prefix, PREFIX_BYTES_MAX),
        ("the destination's prefix", delivery.prefix or "", PREFIX_BYTES_MAX),
        ("the key's ARN", key, KMS_KEY_BYTES_MAX),
    ):
        if len(text.encode()) > bytes_max:
            raise InvalidIdError(f"{what} is longer than {bytes_max} bytes")
    if has_dot_segments(delivery.prefix or ""):
        raise InvalidIdError(
            f"the destination's prefix `{delivery.prefix}` has a segment `.` or `..`",
            hint="what a proxy may take for another place can be neither written nor removed safely",
        )
    if breaks_lines(delivery.prefix or ""):
        raise InvalidIdError(
            "the destination's prefix holds a line break",
            hint="symlink.txt has a data file a line, and would name others",
        )
    if not valid_bucket_name(delivery.bucket_name):
        raise BucketArnError(
            f"`{delivery.bucket}` is the ARN of no bucket", hint="expected arn:aws:s3:::name"
        )


def _check_identity(found: str, identity: str) -> None:
    if found != identity:
        raise IdMismatchError(
            f"the document's Id is `{found[:80]}`, submitted under `{identity[:80]}`"
        )

"""InventoryConfiguration: AWS's document, its parts and its rules; and the few things it cannot say.

The JSON form is exactly what `aws s3api put-bucket-inventory-configuration` takes, and what `get-` prints (there it
is wrapped in `{"InventoryConfiguration": ...}`). The XML form is in `model/xml.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_pascal

from stocktake.model.errors import ConfigurationError
from stocktake.model.fields import OPTIONAL_FIELDS

ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BUCKET_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_BUCKET_ARN = re.compile(r"arn:[^:]+:s3:[^:]*:[^:]*:([^:/]+)")


class Format(StrEnum):
    """The file formats of reports, spelt as in the API and in manifests."""

    CSV = "CSV"
    ORC = "ORC"
    PARQUET = "Parquet"


class Frequency(StrEnum):
    """How often a report is due."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class IncludedObjectVersions(StrEnum):
    """Whether a report holds every version or only the current objects."""

    ALL = "All"
    CURRENT = "Current"


class Document(BaseModel):
    """A document that crosses a border: frozen, AWS's spelling, nothing unknown accepted."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_pascal,
        populate_by_name=True,
        defer_build=True,  # most commands read few of all documents, and to be ready for one costs milliseconds
    )


class Filter(Document):
    """The one filter AWS has."""

    prefix: str


class SSES3(Document):
    """Encrypt the report with the store's own keys; an empty element."""


class SSEKMS(Document):
    """Encrypt the report with a key of a key service."""

    key_id: Annotated[str, Field(min_length=1)]


class Encryption(Document):
    """At most one way to encrypt what is written."""

    sse_s3: Annotated[SSES3 | None, Field(alias="SSES3")] = None
    sse_kms: Annotated[SSEKMS | None, Field(alias="SSEKMS")] = None

    @model_validator(mode="after")
    def _one_at_most(self) -> Encryption:
        if self.sse_s3 is not None and self.sse_kms is not None:
            raise ValueError("names both SSES3 and SSEKMS; expected at most one")
        return self


def _checked_arn(text: str) -> str:
    if _BUCKET_ARN.fullmatch(text) is None:
        raise ValueError(f"`{text}` is not a bucket ARN; expected arn:aws:s3:::name")
    return text


def _checked_account(text: str) -> str:
    if re.fullmatch(r"\d{12}", text) is None:
        raise ValueError(f"`{text}` is not an account; expected 12 digits")
    return text


def _checked_id(text: str) -> str:
    if ID_PATTERN.fullmatch(text) is None or text in (".", ".."):
        raise ValueError(
            f"`{text}` cannot be an Id; expected 1 to 64 of letters, digits, `.`, `_`, `-`"
        )
    return text


def _checked_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in OPTIONAL_FIELDS:
            raise ValueError(
                f"`{name}` is not one of AWS's OptionalFields: {', '.join(OPTIONAL_FIELDS)}"
            )
    return names


class S3BucketDestination(Document):
    """Where the report goes. `bucket` is an ARN here, as AWS demands."""

    bucket: Annotated[str, AfterValidator(_checked_arn)]
    format: Format
    account_id: Annotated[str, AfterValidator(_checked_account)] | None = None
    prefix: str | None = None
    encryption: Encryption | None = None

    @property
    def bucket_name(self) -> str:
        """The bucket's plain name."""
        return parse_bucket_arn(self.bucket)


class Destination(Document):
    """AWS's wrapper; there is only one kind of destination."""

    s3_bucket_destination: Annotated[S3BucketDestination, Field(alias="S3BucketDestination")]


class Schedule(Document):
    """When a report is due."""

    frequency: Frequency


class InventoryConfiguration(Document):
    """What AWS's PutBucketInventoryConfiguration takes, with AWS's rules."""

    id: Annotated[str, AfterValidator(_checked_id)]
    is_enabled: StrictBool
    destination: Destination
    schedule: Schedule
    included_object_versions: IncludedObjectVersions
    filter: Filter | None = None
    optional_fields: Annotated[tuple[str, ...], AfterValidator(_checked_fields)] | None = None

    @property
    def all_versions(self) -> bool:
        """Whether every version is asked for."""
        return self.included_object_versions is IncludedObjectVersions.ALL

    @property
    def delivery(self) -> S3BucketDestination:
        """The destination itself, without AWS's wrapper."""
        return self.destination.s3_bucket_destination

    @property
    def prefix(self) -> str:
        """The prefix the inventoried keys must have; empty for none."""
        return self.filter.prefix if self.filter is not None else ""

    def to_json(self) -> str:
        """The document as `aws s3api` takes it, two spaces of indent, absent parts absent."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2)


class _Wrapped(Document):
    inventory_configuration: InventoryConfiguration


def parse_configuration_json(text: str | bytes) -> InventoryConfiguration:
    """The configuration in a JSON document, bare or wrapped as `get-bucket-inventory-configuration` prints it.

    Raises:
        ConfigurationError: not JSON, a part is missing, unknown or of a value AWS refuses.
    """
    wrapped = re.match(
        rb'\s*\{\s*"InventoryConfiguration"', text.encode() if isinstance(text, str) else text
    )
    try:
        if wrapped:
            return _Wrapped.model_validate_json(text, by_name=False).inventory_configuration
        return InventoryConfiguration.model_validate_json(text, by_name=False)
    except ValidationError as error:
        raise configuration_error(error) from error


class _WithOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    configuration: InventoryConfiguration
    options: dict[str, Any] = {}


def parse_put_json(body: bytes) -> tuple[InventoryConfiguration, Mapping[str, Any]]:
    """What a JSON document has that is put: the configuration alone, as `parse_configuration_json` takes it, or as
    `configuration`, with what is to change of the options beside it as `options`, which nobody has looked at yet.

    Raises:
        ConfigurationError: as `parse_configuration_json`.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None  # the other way says what is wrong
    if not isinstance(document, dict) or "configuration" not in document:
        return parse_configuration_json(body), {}
    try:
        said = _WithOptions.model_validate_json(body, by_name=False)
    except ValidationError as error:
        raise configuration_error(error) from error
    return said.configuration, said.options


# Complaints that say what was found, or where nothing or everything was.
_SELF_EXPLAINED = ("missing", "value_error", "json_invalid")


def configuration_error(error: ValidationError) -> ConfigurationError:
    """Pydantic's first complaint in our words: which part, what was found, what was expected."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the document"
    found = "" if first["type"] in _SELF_EXPLAINED else f", found `{str(first['input'])[:80]}`"
    wrong = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    text = f"malformed inventory configuration: {where}: {wrong}{found}{more}"
    return ConfigurationError(
        "".join(char if char.isprintable() else repr(char)[1:-1] for char in text),
        hint="expected what `aws s3api put-bucket-inventory-configuration` takes, as JSON or XML",
    )


def parse_bucket_arn(arn: str) -> str:
    """The name in a bucket ARN.

    Raises:
        ConfigurationError: the text is no bucket ARN.
    """
    match = _BUCKET_ARN.fullmatch(arn)
    if match is None:
        raise ConfigurationError(f"`{arn}` is not a bucket ARN", hint="expected arn:aws:s3:::name")
    return match.group(1)


def bucket_arn(name: str) -> str:
    """The ARN of a bucket, as manifests print it whatever the store."""
    return f"arn:aws:s3:::{name}"


def valid_bucket_name(name: str) -> bool:
    """Whether stores may have a bucket of this name: AWS's rules and the laxer old ones, but never an ARN."""
    return (
        _BUCKET_PATTERN.fullmatch(name) is not None
        and not name.startswith("arn:")
        and name not in {".", ".."}  # in a path they would name another place
    )

"""What a user asked for, and the run it means. Pure.

One rule for a configuration file: it decides what it says. An option may repeat that, or say what
AWS's document cannot (extension fields, another store, limits); an option that contradicts it is
refused, never silently preferred.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from stocktake.model.addresses import (
    Address,
    LocalAddress,
    S3Address,
    parse_address,
    parse_s3_address,
)
from stocktake.model.configuration import (
    SSEKMS,
    SSES3,
    Destination,
    Encryption,
    Filter,
    Format,
    Frequency,
    IncludedObjectVersions,
    InventoryConfiguration,
    S3BucketDestination,
    Schedule,
    bucket_arn,
    configuration_error,
    valid_bucket_name,
)
from stocktake.model.errors import UsageError
from stocktake.model.fields import EXTENSION_FIELDS, choose_fields
from stocktake.model.keys import breaks_lines, has_dot_segments
from stocktake.model.runs import InventoryRun, Limits
from stocktake.model.store import Store
from stocktake.service.options import RunOptions, choose
from stocktake.service.remembering_words import remembering_asked

DEFAULT_ID = "stocktake"


def plan_run(
    options: RunOptions,
    configuration: InventoryConfiguration | None,
    *,
    moment: datetime,
    working_folder: Path,
    spool_folder: Path,
    cores: int,
    file_rows: int,
) -> InventoryRun:
    """The run that `options` ask for at `moment`; relative paths start at `working_folder`.

    `spool_folder` and `cores`, for as many processes, hold where the options say nothing. A data file has `file_rows`
    rows at most.

    Raises:
        UsageError: an address, a field, a choice or a limit makes no sense, or contradicts the
            configuration.
    """
    source = parse_s3_address(options.source)
    address = _destination(options, configuration, working_folder)
    optional, extensions = _fields(options, configuration)
    if configuration is None:
        configuration = _built(options, source, address, optional)
    else:
        _check_agreement(options, configuration, source, address)
    if isinstance(address, LocalAddress) and configuration.delivery.encryption is not None:
        raise UsageError(
            f"files in {address.path} cannot be encrypted by a store",
            hint="deliver to s3://bucket[/prefix], or ask for no encryption",
        )
    destination = (
        options.destination_store if options.destination_store is not None else options.store
    )
    return InventoryRun(
        source=options.store,
        bucket=source.bucket,
        destination=destination,
        address=address,
        configuration=configuration,
        extension_fields=extensions,
        moment=moment.replace(second=0, microsecond=0),
        owner_full_control=options.owner_full_control
        or configuration.delivery.account_id is not None,
        strict=options.strict,
        usage=options.usage,
        limits=_limits(options, cores, file_rows),
        remembering=remembering_asked(options),
        spool_folder=options.spool_folder or spool_folder,
    )


def notes(run: InventoryRun) -> tuple[str, ...]:
    """What the user should know of a planned run although nothing is wrong with it."""
    if run.configuration.is_enabled:
        return ()
    return (
        f"the configuration `{run.configuration.id}` is not enabled; as it was asked for, it runs",
    )


def described(run: InventoryRun) -> str:
    """All that was decided about a run, in one line; it holds no secret."""
    configuration, limits = run.configuration, run.limits
    return (
        f"s3://{run.bucket}/{configuration.prefix} of {_place(run.source)} into {run.address} of"
        f" {_place(run.destination)}: id {configuration.id}, {configuration.delivery.format},"
        f" versions {configuration.included_object_versions},"
        f" fields {','.join(field.name for field in run.fields)},"
        f" {limits.processes} processes, {limits.concurrency} requests in flight,"
        f" spool in {run.spool_folder}"
    )


def _place(store: Store) -> str:
    return store.endpoint_url or "the AWS set-up's endpoint"


def _destination(
    options: RunOptions, configuration: InventoryConfiguration | None, folder: Path
) -> Address:
    if options.destination is not None:
        address = parse_address(options.destination, folder=folder)
    elif configuration is not None:
        delivery = configuration.delivery
        address = S3Address(delivery.bucket_name, delivery.prefix or "")
    else:
        raise UsageError(
            "where the report goes is not said",
            hint="give DESTINATION, s3://bucket[/prefix] or a folder, or a --configuration",
        )
    if isinstance(address, S3Address):
        if has_dot_segments(address.key):
            raise UsageError(
                f"reports cannot go to {address}; expected a prefix without segments `.` and `..`",
                hint="what a proxy may take for another place can be neither written nor removed safely",
            )
        if breaks_lines(address.key):
            raise UsageError(
                "reports cannot go to a prefix with a line break",
                hint="symlink.txt has a data file a line, and would name others",
            )
        if options.destination_bucket is not None:
            raise UsageError(
                f"--destination-bucket is for local folders; {address} is a bucket already"
            )
        return address
    if options.destination_store is not None:
        raise UsageError(
            f"another store is described for the destination, but {address} is a local folder"
        )
    return LocalAddress(Path(os.path.normpath(address.path)))


def _folder_bucket(options: RunOptions, address: LocalAddress) -> str:
    """The bucket a local folder stands for in the manifest."""
    name = (
        options.destination_bucket if options.destination_bucket is not None else address.path.name
    )
    if name.startswith("arn:"):
        raise UsageError(
            f"`{name}` is an ARN; expected a bucket's plain name", hint="give the name alone"
        )
    if options.destination_bucket is not None and not valid_bucket_name(name):
        raise UsageError(f"`{name}` cannot be a bucket's name")
    if not name or set(name) & set(":/"):
        raise UsageError(
            f"the folder {address.path} has no name a bucket could have",
            hint="give one with --destination-bucket",
        )
    return name


def _fields(
    options: RunOptions, configuration: InventoryConfiguration | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """AWS's optional fields and the extensions that were asked for, in the report's order."""
    asked = options.fields
    words = [] if asked is None else asked.split(",") if isinstance(asked, str) else list(asked)
    chosen = choose_fields(word for word in words if word.strip())
    optional = tuple(name for name in chosen if name not in EXTENSION_FIELDS)
    extensions = tuple(name for name in chosen if name in EXTENSION_FIELDS)
    if configuration is None:
        return (choose_fields(["default"]) if asked is None else optional), extensions
    fixed = choose_fields(configuration.optional_fields or ())
    if optional and optional != fixed:
        raise _contradiction(
            "--fields", ", ".join(optional), "OptionalFields", ", ".join(fixed) or "none"
        )
    return fixed, extensions


def _encryption(text: str) -> Encryption:
    kind, _, key = text.partition("=")
    if kind.upper() == "SSE-S3" and "=" not in text:
        return Encryption(sse_s3=SSES3())
    if kind.upper() == "SSE-KMS" and key:
        return Encryption(sse_kms=SSEKMS(key_id=key))
    raise UsageError(
        f"unknown encryption `{text}`; expected SSE-S3 or SSE-KMS=KEY",
        hint="KEY is a key's id or ARN",
    )


def _format(text: str | None) -> Format:
    return Format.PARQUET if text is None else choose(Format, text, "format")


def _versions(text: str | None) -> IncludedObjectVersions:
    if text is None:
        return IncludedObjectVersions.CURRENT
    return choose(IncludedObjectVersions, text, "choice of versions")


def _built(
    options: RunOptions, source: S3Address, address: Address, optional: tuple[str, ...]
) -> InventoryConfiguration:
    """AWS's document for what the options say."""
    bucket = address.bucket if isinstance(address, S3Address) else _folder_bucket(options, address)
    prefix = address.key if isinstance(address, S3Address) else ""
    report_format, versions = _format(options.format), _versions(options.versions)
    encryption = None if options.encryption is None else _encryption(options.encryption)
    try:
        delivery = S3BucketDestination(
            bucket=bucket_arn(bucket),
            format=report_format,
            prefix=prefix or None,
            encryption=encryption,
        )
        return InventoryConfiguration(
            id=DEFAULT_ID if options.id is None else options.id,
            is_enabled=True,
            destination=Destination(s3_bucket_destination=delivery),
            schedule=Schedule(frequency=Frequency.DAILY),  # a run that is asked for is never due
            included_object_versions=versions,
            filter=Filter(prefix=source.key) if source.key else None,
            optional_fields=optional or None,
        )
    except ValidationError as error:
        raise configuration_error(error) from error


def _check_agreement(
    options: RunOptions, configuration: InventoryConfiguration, source: S3Address, address: Address
) -> None:
    """Refuse an option that says other than the configuration does."""
    delivery = configuration.delivery
    if options.id is not None and options.id != configuration.id:
        raise _contradiction("--id", options.id, "Id", configuration.id)
    if options.format is not None and _format(options.format) is not delivery.format:
        raise _contradiction("--format", options.format, "Format", delivery.format)
    if (
        options.versions is not None
        and _versions(options.versions) is not configuration.included_object_versions
    ):
        included = configuration.included_object_versions
        raise _contradiction("--versions", options.versions, "IncludedObjectVersions", included)
    if options.encryption is not None and _encryption(options.encryption) != delivery.encryption:
        found = (
            "none"
            if delivery.encryption is None
            else delivery.encryption.model_dump_json(by_alias=True, exclude_none=True)
        )
        raise _contradiction("--encryption", options.encryption, "Encryption", found)
    if source.key and source.key != configuration.prefix:
        raise _contradiction("SOURCE", str(source), "Filter.Prefix", configuration.prefix or "none")
    where = str(S3Address(delivery.bucket_name, delivery.prefix or "")).rstrip("/")
    if isinstance(address, S3Address) and str(address).rstrip("/") != where:
        raise _contradiction("DESTINATION", str(address), "Destination", where)
    if options.destination_bucket not in (None, delivery.bucket_name):
        raise _contradiction(
            "--destination-bucket", str(options.destination_bucket), "Bucket", delivery.bucket
        )


def _contradiction(option: str, asked: str, part: str, found: str) -> UsageError:
    return UsageError(
        f"{option} `{asked}` contradicts the configuration, whose {part} is `{found}`",
        hint="leave the option out, or change the configuration",
    )


RATE_MAX = 1_000_000
_LIMITS_MAX: Mapping[str, int] = {"concurrency": 10_000, "processes": 1_000}


def _limits(options: RunOptions, cores: int, file_rows: int) -> Limits:
    limits = Limits(processes=cores, file_rows_max=file_rows)
    for name, most in _LIMITS_MAX.items():
        value = getattr(options, name)
        if value is None:
            continue
        if not 1 <= value <= most:
            raise UsageError(f"--{name} {value} is out of bounds; expected 1 to {most}")
        limits = replace(limits, **{name: value})
    if options.rate is not None and not 0 < options.rate <= RATE_MAX:
        raise UsageError(
            f"--rate {options.rate} is out of bounds; expected more than 0, at most {RATE_MAX}"
        )
    return replace(limits, rate=options.rate, nice=options.nice)

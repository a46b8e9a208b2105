"""What others are told of a run that is published, or has failed for good: the body, its signature, when to try again.

The body is S3's own event for manifest.checksum, as bucket notifications would send it, so that what is made for these
takes it; and under a name of our own, what there is to say of the run. It is signed as the specification
https://www.standardwebhooks.com says, for which receivers find libraries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from stocktake.model.configuration import bucket_arn
from stocktake.model.errors import UsageError
from stocktake.model.manifest import render_checksum, render_manifest
from stocktake.model.paths import CHECKSUM, MANIFEST
from stocktake.model.runs import InventoryResult, InventoryRun, group

SUMMARY = "stocktake"  # our own key, beside S3's `Records`
WARNINGS_MAX = 20
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
# What is not taken is sent again, after so long each time; then it is given up.
RETRY_DELAYS = (
    *(timedelta(seconds=seconds) for seconds in (5, 30)),
    *(timedelta(minutes=minutes) for minutes in (2, 10, 30)),
    *(timedelta(hours=hours) for hours in (2, 6, 12)),
)
_METADATA_SERVICE = ipaddress.ip_address("fd00:ec2::254")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class EventKind(StrEnum):
    """What happened to a run."""

    PUBLISHED = "published"
    FAILED = "failed"  # for good: it is not tried again by itself


class NoticeState(StrEnum):
    """Whether a target was told of an event."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"  # as often as it may


@dataclass(frozen=True, slots=True)
class Webhook:
    """A target. `stores` None: it is told of all. `allow_local`: it may be on this machine or link. `ca_bundle` is a
    file of the certificates to trust; None: those that are trusted as a rule.
    """

    name: str
    url: str = field(repr=False)  # it may hold what lets one in
    secret: bytes = field(repr=False)
    events: tuple[EventKind, ...] = tuple(EventKind)
    stores: tuple[str, ...] | None = None
    allow_local: bool = False
    ca_bundle: Path | None = None

    def wants(self, kind: str, store: str) -> bool:
        """Whether it is to be told of such an event of a store."""
        return kind in self.events and (self.stores is None or store in self.stores)


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that a target is to be told of. `document` is what the ledger has of the event."""

    event: str
    target: str
    kind: EventKind
    created: datetime
    document: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """How telling a target went so far. `status` is the HTTP status of the last answer, if one came."""

    event: str
    target: str
    kind: EventKind
    run: str
    state: NoticeState
    attempts: int
    due: datetime
    finished: datetime | None
    status: int | None
    error: str | None


# -- what is said ------------------------------------------------------------------------------------


def publication(run: InventoryRun, result: InventoryResult) -> dict[str, Any]:
    """What is to be told of a report that was just published."""
    checksum = render_checksum(render_manifest(result.manifest))
    encryption = run.configuration.delivery.encryption
    # With a key of a key service, an ETag is no MD5; which it is nobody has told us.
    plain = encryption is None or encryption.sse_kms is None
    address = f"{result.address.removesuffix(MANIFEST)}{CHECKSUM}"
    bucket = run.configuration.delivery.bucket_name
    return {
        "checksum": {
            "bucket": bucket,
            "key": address.removeprefix(f"s3://{bucket}/"),
            "size": len(checksum),
            "region": run.destination.region or "",
            "etag": hashlib.md5(checksum, usedforsecurity=False).hexdigest() if plain else None,
        },
        "manifest": result.address,
        "rows": result.counters["rows"],
        "files": len(result.manifest.files),
        "file_bytes": sum(file.size for file in result.manifest.files),
        "object_bytes": result.counters["object_bytes"],
        "seconds": round(result.seconds, 3),
        "requests": group(result.counters, "requests"),
        "problems": group(result.counters, "problems"),
        "unknowable": group(result.counters, "unknowable"),
        "warnings": list(result.warnings[:WARNINGS_MAX]),
    }


def event_id(*parts: object) -> str:
    """An id that the same event always has."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:32]


def render_notice(notice: Notice) -> bytes:
    """The body: the same bytes each time that it is sent."""
    said = dict(notice.document)
    checksum = said.pop("checksum", None)
    records = [_record(notice, checksum)] if checksum else []
    summary = {"event": str(notice.kind), **said}
    return json.dumps({"Records": records, SUMMARY: summary}, separators=(",", ":")).encode()


def _record(notice: Notice, checksum: Mapping[str, Any]) -> dict[str, Any]:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    moment = notice.created.astimezone(UTC)
    tagged = {} if checksum["etag"] is None else {"eTag": checksum["etag"]}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": checksum["region"],
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "stocktake"},
        "requestParameters": {"sourceIPAddress": ""},
        "responseElements": {"x-amz-request-id": notice.event},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notice.document["id"],
            "bucket": {
                "name": checksum["bucket"],
                "ownerIdentity": {"principalId": ""},
                "arn": bucket_arn(checksum["bucket"]),
            },
            "object": {
                "key": encode_key(checksum["key"]),
                "size": checksum["size"],
                **tagged,
                "sequencer": f"{int(moment.timestamp() * 1_000_000):018X}",
            },
        },
    }


def encode_key(key: str) -> str:
    """A key as S3's events have it: encoded like a form's field, but for `/`."""
    return quote_plus(key, safe="/*").replace("~", "%7E")


# -- how it is signed --------------------------------------------------------------------------------


def parse_secret(text: str, where: str) -> bytes:
    """The bytes of a secret: `whsec_` and 24 to 64 bytes in base64.

    Raises:
        UsageError: it is none. It is not shown.
    """
    text = text.strip()
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if (
        not text.startswith(SECRET_PREFIX)
        or not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX
    ):
        raise UsageError(
            f"the secret in {where} is none; expected {SECRET_PREFIX} and {SECRET_BYTES_MIN} to"
            f" {SECRET_BYTES_MAX} bytes in base64",
            hint='make one with: echo "whsec_$(openssl rand -base64 32)"',
        )
    return secret


def signed_headers(secret: bytes, event: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The headers that say which event it is, when it is sent, and that it comes from who has the secret."""
    stamp = str(int(moment.timestamp()))
    signed = hmac.new(secret, f"{event}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


# -- where it may go ---------------------------------------------------------------------------------


def forbidden_address(text: str) -> str:
    """Why nothing is to be sent to this IP address unless settings allow it; empty where it may be."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return forbidden_address(str(inner))
    reasons = (
        (address.is_loopback, "this machine"),
        (address.is_unspecified or text.startswith("0."), "this machine"),
        (address.is_link_local, "link-local, as metadata services are"),
        (address == _METADATA_SERVICE, "a metadata service"),
        (address.is_multicast or address.is_reserved, "nobody's own"),
    )
    return next((f"{text} is {reason}" for found, reason in reasons if found), "")

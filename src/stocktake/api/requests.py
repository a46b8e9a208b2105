"""A request about inventory configurations, as it comes over HTTP: which store and bucket it is for, and what it asks.

Nothing of it is believed: it is signed by whoever sent it, and not yet known to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from stocktake.api.failures import RequestError
from stocktake.model.access import ReceivedRequest
from stocktake.model.configuration import valid_bucket_name
from stocktake.service.server_settings import Site

INVENTORY = "inventory"

# S3's other sub-resources: a request that names one of them, too, is not only about inventories.
_SUB_RESOURCES = frozenset({
    "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "legal-hold",
    "lifecycle", "location", "logging", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable",
    "metadataTable", "metrics", "notification", "object-lock", "ownershipControls", "partNumber", "policy",
    "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "session",
    "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about the configurations of a bucket. `identity` is the Id, `token` the continuation token; None
    where the request says none.
    """

    method: str
    site: Site
    bucket: str
    identity: str | None
    token: str | None
    expected_owner: str | None


def is_about_inventory(scope: Mapping[str, Any]) -> bool:
    """Whether the query has a parameter `inventory`, with a value or without, written in whatever way."""
    return any(name == INVENTORY for name, _ in read_query(scope["query_string"]))


def read_query(query: bytes) -> tuple[tuple[str, str], ...]:
    """The parameters of a query, decoded, in their order. Bytes that are no UTF-8 are taken for Latin-1, one by one."""
    pairs = (pair.partition(b"=") for pair in query.split(b"&") if pair)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def received(scope: Mapping[str, Any]) -> ReceivedRequest:
    """The request as it was sent."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(
            value.decode("latin-1").strip()
        )
    joined = {name: ",".join(values) for name, values in headers.items()}
    return ReceivedRequest(
        scope["method"], scope["raw_path"], read_query(scope["query_string"]), joined
    )


def read_question(request: ReceivedRequest, sites: Sequence[Site]) -> Question:
    """What `request` asks, of which of the stores.

    Raises:
        RequestError: it makes no sense, or is for no store and bucket that there can be.
    """
    names = [name for name, _ in request.query]
    said = dict(request.query)
    if any(names.count(name) > 1 for name in (INVENTORY, "id", "continuation-token")):
        raise RequestError("InvalidArgument", "a parameter is given twice")
    if conflicting := sorted(_SUB_RESOURCES & set(names)):
        raise RequestError("InvalidArgument", f"inventory and {conflicting[0]} are two requests")
    site, bucket = _place(request, sites)
    return Question(
        request.method,
        site,
        bucket,
        said.get("id"),
        said.get("continuation-token"),
        request.headers.get("x-amz-expected-bucket-owner"),
    )


def _place(request: ReceivedRequest, sites: Sequence[Site]) -> tuple[Site, str]:
    """The store and the bucket: this stands in the host name or, where that is the store's own, first in the path."""
    host = _host_name(request.headers.get("host", ""))
    path = _decoded(request.path).removeprefix("/")
    site, bucket = _by_host(host, sites)
    if not bucket:
        bucket, _, path = path.partition("/")
    if path:
        raise RequestError("MethodNotAllowed", "objects have no inventory configurations")
    if not valid_bucket_name(bucket):
        raise RequestError("InvalidBucketName")
    return site, bucket


def _by_host(host: str, sites: Sequence[Site]) -> tuple[Site, str]:
    """The store whose domain `host` is or lies in, with the bucket's name before it. The longest domain counts, as one
    may lie in another; without any, it is the only store.
    """
    domains = sorted(
        ((domain, site) for site in sites for domain in site.domains), key=_longest_first
    )
    for domain, site in domains:
        if host == domain:
            return site, ""
        if host.endswith(f".{domain}"):
            return site, host.removesuffix(f".{domain}")
    if len(sites) > 1:
        raise RequestError("InvalidArgument", f"no store is served under the name {host[:80]}")
    return sites[0], ""


def _longest_first(entry: tuple[str, Site]) -> int:
    return -len(entry[0])


def _host_name(header: str) -> str:
    name, _, port = header.rpartition(":")
    return (name if port.isdigit() and name else header).rstrip(".").lower()


def _decoded(text: bytes) -> str:
    plain = unquote_to_bytes(text)
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("latin-1")

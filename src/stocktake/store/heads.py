"""HEAD: the requests that ask for an object's headers, and their answers -> Arrow columns, in the words of reports.

Answers are read all at once where their headers are laid out alike (`heads_fast`), else one by one by the exact reader
(`heads_exact`); both give the same batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from stocktake.model.runs import Call
from stocktake.store.heads_exact import HEADS_SCHEMA, UNREADABLE
from stocktake.store.heads_fast import read_fast
from stocktake.store.requests import Answer, Request

__all__ = [
    "HEADS_SCHEMA",
    "UNREADABLE",
    "Subject",
    "head_request",
    "head_requests",
    "proof_request",
    "read_heads",
]

_PROOF_BYTES_MAX = 64 * 2**10  # room for an error document; else the object's first byte


class Subject(NamedTuple):
    """An object that HEAD asks about: `version` is None for the current one, `checksum` as `head_request` has it."""

    key: str
    version: str | None
    checksum: bool


def head_requests(
    bucket: str, subjects: Iterable[Subject], *, request_payer: bool = False
) -> list[Request]:
    """What `head_request` gives for each subject; what they have in common is made once."""
    first = head_request(bucket, "", None, request_payer=request_payer)
    plain = first.headers
    checked = head_request(bucket, "", None, checksum=True, request_payer=request_payer).headers
    call, method, bytes_max = first.call, first.method, first.body_bytes_max
    return [
        Request(
            call,
            method,
            bucket,
            key,
            () if version is None else (("versionId", version),),
            checked if checksum else plain,
            bytes_max,
        )
        for key, version, checksum in subjects
    ]


def head_request(
    bucket: str,
    key: str,
    version_id: str | None,
    *,
    checksum: bool = False,
    request_payer: bool = False,
) -> Request:
    """HeadObject of the current object, or of the version named: `null` where all versions are inventoried.

    `checksum` asks for the stored checksums, which needs more permissions on objects under a key service.
    """
    headers = [("x-amz-checksum-mode", "ENABLED")] if checksum else []
    return _object_request(Call.HEAD, "HEAD", bucket, key, version_id, headers, request_payer)


def proof_request(
    bucket: str, key: str, version_id: str | None, *, request_payer: bool = False
) -> Request:
    """A GET of the object's first byte. Its error document says what a refused HEAD, having no body, cannot."""
    headers = [("Range", "bytes=0-0")]
    return _object_request(Call.PROOF, "GET", bucket, key, version_id, headers, request_payer)


def _object_request(  # noqa: PLR0917
    call: Call,
    method: str,
    bucket: str,
    key: str,
    version_id: str | None,
    headers: list[tuple[str, str]],
    request_payer: bool,  # noqa: FBT001
) -> Request:
    payer = [("x-amz-request-payer", "requester")] if request_payer else []
    return Request(
        call=call,
        method=method,
        bucket=bucket,
        key=key,
        query=(("versionId", version_id),) if version_id is not None else (),
        headers=(*headers, *payer),
        body_bytes_max=_PROOF_BYTES_MAX,
    )


def read_heads(answers: Sequence[Answer]) -> pa.RecordBatch:
    """One row of HEADS_SCHEMA for each answer, in their order; all but the status is null where that is not 200."""
    return read_fast(answers)

"""Does silence mean "no"? AWS leaves out lock and hold headers for those who may not read them.

Decided once for a run, when it is known what stayed silent: silence is "no" as soon as one object has told the value,
as the bucket has no Object Lock at all, or as the call that reads it alone was allowed on one silent object. Else every
silent value is counted as unknowable.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from stocktake.model.fields import Field, Source
from stocktake.model.runs import Call, Counters, InventoryRun
from stocktake.store.connection import Connection
from stocktake.store.failures import read_error_code
from stocktake.store.requests import Answer, Request
from stocktake.store.transport import Transport

# The sub-resource that needs the same permission as the header, the root of its answer, and the codes by which stores
# say "allowed, but there is nothing set".
LOCK_PERMISSIONS = {
    "s3:GetObjectRetention": ("retention", b"<Retention"),
    "s3:GetObjectLegalHold": ("legal-hold", b"<LegalHold"),
}
_NOTHING_SET = {
    "NoSuchObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequest",
}
_NOT_SUPPORTED = {"NotImplemented", "MethodNotAllowed"}


def settle_silence(
    run: InventoryRun,
    counters: Counters,
    silent: tuple[str, str | None] | None,
    transport: Transport,
    connection: Connection,
) -> None:
    """Turn the `said.F` and `silent.F` counts into `unknowable.F` where silence cannot be told from a refusal."""
    undecided = [
        permission for permission in LOCK_PERMISSIONS if _undecided(_of(run, permission), counters)
    ]
    if silent is not None and undecided and _may_have_locks(run, counters, connection):
        for permission in undecided:
            if not _allowed(run, permission, silent, transport):
                for field in _of(run, permission):
                    counters[f"unknowable.{field.name}"] += counters[f"silent.{field.name}"]
    for name in [name for name in counters if name.startswith(("said.", "silent."))]:
        del counters[name]


def _may_have_locks(run: InventoryRun, counters: Counters, connection: Connection) -> bool:
    from stocktake.store.client import Client  # noqa: PLC0415 - few runs ask this

    with Client.open(connection, counters) as client:
        return client.has_object_lock(run.bucket) is not False


def _of(run: InventoryRun, permission: str) -> list[Field]:
    return [
        f
        for f in run.fields
        if f.withheld and f.source is Source.HEAD and f.permission == permission
    ]


def _undecided(fields: Sequence[Field], counters: Counters) -> bool:
    return not any(counters[f"said.{f.name}"] for f in fields) and any(
        counters[f"silent.{f.name}"] for f in fields
    )


def _allowed(
    run: InventoryRun, permission: str, silent: tuple[str, str | None], transport: Transport
) -> bool:
    return proves(ask_lock(run, permission, silent, transport), permission)


def ask_lock(
    run: InventoryRun, permission: str, subject: tuple[str, str | None], transport: Transport
) -> Answer:
    """The answer to the call about `subject`, a key and its version, that takes one of LOCK_PERMISSIONS alone."""
    sub_resource, _ = LOCK_PERMISSIONS[permission]
    key, version = subject
    if run.configuration.all_versions:
        version = version or "null"
    query = (
        ((sub_resource, ""),) if version is None else ((sub_resource, ""), ("versionId", version))
    )
    headers = (("x-amz-request-payer", "requester"),) if run.source.request_payer else ()
    [answer] = transport.exchange([Request(Call.PROOF, "GET", run.bucket, key, query, headers)])
    return answer


def proves(answer: Answer, permission: str) -> bool:
    """Whether the answer shows that the value may be read. An object's own body, as some stores send, shows nothing."""
    if answer.error is not None or answer.cut:
        return False
    if answer.status == HTTPStatus.OK:
        _, root = LOCK_PERMISSIONS[permission]
        return root in answer.body[:1000]
    return read_error_code(answer.body) in _NOTHING_SET | _NOT_SUPPORTED

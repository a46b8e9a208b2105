"""ACLs and tags, a batch at a time. A `subject` has the columns key, version_id, tagging_count and head_status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import PROBLEM_OF_STATUS
from stocktake.model.fields import TEXT
from stocktake.model.runs import Counters, InventoryRun, Problem
from stocktake.store.subresources import acl_request, read_acls, read_taggings, tagging_request
from stocktake.store.transport import Transport

_OK, _FORBIDDEN, _MISSING, _NOT_SUPPORTED = 200, 403, 404, 501
NO_TAGS = "{}"

# Rows of which a call told nothing, by their places, and why.
Untold: TypeAlias = Mapping[int, Problem]

# Whether something is allowed; None while nothing has shown it yet.
Permission: TypeAlias = bool | None


async def fetch_acls(
    run: InventoryRun, subject: pa.RecordBatch, transport: Transport, counters: Counters
) -> tuple[pa.RecordBatch, Untold]:
    """The ACL and the owner of each object: columns status, object_access_control_list, object_owner; and the rows that
    were not answered.

    Counts the problems; a store without ACLs is none, and leaves both columns null (`without.acl`).
    """
    keys, versions = _named(run, subject)
    payer = run.source.request_payer
    requests = [
        acl_request(run.bucket, key, version, request_payer=payer)
        for key, version in zip(keys, versions, strict=True)
    ]
    acls = read_acls(await transport.ask(requests))
    statuses = acls.column("status").to_pylist()
    untold = _count(range(len(keys)), statuses, subject, counters, "without.acl")
    lacking = pc.is_in(acls.column("status"), pa.array([_NOT_SUPPORTED, _MISSING], pa.int16()))
    cleared = [
        pc.if_else(lacking, pa.scalar(None, TEXT), acls.column(name))
        for name in acls.schema.names[1:]
    ]
    return pa.RecordBatch.from_arrays([acls.column(0), *cleared], schema=acls.schema), untold


async def fetch_tags(
    run: InventoryRun,
    subject: pa.RecordBatch,
    proven: Permission,
    transport: Transport,
    counters: Counters,
) -> tuple[pa.Array, Untold, Permission]:
    """The tags of each object as JSON text, the rows that were not answered, and whether this lane may read tags (None:
    not known yet).

    HEAD counts an object's tags, but says nothing of objects without tags and nothing to those who may not read tags.
    So the first silence is tried with a call of its own: once the permission is proven, silence means no tags.
    Counts the problems, and `unknowable.ObjectTags` for silence that may be a refusal.
    """
    keys, versions = _named(run, subject)
    counts, headed = (
        subject.column("tagging_count").to_pylist(),
        subject.column("head_status").to_pylist(),
    )
    tags: list[str | None] = [None] * len(keys)
    silent = [row for row, count in enumerate(counts) if count is None and headed[row] == _OK]
    for row, count in enumerate(counts):
        if count == 0:
            tags[row] = NO_TAGS
    # A HEAD that was refused, such as every one of an SSE-C object, says nothing of the tags.
    wanted = [row for row, count in enumerate(counts) if count or headed[row] != _OK]
    if silent and proven is None:
        wanted.append(silent.pop(0))
    payer = run.source.request_payer
    requests = [
        tagging_request(run.bucket, keys[row], versions[row], request_payer=payer) for row in wanted
    ]
    answers = read_taggings(await transport.ask(requests))
    statuses = answers.column("status").to_pylist()
    for row, text in zip(wanted, answers.column("object_tags").to_pylist(), strict=True):
        tags[row] = text
    untold = _count(wanted, statuses, subject, counters, "without.tagging")
    proven = _proven(statuses, proven)
    for row in silent:
        tags[row] = NO_TAGS if proven else None
    if not proven:
        counters["unknowable.ObjectTags"] += len(silent)
    return pa.array(tags, TEXT), untold, proven


def _proven(statuses: Sequence[int], proven: Permission) -> Permission:
    """One answer proves the permission; a refusal proves that it may be lacking; a lost object proves nothing."""
    if _OK in statuses:
        return True
    return False if proven is None and _FORBIDDEN in statuses else proven


def _named(run: InventoryRun, subject: pa.RecordBatch) -> tuple[list[str], list[str | None]]:
    versions = subject.column("version_id")
    if run.configuration.all_versions:
        versions = pc.fill_null(versions, "null")
    return subject.column("key").to_pylist(), versions.to_pylist()


def _count(
    rows: Sequence[int],
    statuses: Sequence[int],
    subject: pa.RecordBatch,
    counters: Counters,
    without: str,
) -> Untold:
    """The rows that were not answered: neither with what there is, nor that the store has no such thing. Counts them,
    but for an object that HEAD found refused or gone already.
    """
    headed = subject.column("head_status").to_pylist()
    untold: dict[int, Problem] = {}
    for row, status in zip(rows, statuses, strict=True):
        if status == _NOT_SUPPORTED:
            counters[without] += 1
        elif status != _OK:
            untold[row] = kind = PROBLEM_OF_STATUS.get(status, Problem.FAILED)
            counters[f"problems.{kind}"] += status != headed[row]
    return untold

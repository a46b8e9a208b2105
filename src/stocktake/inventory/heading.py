"""A batch of objects in, what HEAD says of each out; and what a HEAD that was not answered with 200 means.

A HEAD answer has no body, so its status alone says little. What it hides, a one-byte GET tells (`Call.PROOF`):

    400   SSE-C only once the store has said so; an expired token refreshes (in the transport) and the HEAD repeats
    403   refused, unless the credentials were the reason; with checksums asked for, asked once more without
    404   vanished since it was listed, unless the store knows the null version only without its name (as a 400 may say)
    else  failed
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import PROBLEM_OF_STATUS, CallPlan
from stocktake.inventory.overwriting import find_changed
from stocktake.model.errors import CredentialsError, ServerError, StoreError
from stocktake.model.fields import Source
from stocktake.model.runs import Counters, InventoryRun, Problem
from stocktake.store.failures import failure
from stocktake.store.heads import UNREADABLE, Subject, head_requests, proof_request, read_heads
from stocktake.store.requests import Answer, Request
from stocktake.store.transport import Transport

# How stores say that an object needs the customer's key: AWS InvalidRequest, Ceph InvalidArgument; both name the thing.
_SSE_C_CODES = {"InvalidRequest", "InvalidArgument", "MissingSecurityHeader"}
_SSE_C_TEXT = re.compile(r"server[ -]side encryption|customer.provided|sse-c", re.IGNORECASE)

# Counts objects of which HEAD tells nothing but SSE-C to those who lack the customer's key.
HIDDEN = "hidden_by_sse_c"
SSE_C = "SSE-C"

_OK, _BAD, _FORBIDDEN, _MISSING = 200, 400, 403, 404


@dataclass(frozen=True, slots=True)
class Heads:
    """One row an object: `batch` in HEADS_SCHEMA, whether the object was overwritten since it was listed, `untold`: the
    rows, by their places, of which HEAD told nothing, and why; and `unsummed`: those of which it told all but the
    checksums that were asked for.
    """

    batch: pa.RecordBatch
    changed: pa.Array
    untold: Mapping[int, Problem]
    unsummed: frozenset[int]


class _Round:
    """One batch under way: its subjects, the latest answer to each, and what the refusals turned out to mean."""

    def __init__(
        self, run: InventoryRun, subjects: Sequence[Subject], transport: Transport
    ) -> None:
        self._run = run
        self._transport = transport
        self.subjects = list(subjects)
        self.answers: list[Answer] = []
        self.doubtful: list[int] = []  # all rows whose answer is not 200, and a few others
        self.sse_c: set[int] = set()

    @property
    def renewals(self) -> int:
        """How often credentials were renewed so far: who is refused meanwhile may not be refused again."""
        return self._transport.renewals

    async def ask(self) -> None:
        """Ask about every subject for the first time."""
        self.answers = await self._transport.ask(self._heads(self.subjects))
        self.doubtful = [row for row, answer in enumerate(self.answers) if answer.status != _OK]

    def _heads(self, subjects: Iterable[Subject]) -> list[Request]:
        payer = self._run.source.request_payer
        return head_requests(self._run.bucket, subjects, request_payer=payer)

    def with_status(self, status: int) -> list[int]:
        """The rows that were answered with `status`, which is not 200, in order."""
        answers = self.answers
        return [
            row
            for row in self.doubtful
            if answers[row].status == status and answers[row].error is None
        ]

    async def repeat(
        self, rows: Iterable[int], change: Callable[[Subject], Subject] = lambda same: same
    ) -> None:
        """Ask again about `rows`, each subject changed by `change`; the new answers count."""
        chosen = list(rows)
        if not chosen:
            return
        for row in chosen:
            self.subjects[row] = change(self.subjects[row])
        answers = await self._transport.ask(self._heads(self.subjects[row] for row in chosen))
        for row, answer in zip(chosen, answers, strict=True):
            self.answers[row] = answer
        self.doubtful = sorted({*self.doubtful, *chosen})

    def read(self) -> pa.RecordBatch:
        """What the answers say. One whose lines are no headers is a failure from now on."""
        batch = read_heads(self.answers)
        for row in _true_rows(pc.equal(batch.column("status"), UNREADABLE)):
            error = ServerError(
                f"the answer about {self.subjects[row].key} holds lines that are no headers"
            )
            self.answers[row] = Answer(UNREADABLE, b"", b"", error=error)
            self.doubtful.append(row)
        return batch

    async def prove(self, rows: Sequence[int]) -> list[Answer]:
        """The one-byte GET about each of `rows`; its error code says what the HEAD could not."""
        payer = self._run.source.request_payer
        requests = [
            proof_request(
                self._run.bucket,
                self.subjects[r].key,
                self.subjects[r].version,
                request_payer=payer,
            )
            for r in rows
        ]
        return await self._transport.ask(requests)


async def fetch_heads(
    run: InventoryRun,
    plan: CallPlan,
    listed: pa.RecordBatch,
    transport: Transport,
    counters: Counters,
    *,
    since_s: float,
) -> Heads:
    """What HEAD says of each row of `listed` (LISTED_SCHEMA without delete markers), in its order; the listing began at
    `since_s`, in seconds since 1970.

    Counts the problems `refused`, `failed`, `vanished` and `changed`, and HIDDEN.

    Raises:
        CredentialsError: the store no longer accepts who asks, whatever the object.
    """
    subjects = _subjects(run, plan, listed)
    asked = _Round(run, subjects, transport)
    await asked.ask()
    summed = {row for row in asked.doubtful if asked.subjects[row].checksum}
    await _settle_forbidden(asked)
    await _settle_bad(asked)
    await _ask_unnamed(asked)
    batch = asked.read()
    changed = await find_changed(run, listed, batch, transport, since_s=since_s)
    if plan.checksums and (
        lacking := [r for r in _true_rows(changed) if not asked.subjects[r].checksum]
    ):
        # The row is to be HEAD's alone, so HEAD must tell the checksums that listing had told.
        await asked.repeat(
            lacking, lambda subject: Subject(subject.key, subject.version, checksum=True)
        )
        batch = asked.read()
    counters[f"problems.{Problem.CHANGED}"] += pc.sum(changed, min_count=0).as_py()
    if hides_more(run):
        counters[HIDDEN] += len(asked.sse_c)
    untold = _untold(asked)
    counters.update(f"problems.{problem}" for problem in untold.values())
    unsummed = frozenset(row for row in summed - untold.keys() if not asked.subjects[row].checksum)
    return Heads(_with_sse_c(batch, asked.sse_c), changed, untold, unsummed)


def _subjects(run: InventoryRun, plan: CallPlan, listed: pa.RecordBatch) -> list[Subject]:
    keys = listed.column("key").to_pylist()
    if run.configuration.all_versions:
        versions: list[str | None] = pc.fill_null(listed.column("version_id"), "null").to_pylist()
    else:
        versions = [None] * len(keys)
    lacking = pa.repeat(pa.scalar(False), len(keys))  # noqa: FBT003
    for name in plan.checksums:
        if name in listed.schema.names:
            lacking = pc.or_(lacking, pc.is_null(listed.column(name)))
        else:
            lacking = pa.repeat(pa.scalar(True), len(keys))  # noqa: FBT003
    return list(map(Subject._make, zip(keys, versions, lacking.to_pylist(), strict=True)))


async def _settle_forbidden(asked: _Round) -> None:
    """Make sure that what is forbidden is the object, and neither its checksum nor the one who asks: an expired token
    refuses everything.
    """
    forbidden = asked.with_status(_FORBIDDEN)
    if not forbidden:
        return
    renewed_before = asked.renewals
    [proof] = await asked.prove(forbidden[-1:])
    _raise_if_credentials(proof)
    if asked.renewals != renewed_before:
        await asked.repeat(forbidden)
    await asked.repeat(
        (row for row in asked.with_status(_FORBIDDEN) if asked.subjects[row].checksum),
        lambda subject: Subject(subject.key, subject.version, checksum=False),
    )
    if _readable(proof):
        await asked.repeat(asked.with_status(_FORBIDDEN))


async def _settle_bad(asked: _Round) -> None:
    """Tell SSE-C from every other 400, each by its own proof."""
    bad = asked.with_status(_BAD)
    if not bad:
        return
    renewed_before = asked.renewals
    proofs = dict(zip(bad, await asked.prove(bad), strict=True))
    for proof in proofs.values():
        _raise_if_credentials(proof)
    asked.sse_c.update(row for row, proof in proofs.items() if _says_sse_c(proof))
    renewed = asked.renewals != renewed_before
    await asked.repeat(
        row
        for row, proof in proofs.items()
        if row not in asked.sse_c and (renewed or _readable(proof))
    )
    for row, proof in proofs.items():
        if (
            row not in asked.sse_c
            and proof.status in (_FORBIDDEN, _MISSING)
            and asked.answers[row].status == _BAD
        ):
            asked.answers[row] = Answer(proof.status, b"", b"")


async def _ask_unnamed(asked: _Round) -> None:
    """Ask without a version for null versions that the store does not know by that name; moto answers 404 or 400.

    What is current may be another version by now, or all along: its answer says nothing of the null one.
    """
    rows = [
        row
        for row in (*asked.with_status(_MISSING), *asked.with_status(_BAD))
        if asked.subjects[row].version == "null" and row not in asked.sse_c
    ]
    if not rows:
        return
    named = [(row, asked.subjects[row], asked.answers[row]) for row in rows]
    await asked.repeat(rows, lambda subject: Subject(subject.key, None, checksum=subject.checksum))
    versions = read_heads([asked.answers[row] for row in rows]).column("version_id").to_pylist()
    for (row, subject, answer), version in zip(named, versions, strict=True):
        if version is not None or asked.answers[row].status != _OK:
            asked.subjects[row], asked.answers[row] = subject, answer


def _readable(proof: Answer) -> bool:
    """Whether the store let the object be read, so that the HEAD was refused for a passing reason."""
    # An empty object has no first byte.
    return proof.error is None and (
        proof.status < _BAD or proof.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    )


def _raise_if_credentials(proof: Answer) -> None:
    error = _failure(proof)
    if isinstance(error, CredentialsError):
        raise error


def _failure(proof: Answer) -> StoreError | None:
    if proof.error is not None:
        return proof.error
    return (
        failure(proof.status, proof.body, proof.headers, "cannot read an object")
        if proof.status >= _BAD
        else None
    )


def _says_sse_c(proof: Answer) -> bool:
    error = _failure(proof)
    return (
        error is not None
        and proof.status == _BAD
        and error.code in _SSE_C_CODES
        and _SSE_C_TEXT.search(proof.body.decode("utf-8", "replace")) is not None
    )


def _true_rows(mask: pa.Array) -> list[int]:
    return list(pc.indices_nonzero(mask).to_pylist())


def _with_sse_c(batch: pa.RecordBatch, rows: set[int]) -> pa.RecordBatch:
    if not rows:
        return batch
    mask = pa.array([row in rows for row in range(batch.num_rows)])
    position = batch.schema.get_field_index("encryption_status")
    told = pc.if_else(mask, SSE_C, batch.column(position))
    return batch.set_column(position, batch.schema.field(position), told)


def _untold(asked: _Round) -> dict[int, Problem]:
    """The rows that HEAD was not answered about, but for those of which SSE-C is known, and why."""
    untold: dict[int, Problem] = {}
    for row in asked.doubtful:
        answer = asked.answers[row]
        if answer.status != _OK and row not in asked.sse_c:
            kind = PROBLEM_OF_STATUS.get(answer.status, Problem.FAILED)
            untold[row] = kind if answer.error is None else Problem.FAILED
    return untold


def hides_more(run: InventoryRun) -> bool:
    """Whether the run asks HEAD for more than SSE-C lets it tell."""
    return any(f.source is Source.HEAD and f.column != "encryption_status" for f in run.fields)

"""What a run would ask of the source, tried on a page and a few objects: one Finding after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import TypeAlias

import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan, call_plan
from stocktake.inventory.permissions import LOCK_PERMISSIONS, ask_lock, proves
from stocktake.model.checks import CHECKS, Check, Finding, Outcome
from stocktake.model.configuration import bucket_arn
from stocktake.model.errors import AccessDeniedError, StoreError
from stocktake.model.runs import InventoryRun
from stocktake.store.client import Client
from stocktake.store.heads import head_request
from stocktake.store.probe_pages import Asking, ProbedPage
from stocktake.store.requests import Answer, Request
from stocktake.store.subresources import acl_request, read_acls, read_taggings, tagging_request
from stocktake.store.transport import Transport

SAMPLE_OBJECTS = 5
# That an object has gone since it was listed tells nothing, and that it wants its owner's own key (SSE-C) is an answer.
_TELLS_NOTHING = (HTTPStatus.NOT_FOUND,)
_TOLD = (HTTPStatus.OK, HTTPStatus.BAD_REQUEST)
_LACKING = (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.METHOD_NOT_ALLOWED)

# A key and its version, "null" for the null version; None where current objects are asked for.
Subject: TypeAlias = tuple[str, str | None]


def source_checks(run: InventoryRun) -> tuple[Check, ...]:
    """The questions that the run raises about its source."""
    plan = call_plan(run.fields)
    asked = {
        Check.LIST: True,
        Check.VERSIONING: run.configuration.all_versions,
        Check.HEAD: plan.head,
        Check.LOCK: bool(_lock_permissions(run)),
        Check.ACL: plan.acl,
        Check.TAGGING: plan.tagging,
    }
    return tuple(check for check, wanted in asked.items() if wanted)


def source_findings(run: InventoryRun, transport: Transport, client: Client) -> Iterator[Finding]:
    """Try what `source_checks` names. Where the listing fails, or is empty, there is nothing to try the rest on."""
    plan, trial = call_plan(run.fields), _SourceTrial(run, transport, client)
    page = None
    try:
        page = trial.page(plan)
    except StoreError as error:
        yield trial.failed(Check.LIST, error)
    if page is None:
        return
    yield trial.listed(page)
    if run.configuration.all_versions:
        yield trial.versioning()
    subjects = trial.sample(page)
    for check in source_checks(run):
        if check in (Check.LIST, Check.VERSIONING):
            continue
        if not subjects:
            yield Finding(
                check=check, outcome=Outcome.UNKNOWN, evidence="there is no object to try it on"
            )
        else:
            yield trial.tried(check, subjects)


class _SourceTrial:
    def __init__(self, run: InventoryRun, transport: Transport, client: Client) -> None:
        self._run = run
        self._transport = transport
        self._client = client
        self._all_versions = run.configuration.all_versions

    def page(self, plan: CallPlan) -> ProbedPage:
        """The first page, asked for as a run does."""
        run = self._run
        asking = Asking(
            self._transport,
            run.bucket,
            run.configuration.prefix,
            request_payer=run.source.request_payer,
        )
        return asking.page(versions=self._all_versions, owner=plan.owner, restore=plan.restore)

    def listed(self, page: ProbedPage) -> Finding:
        rows = page.page.batch.num_rows
        what = "versions" if self._all_versions else "objects"
        return Finding(check=Check.LIST, outcome=Outcome.OK, evidence=f"a page of {rows:,} {what}")

    def versioning(self) -> Finding:
        """That there are none, or that nobody says, is no failure: the listing of versions is what counts."""
        said = {
            True: "it does, or did",
            False: f"it does not: {CHECKS[Check.VERSIONING].if_no}",
            None: "the store does not say",
        }[self._client.bucket_versioned(self._run.bucket)]
        return Finding(check=Check.VERSIONING, outcome=Outcome.OK, evidence=said)

    def sample(self, page: ProbedPage) -> Sequence[Subject]:
        """A few objects, spread over the page."""
        batch = page.page.batch
        live = batch.filter(pc.invert(batch.column("is_delete_marker")))
        keys = live.column("key").to_pylist()
        versions = live.column("version_id").to_pylist()
        count = min(SAMPLE_OBJECTS, len(keys))
        chosen = [index * len(keys) // count for index in range(count)]
        return [(keys[i], (versions[i] or "null") if self._all_versions else None) for i in chosen]

    def tried(self, check: Check, subjects: Sequence[Subject]) -> Finding:
        """What a kind of call about these objects shows."""
        if check is Check.LOCK:
            return self._locks(subjects[0])
        answers = self._transport.exchange([self._request(check, each) for each in subjects])
        return self._judged(check, _READERS[check](answers), answers)

    def _request(self, check: Check, subject: Subject) -> Request:
        key, version = subject
        bucket, payer = self._run.bucket, self._run.source.request_payer
        if check is Check.HEAD:
            checksum = bool(call_plan(self._run.fields).checksums)
            return head_request(bucket, key, version, checksum=checksum, request_payer=payer)
        request = acl_request if check is Check.ACL else tagging_request
        return request(bucket, key, version, request_payer=payer)

    def _judged(self, check: Check, statuses: Sequence[int], answers: Sequence[Answer]) -> Finding:
        telling = [status for status in statuses if status not in _TELLS_NOTHING]
        wrong = [status for status in telling if status not in _TOLD]
        if not telling:
            return Finding(
                check=check, outcome=Outcome.UNKNOWN, evidence="the objects had gone meanwhile"
            )
        if not wrong:
            evidence = f"{len(telling)} of {len(telling)} were answered"
            return Finding(check=check, outcome=Outcome.OK, evidence=evidence)
        evidence = f"{len(wrong)} of {len(telling)} were not: {_shown(wrong)}"
        if all(status in _LACKING for status in wrong):
            remedy = f"the store has no such thing: {CHECKS[check].if_no}; leave the field out"
            return Finding(check=check, outcome=Outcome.FAILED, evidence=evidence, remedy=remedy)
        if HTTPStatus.FORBIDDEN in wrong:
            remedy = self._allow(
                CHECKS[check].permission(all_versions=self._all_versions), objects=True
            )
            if len(wrong) < len(telling):
                remedy += "; or they belong to somebody else, or a key service guards them"
            return Finding(check=check, outcome=Outcome.FAILED, evidence=evidence, remedy=remedy)
        error = next((each.error for each in answers if each.error is not None), None)
        return Finding(
            check=check,
            outcome=Outcome.UNKNOWN if error is not None and error.retryable else Outcome.FAILED,
            evidence=evidence if error is None else error.message,
            remedy="" if error is None else error.hint,
        )

    def _locks(self, subject: Subject) -> Finding:
        if self._client.has_object_lock(self._run.bucket) is False:
            evidence = "the bucket has no Object Lock, so nothing is locked"
            return Finding(check=Check.LOCK, outcome=Outcome.OK, evidence=evidence)
        refused = []
        for permission in _lock_permissions(self._run):
            answer = ask_lock(self._run, permission, subject, self._transport)
            if answer.status == HTTPStatus.FORBIDDEN:
                refused.append(permission)
            elif not proves(answer, permission):
                evidence = f"a lock was asked for, and {answer.status} came"
                return Finding(check=Check.LOCK, outcome=Outcome.UNKNOWN, evidence=evidence)
        if not refused:
            evidence = "of an object it was told, or that it has none"
            return Finding(check=Check.LOCK, outcome=Outcome.OK, evidence=evidence)
        return Finding(
            check=Check.LOCK,
            outcome=Outcome.FAILED,
            evidence="403: " + CHECKS[Check.LOCK].if_no,
            remedy=self._allow(" and ".join(refused), objects=True),
        )

    def failed(self, check: Check, error: StoreError) -> Finding:
        """What an error means."""
        remedy = error.hint
        if isinstance(error, AccessDeniedError):
            remedy = self._allow(
                CHECKS[check].permission(all_versions=self._all_versions), objects=False
            )
        outcome = Outcome.UNKNOWN if error.retryable else Outcome.FAILED
        return Finding(check=check, outcome=outcome, evidence=error.message, remedy=remedy)

    def _allow(self, action: str, *, objects: bool) -> str:
        resource = bucket_arn(self._run.bucket)
        if objects:
            resource += f"/{self._run.configuration.prefix}*"
        return f"allow {action} on {resource}"


def _lock_permissions(run: InventoryRun) -> list[str]:
    needed = {field.permission for field in run.fields}
    return [permission for permission in LOCK_PERMISSIONS if permission in needed]


def _statuses(answers: Sequence[Answer]) -> list[int]:
    return [answer.status for answer in answers]


# The status of each answer; where the store sends something else in its place, that is 501.
_READERS: dict[Check, Callable[[Sequence[Answer]], Sequence[int]]] = {
    Check.HEAD: _statuses,
    Check.ACL: lambda answers: read_acls(answers).column("status").to_pylist(),
    Check.TAGGING: lambda answers: read_taggings(answers).column("status").to_pylist(),
}


def _shown(statuses: Sequence[int]) -> str:
    return ", ".join(str(status) if status else "no answer" for status in sorted(set(statuses)))

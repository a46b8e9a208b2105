"""What a run would do at the destination, tried with one small object: one Finding after the other.

What is written is removed again, whatever happens, and nothing is written that could not be.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from stocktake.model.addresses import LocalAddress
from stocktake.model.checks import CHECKS, Check, Finding, Outcome
from stocktake.model.configuration import bucket_arn
from stocktake.model.errors import (
    AccessDeniedError,
    DestinationError,
    EncryptionNotAppliedError,
    InventoryError,
    NoSuchBucketError,
    StoreError,
)
from stocktake.model.policies import OWNER_FULL_CONTROL
from stocktake.model.runs import InventoryRun
from stocktake.store.folders import FolderDestination
from stocktake.store.trial import BucketTrial
from stocktake.store.writing import WriteOptions

_KEY_ACTIONS = "kms:GenerateDataKey and kms:Decrypt"


def destination_checks(run: InventoryRun) -> tuple[Check, ...]:
    """The questions that the run raises about its destination."""
    if isinstance(run.address, LocalAddress):
        return (Check.WRITE,)
    encrypted = write_options(run).algorithm is not None
    encryption = (Check.ENCRYPTION,) if encrypted else ()
    return (
        Check.DESTINATION, Check.WRITE, Check.READ, *encryption, Check.MULTIPART, Check.DELETE,
    )  # fmt: skip


def write_options(run: InventoryRun) -> WriteOptions:
    """What the run asks for with every object that it writes."""
    return WriteOptions(run.configuration.delivery.encryption, run.owner_full_control)


def folder_findings(address: LocalAddress, bucket: str, key: str) -> Generator[Finding, None, None]:
    """Try to write a file beside `key`."""
    try:
        FolderDestination(address.path, bucket).check_writable(key)
    except DestinationError as error:
        yield _finding(Check.WRITE, Outcome.FAILED, error.message, error.hint)
    else:
        yield _finding(Check.WRITE, Outcome.OK, f"a file below {address.path}")


def bucket_findings(run: InventoryRun, trial: BucketTrial, folder: str) -> Iterator[Finding]:
    """Try what `destination_checks` names, but for the removal of what was written, of which `removed` is to tell: that
    happens when this ends. `folder` is the key below which all of the run's files lie.
    """
    options, judge = write_options(run), _Judge(run, folder)
    try:
        trial.look()
    except StoreError as error:
        yield judge.failed(Check.DESTINATION, error)
        if isinstance(error, NoSuchBucketError) or error.retryable:
            return
    else:
        yield _finding(Check.DESTINATION, Outcome.OK, "the store knows the bucket")
    why = _irremovable(trial, judge)
    not_aborted = _not_aborted(trial, judge)
    if why is None:
        yield from _tried(trial, options, judge, not_aborted)
    else:
        if not_aborted is None:
            yield from _tried_in_parts(trial, options, judge)
        else:
            evidence = "whatever was written could not be removed again, so nothing was"
            remedy = f"{judge.allow(CHECKS[Check.WRITE].action)}, and the actions below"
            yield _finding(Check.WRITE, Outcome.UNKNOWN, evidence, remedy)
        yield why
    if not_aborted is not None:
        yield not_aborted


def _tried(
    trial: BucketTrial, options: WriteOptions, judge: _Judge, not_aborted: Finding | None
) -> Iterator[Finding]:
    """Write an object and read it, then the same in parts."""
    try:
        trial.put(options)
    except StoreError as error:
        yield judge.write_failed(error, None if not_aborted else trial, options)
        return
    yield _finding(Check.WRITE, Outcome.OK, f"an object of a few bytes{_asked(options)}")
    yield judge.read(trial)
    if options.algorithm is not None:
        yield judge.encryption(trial, options)
    if not_aborted is None:
        yield judge.multipart(trial, options)


def removed(run: InventoryRun, folder: str, left: tuple[str, ...]) -> Finding:
    """What it means that `left` could not be removed, or that all could."""
    if not left:
        return _finding(Check.DELETE, Outcome.OK, "nothing is left of what was written")
    remedy = _Judge(run, folder).allow(CHECKS[Check.DELETE].action)
    return _finding(Check.DELETE, Outcome.FAILED, f"left: {'; '.join(left)}", remedy)


def _irremovable(trial: BucketTrial, judge: _Judge) -> Finding | None:
    """Why what is written could not be removed again, as far as that can be told beforehand; None where it can."""
    try:
        if trial.locks_by_default():
            evidence = "the bucket locks what is written, so no object was"
            return _finding(Check.DELETE, Outcome.UNKNOWN, evidence)
    except StoreError as error:
        evidence = f"perhaps the bucket locks what is written, so no object was: {error.message}"
        remedy = judge.allow("s3:GetBucketObjectLockConfiguration", objects=False)
        return _finding(Check.DELETE, Outcome.UNKNOWN, evidence, remedy)
    try:
        trial.rehearse_removal()
    except StoreError as error:
        return judge.failed(Check.DELETE, error)
    return None


def _not_aborted(trial: BucketTrial, judge: _Judge) -> Finding | None:
    """Why an upload that was begun could not be aborted; None where it can. Else it would stay, so none is begun."""
    try:
        trial.rehearse_abort()
    except StoreError as error:
        return judge.failed(Check.MULTIPART, error)
    return None


def _tried_in_parts(trial: BucketTrial, options: WriteOptions, judge: _Judge) -> Iterator[Finding]:
    """Write a part of an upload, and abort it: that shows as much as can be shown where no object may be written."""
    try:
        known = trial.upload(options, complete=False)
    except StoreError as error:
        yield judge.write_failed(error, trial, options)
    else:
        if known:
            evidence = f"a part of an upload{_asked(options)}, which was aborted"
            yield _finding(Check.WRITE, Outcome.OK, evidence)
            yield _finding(Check.MULTIPART, Outcome.OK, "the same")
        else:
            yield _finding(Check.WRITE, Outcome.UNKNOWN, "the store has no multipart uploads")


class _Judge:
    """What outcomes mean, with what to change."""

    def __init__(self, run: InventoryRun, folder: str) -> None:
        delivery = run.configuration.delivery
        self._bucket = bucket_arn(delivery.bucket_name)
        if not isinstance(run.address, LocalAddress):
            self._bucket = bucket_arn(run.address.bucket)
        self._folder = folder

    def allow(self, action: str, *, objects: bool = True) -> str:
        """The change that lets an action be done."""
        return f"allow {action} on {self._bucket}{f'/{self._folder}/*' if objects else ''}"

    def failed(self, check: Check, error: InventoryError) -> Finding:
        """What an error means."""
        remedy = error.hint
        if isinstance(error, AccessDeniedError):
            objects = check is not Check.DESTINATION
            remedy = (
                f"{self.allow(CHECKS[check].action, objects=objects)}; `stocktake policy` prints it"
            )
        retryable = isinstance(error, StoreError) and error.retryable
        outcome = Outcome.UNKNOWN if retryable else Outcome.FAILED
        return _finding(check, outcome, error.message, remedy)

    def read(self, trial: BucketTrial) -> Finding:
        """Whether what was put can be had again."""
        try:
            same = trial.read()
        except InventoryError as error:
            return self.failed(Check.READ, error)
        if same:
            return _finding(Check.READ, Outcome.OK, "the same bytes")
        return _finding(Check.READ, Outcome.FAILED, "other bytes than were written came back")

    def encryption(self, trial: BucketTrial, options: WriteOptions) -> Finding:
        """Whether it is encrypted as was asked for."""
        try:
            trial.check_encryption(options)
        except EncryptionNotAppliedError as error:
            return _finding(Check.ENCRYPTION, Outcome.FAILED, error.message, error.hint)
        except StoreError as error:
            return self.failed(Check.ENCRYPTION, error)
        return _finding(Check.ENCRYPTION, Outcome.OK, f"HEAD says {options.algorithm}")

    def multipart(self, trial: BucketTrial, options: WriteOptions) -> Finding:
        """Whether uploads in parts can be completed, and aborted."""
        try:
            known = trial.upload(options, complete=True) and trial.upload(options, complete=False)
        except StoreError as error:
            return self.failed(Check.MULTIPART, error)
        if not known:
            evidence = f"the store has none: {CHECKS[Check.MULTIPART].if_no}"
            return _finding(Check.MULTIPART, Outcome.UNKNOWN, evidence)
        return _finding(Check.MULTIPART, Outcome.OK, "one was completed, one was aborted")

    def write_failed(
        self, error: StoreError, trial: BucketTrial | None, options: WriteOptions
    ) -> Finding:
        """What is in the way of writing: the ACL or the encryption, if it works without, as far as `trial` may show."""
        found = self.failed(Check.WRITE, error)
        if trial is None or error.retryable or isinstance(error, NoSuchBucketError):
            return found
        if not _works(trial, options):
            for without, remedy in self._fewer(options):
                if _works(trial, without):
                    return found.model_copy(update={"remedy": remedy})
        if options.kms_key_id is not None and found.remedy:
            remedy = f"{found.remedy}; and let the key {options.kms_key_id} be used: {_KEY_ACTIONS}"
            return found.model_copy(update={"remedy": remedy})
        return found

    def _fewer(self, options: WriteOptions) -> Iterator[tuple[WriteOptions, str]]:
        """Options that ask for less, each with what to change where writing works with them."""
        if options.owner_full_control:
            remedy = (
                f"without the ACL {OWNER_FULL_CONTROL} it works: {self.allow('s3:PutObjectAcl')}, or, where the store"
                " knows no ACLs, leave the AccountId and --owner-full-control away"
            )
            yield replace(options, owner_full_control=False), remedy
        if options.algorithm is not None:
            key = options.kms_key_id
            remedy = (
                f"without encryption it works: the store must know the key {key}, which must allow {_KEY_ACTIONS}"
                if key is not None
                else "without encryption it works: the store knows no SSE-S3"
            )
            yield replace(options, encryption=None), remedy


def _works(trial: BucketTrial, options: WriteOptions) -> bool:
    """Whether a part of an upload can be written so; it is aborted, as perhaps no object could be removed."""
    try:
        return trial.upload(options, complete=False)
    except StoreError:
        return False


def _asked(options: WriteOptions) -> str:
    words = [
        *([options.algorithm] if options.algorithm else []),
        *([f"the ACL {OWNER_FULL_CONTROL}"] if options.owner_full_control else []),
    ]
    return f" with {' and '.join(words)}" if words else ""


def _finding(check: Check, outcome: Outcome, evidence: str, remedy: str = "") -> Finding:
    return Finding(check=check, outcome=outcome, evidence=evidence, remedy=remedy)

"""Every error stocktake raises on purpose, and what each one means for who meets it.

    InventoryError                      exit 1
    ├── UsageError                      exit 2: what was asked for makes no sense
    │   ├── AddressError                an s3:// address, an ARN or a path that is none
    │   ├── ConfigurationError          an InventoryConfiguration AWS would refuse
    │   │   ├── IdMismatchError         it is put under another Id than its own
    │   │   ├── InvalidIdError          an Id, a prefix or a key that no configuration can have
    │   │   └── BucketArnError          its destination is no bucket's ARN
    │   ├── AccessKeysError             a file of access keys that cannot be used
    │   ├── ContinuationTokenError      a token that no list gave
    │   ├── OptionsError                options beside a configuration that make no sense
    │   ├── NoSuchRunError              no scheduled run is called so
    │   ├── NoSuchTokenError            no token has that Id
    │   ├── UnknownFieldError           a field that no report has
    │   └── QueryError                  SQL that cannot run, or asks for a field the report lacks
    ├── StoreError                      the store was asked and did not do it
    │   ├── UnreachableError            again: no connection, a stall, a reset
    │   ├── ThrottledError              again: 503 SlowDown, 429
    │   ├── ServerError                 again: any other 5xx, a truncated or malformed answer
    │   ├── ExpiredTokenError           again, once the credentials are fetched anew
    │   ├── CertificateError            the store's TLS certificate is not trusted
    │   ├── CredentialsError            none found, or the store does not accept them
    │   ├── AccessDeniedError           known, and not allowed
    │   ├── NoSuchBucketError
    │   ├── NoSuchKeyError              no such object or version
    │   ├── RequestRefusedError         any other 4xx
    │   └── ContradictionError          the store said two things that cannot both be true
    │       └── MarkerIgnoredError      a page begins at or before the key that it was to begin behind
    ├── DestinationError                the report cannot be delivered there
    │   ├── ReportExistsError           a published report is never overwritten
    │   └── EncryptionNotAppliedError   the store took the request for encryption and ignored it
    ├── SpoolError                      no room, or no right, to keep rows on this machine
    ├── LedgerError                     the ledger of runs cannot be read or written
    ├── RunStateError                   a run is not in the state for that: worked on, or over
    ├── NobodyWorksError                there is a server, and no worker
    ├── WorkerLostError                 a process of a run was killed, or does not answer
    ├── UnauthenticatedError            a request that nobody signed, or not so, or not now
    ├── NotAllowedError                 who asks is known, and their key does not cover it
    ├── NoSuchConfigurationError        the bucket has no inventory configuration of that Id
    ├── BucketChangedError              the bucket that a configuration was put for is gone, or another's
    ├── TooManyConfigurationsError      the bucket has as many as it may have
    ├── ReportError                     a report that cannot be trusted or read
    │   ├── NoReportError               there is none at that address
    │   ├── ManifestError               the manifest is not one, or its checksum disagrees
    │   └── DataFileError               a data file is missing, short or damaged
    ├── IncompleteRunError              something was missed, so nothing was published
    ├── StoppedError                    exit 129 / 130 / 143: a signal asked to stop
    └── UndecidedError                  exit 3: the question cannot be answered from what is known

A message names the thing, what was found and what was expected; `hint` is the way out. Whatever raises an error, no
URL in it shows a secret. `retryable` says whether the same request may succeed when it is sent again; nothing else
decides that.
"""

from __future__ import annotations

from typing import ClassVar

from stocktake.model.secrets import without_secrets


class InventoryError(Exception):
    """Anything stocktake refuses or fails to do."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = without_secrets(message)
        self.hint = without_secrets(hint)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes whole: the default would drop the keyword arguments."""
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(
    kind: type[InventoryError], args: tuple[object, ...], state: dict[str, object]
) -> InventoryError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(InventoryError):
    """What was asked for makes no sense; asking again will not help."""

    exit_code = 2


class AddressError(UsageError):
    """An address that is neither `s3://bucket[/prefix]` nor a folder."""


class ConfigurationError(UsageError):
    """A document that AWS would not accept as an InventoryConfiguration."""


class IdMismatchError(ConfigurationError):
    """The document's Id is not the one that it is put under."""


class InvalidIdError(ConfigurationError):
    """A value that the schema allows and no configuration can have: an Id with a slash, a prefix of a megabyte."""


class BucketArnError(ConfigurationError):
    """The destination is not the ARN of a bucket."""


class AccessKeysError(UsageError):
    """A file of access keys that cannot be used."""


class ContinuationTokenError(UsageError):
    """A continuation token that no list gave."""


class OptionsError(UsageError):
    """Options beside a configuration that make no sense."""


class NoSuchRunError(UsageError):
    """No scheduled run is called so."""


class NoSuchTokenError(UsageError):
    """No token has that Id."""


class UnknownFieldError(UsageError):
    """A field that no report has."""


class QueryError(UsageError):
    """SQL that cannot be answered from this report."""


class StoreError(InventoryError):
    """The store was asked and did not do it. `code` is the S3 error code, `status` the HTTP status, where known."""

    def __init__(self, message: str, *, hint: str = "", code: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status


class UnreachableError(StoreError):
    """No connection, a stall or a reset."""

    retryable = True


class ThrottledError(StoreError):
    """The store asks for fewer requests."""

    retryable = True


class ServerError(StoreError):
    """The store failed, or its answer arrived damaged."""

    retryable = True


class ExpiredTokenError(StoreError):
    """The session token is no longer valid; fetch the credentials anew, then ask again."""

    retryable = True


class CertificateError(StoreError):
    """The TLS certificate of the store, or of the proxy before it, is not trusted."""


class CredentialsError(StoreError):
    """No credentials were found, or the store does not accept them."""


class AccessDeniedError(StoreError):
    """The store knows who asks and does not allow it."""


class NoSuchBucketError(StoreError):
    """There is no bucket of that name on that store."""


class NoSuchKeyError(StoreError):
    """There is no such object or version."""


class RequestRefusedError(StoreError):
    """The store refuses the request for a reason of its own."""


class ContradictionError(StoreError):
    """The store said two things that cannot both be true, so its listing cannot be trusted."""


class MarkerIgnoredError(ContradictionError):
    """A page begins at the key that it was to begin behind (`inclusive`), or before it. `guessed`: nobody had listed
    that key. `unable`: the store has never yet done better, so it does not lie, it cannot begin a page anywhere.
    """

    inclusive: bool = False
    guessed: bool = False
    unable: bool = False


class DestinationError(InventoryError):
    """The report cannot be delivered there."""


class ReportExistsError(DestinationError):
    """A published report is never overwritten."""


class EncryptionNotAppliedError(DestinationError):
    """The store accepted the request for encryption and stored the file without it."""


class SpoolError(InventoryError):
    """No room, or no right, to keep rows on this machine until they are delivered."""


class LedgerError(InventoryError):
    """The ledger of runs cannot be read or written."""


class RunStateError(InventoryError):
    """A run is not in the state for what was asked: somebody works on it, or it is over."""


class NobodyWorksError(InventoryError):
    """No worker is there that would take the inventories that are due."""


class WorkerLostError(InventoryError):
    """A process of a run was killed, or does not answer. Nothing is wrong with the store, so the run can go on."""


class UnauthenticatedError(InventoryError):
    """A request that nobody signed, or not so, or not now. `code` is the S3 error code."""

    def __init__(self, message: str, *, hint: str = "", code: str = "AccessDenied") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class NotAllowedError(InventoryError):
    """Who asks is known, and their key does not cover it."""


class NoSuchConfigurationError(InventoryError):
    """The bucket has no inventory configuration of that Id."""


class BucketChangedError(InventoryError):
    """The bucket that a configuration was put for is gone, or somebody else's by now."""


class TooManyConfigurationsError(InventoryError):
    """The bucket has as many inventory configurations as it may have."""


class ReportError(InventoryError):
    """A report that cannot be read or trusted."""


class NoReportError(ReportError):
    """There is no published report at that address."""


class ManifestError(ReportError):
    """The manifest is not one, or its checksum disagrees."""


class DataFileError(ReportError):
    """A data file is missing, short or damaged."""


class IncompleteRunError(InventoryError):
    """Something was missed, so nothing was published."""


class StoppedError(InventoryError):
    """A signal asked the run to stop; `exit_code` is 128 plus its number, as shells expect."""

    def __init__(self, message: str, *, hint: str = "", signal_number: int = 2) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number  # type: ignore[misc]


class UndecidedError(InventoryError):
    """The question cannot be answered from what is known."""

    exit_code = 3

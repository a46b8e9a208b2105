"""What an audit holds objects to: a policy file, in TOML.

fail_on = "high"
audits = ["not-encrypted", "wrong-encryption", "not-locked"]

[thresholds]
retention_ending_days = 60

[[expectations]]
prefix = "finance/"
encryption = ["SSE-KMS", "DSSE-KMS"]
object_lock = ["COMPLIANCE"]

[[exceptions]]
audit = "not-encrypted"
prefix = "finance/public/"
reason = "published anyway, ticket 4711"
until = 2027-03-31
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from stocktake.analysis.audits.audit import Severity
from stocktake.analysis.audits.pack import BY_NAME
from stocktake.model.errors import UsageError
from stocktake.model.fields import CHECKSUM_ALGORITHMS
from stocktake.model.prices import AWS, Prices


class FailOn(StrEnum):
    """The least severity of findings that make an audit fail; `never` makes none of them fail."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    NEVER = "never"

    def reached_by(self, severity: Severity) -> bool:
        """Whether a finding of that severity makes it fail."""
        return self is not FailOn.NEVER and severity.rank >= Severity(self.value).rank


class EncryptionStatus(StrEnum):
    """The values of the field EncryptionStatus."""

    SSE_S3 = "SSE-S3"
    SSE_KMS = "SSE-KMS"
    DSSE_KMS = "DSSE-KMS"
    SSE_C = "SSE-C"
    NOT_SSE = "NOT-SSE"


class LockMode(StrEnum):
    """The values of the field ObjectLockMode."""

    GOVERNANCE = "GOVERNANCE"
    COMPLIANCE = "COMPLIANCE"


def _known(name: str) -> str:
    if name not in BY_NAME:
        raise ValueError(f"there is no audit `{name}`; there are {', '.join(BY_NAME)}")
    return name


def _priced(name: str, info: ValidationInfo) -> str:
    """A storage class that AWS has, or the price table of a store that has others."""
    known = (info.context or {}).get("classes", AWS.storage_classes)
    if name not in known:
        raise ValueError(
            f"no price table has the storage class `{name}`; there are {', '.join(known)},"
            " and what a table of `--prices` names"
        )
    return name


def _reckoned(name: str) -> str:
    if name not in CHECKSUM_ALGORITHMS:
        raise ValueError(
            f"there is no checksum algorithm `{name}`; there are {', '.join(CHECKSUM_ALGORITHMS)}"
        )
    return name


AuditName = Annotated[str, AfterValidator(_known)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
StorageClass = Annotated[str, AfterValidator(_priced)]
StorageClasses = Annotated[tuple[StorageClass, ...], Field(min_length=1)]
Algorithms = Annotated[tuple[Annotated[str, AfterValidator(_reckoned)], ...], Field(min_length=1)]
Days = Annotated[int, Field(ge=0, le=36_500)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Thresholds(_Part):
    """The numbers that audits go by. Classes with a minimum size are AWS's own."""

    replication_pending_hours: Annotated[int, Field(ge=0, le=24 * 36_500)] = 24
    retention_ending_days: Days = 30
    archive_after_days: Days = 180
    archive_size_min: Annotated[int, Field(ge=0)] = 128 * 1024
    archive_from: StorageClasses = ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA")
    archive_class: StorageClass = "GLACIER_IR"
    minimum_size: Annotated[int, Field(ge=0)] = 128 * 1024
    minimum_size_classes: StorageClasses = ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR")
    weak_checksums: Algorithms = ("MD5", "SHA1", "CRC32", "CRC32C")
    key_bytes_max: Annotated[int, Field(ge=0)] = 900
    expiring_days: Days = 7


class Expectation(_Part):
    """What objects below a prefix should be. What the longest prefix that speaks of a matter says of
    it holds.
    """

    prefix: str
    encryption: Annotated[tuple[EncryptionStatus, ...], Field(min_length=1)] | None = None
    kms_keys: Texts | None = None
    replication: Literal[True] | None = None
    object_lock: Annotated[tuple[LockMode, ...], Field(min_length=1)] | None = None
    grantees: Texts | None = None
    owners: Texts | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Expectation:
        if not self.matters:
            names = [name for name in Expectation.model_fields if name != "prefix"]
            raise ValueError(f"it expects nothing; it may hold {', '.join(names)}")
        return self

    @property
    def matters(self) -> dict[str, tuple[str, ...]]:
        """What is expected, by the name of the matter, as texts."""
        found = {name: getattr(self, name) for name in Expectation.model_fields if name != "prefix"}
        return {
            name: tuple(map(str, value)) if isinstance(value, tuple) else ()
            for name, value in found.items()
            if value is not None
        }


class PolicyException(_Part):
    """Objects below a prefix that one audit excuses, why, and until which day (UTC, that day
    included).
    """

    audit: AuditName
    prefix: str
    reason: Text
    until: date

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return now.date() <= self.until


class Policy(_Part):
    """The whole of a policy file. Without one, every audit is asked and nothing is expected."""

    fail_on: FailOn = FailOn.MEDIUM
    audits: Annotated[tuple[AuditName, ...], Field(min_length=1)] = tuple(BY_NAME)
    thresholds: Thresholds = Thresholds()
    expectations: tuple[Expectation, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()

    @model_validator(mode="after")
    def _says_it_once(self) -> Policy:
        seen: set[tuple[str, str]] = set()
        for each in self.expectations:
            for matter in each.matters:
                if (each.prefix, matter) in seen:
                    raise ValueError(
                        f"two expectations say what `{matter}` should be below `{each.prefix}`"
                    )
                seen.add((each.prefix, matter))
        return self

    @model_validator(mode="after")
    def _can_ask_what_it_names(self) -> Policy:
        if "audits" in self.model_fields_set and self.idle:
            raise ValueError(told_idle(self.idle[0]))
        return self

    @property
    def idle(self) -> tuple[str, ...]:
        """The audits that it would ask, and that nothing is expected of."""
        return tuple(
            name
            for name in self.audits
            if (audit := BY_NAME[name]).expects
            and audit.unless is None
            and not self.expected(audit.expects)
        )

    def expected(self, matter: str) -> list[tuple[str, tuple[str, ...]]]:
        """What is expected in a matter: prefixes with values, the longest prefix first."""
        found = [
            (each.prefix, each.matters[matter])
            for each in self.expectations
            if matter in each.matters
        ]
        return sorted(found, key=lambda item: (-len(item[0]), item[0]))


DEFAULT_POLICY = Policy()


def told_idle(name: str) -> str:
    """Why an audit cannot be asked under a policy that expects nothing."""
    return (
        f"`{name}` has nothing to ask: no expectation says what `{BY_NAME[name].expects}` should be"
    )


def parse_policy(text: str, where: str, prices: Prices = AWS) -> Policy:
    """The policy in `text`, which came from `where`; it may name the storage classes of AWS and those of `prices`.

    Raises:
        UsageError: no TOML, or something in it that no policy has. It names the line and the key.
    """
    classes = dict.fromkeys((*AWS.storage_classes, *prices.storage_classes))
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the policy {where} is no TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(
            f"the policy {where} is nested too deep; expected tables of keys"
        ) from error
    try:
        return Policy.model_validate(document, context={"classes": tuple(classes)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = first["loc"]
        line = _line(text, place)
        at = f", line {line}" if line else ""
        # What TOML has no tuples of are lists to whoever writes it.
        said = (
            first["msg"]
            .removeprefix("Value error, ")
            .replace("tuple", "list")
            .replace("Tuple", "List")
        )
        raise UsageError(
            f"the policy {where} cannot be used{at}: {_dotted(place)}: {said}",
            hint="docs/audits.md says what a policy may hold",
        ) from error


def _dotted(place: Sequence[str | int]) -> str:
    """`exceptions[1].until`, counted from one as people count the tables of a file."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


_TABLE = re.compile(r"^\s*(\[\[?)\s*([\w.-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([\w-]+)\s*=")


def _line(text: str, place: Sequence[str | int]) -> int:
    """The line on which `place` is written, or the nearest thing around it that is; 0 for none.

    It follows tables and keys that begin a line, which is how such files are written; a value that
    looks like a key within a text of several lines may mislead it, and only it.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = tuple(found[2].split("."))
            if found[1] == "[[":
                table = (*table, seen.get(found[2], 0))
                seen[found[2]] = seen.get(found[2], 0) + 1
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            lines.setdefault((*table, found[1]), number)
    for length in range(len(place), 0, -1):
        if tuple(place[:length]) in lines:
            return lines[tuple(place[:length])]
    return 0

"""Whether a configuration can do what it asks for: one row a question, and what was found when it was tried.

CHECKS is the table of facts: what is asked, on which side, and which permission it takes. What was found of one
configuration is a CheckResult, with a Finding for each question that its fields, versions and destination raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, computed_field


class Check(StrEnum):
    """The name of a question."""

    LIST = "list"
    VERSIONING = "versioning"
    HEAD = "head"
    LOCK = "lock"
    ACL = "acl"
    TAGGING = "tagging"
    DESTINATION = "destination"
    WRITE = "write"
    READ = "read"
    ENCRYPTION = "encryption"
    MULTIPART = "multipart"
    DELETE = "delete"


class Outcome(StrEnum):
    """What trying has shown."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it could not be tried, or told nothing


class Side(StrEnum):
    """Where it was tried."""

    SOURCE = "source"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class Fact:
    """A question, and the IAM action whose lack is the usual reason for a no; `versioned` is the one it takes in place
    of it where all versions are asked for. `if_no` is what follows for reports.
    """

    question: str
    side: Side
    action: str
    if_no: str
    versioned: str = ""

    def permission(self, *, all_versions: bool) -> str:
        """The action that it takes."""
        return self.versioned if all_versions and self.versioned else self.action


_SOURCE, _DESTINATION = Side.SOURCE, Side.DESTINATION

CHECKS: Mapping[Check, Fact] = {
    Check.LIST: Fact(
        "Can the bucket be listed?", _SOURCE, "s3:ListBucket", "no report can be taken",
        "s3:ListBucketVersions",
    ),
    Check.VERSIONING: Fact(
        "Does the bucket keep versions?", _SOURCE, "s3:GetBucketVersioning",
        "each object has one row",
    ),
    Check.HEAD: Fact(
        "Can its objects be looked at?", _SOURCE, "s3:GetObject",
        "fields that only HeadObject knows stay empty", "s3:GetObjectVersion",
    ),
    Check.LOCK: Fact(
        "Can locks be read?", _SOURCE, "s3:GetObjectRetention",
        "it cannot be told whether objects are locked",
    ),
    Check.ACL: Fact(
        "Can ACLs be read?", _SOURCE, "s3:GetObjectAcl",
        "ObjectAccessControlList says UNAVAILABLE", "s3:GetObjectVersionAcl",
    ),
    Check.TAGGING: Fact(
        "Can tags be read?", _SOURCE, "s3:GetObjectTagging", "ObjectTags stays empty",
        "s3:GetObjectVersionTagging",
    ),
    Check.DESTINATION: Fact(
        "Is the destination there?", _DESTINATION, "s3:ListBucket", "no report can be delivered",
    ),
    Check.WRITE: Fact(
        "Can a report be written there?", _DESTINATION, "s3:PutObject",
        "no report can be delivered",
    ),
    Check.READ: Fact(
        "Can what was written be read?", _DESTINATION, "s3:GetObject",
        "nobody can make sure of a report, or go on with it",
    ),
    Check.ENCRYPTION: Fact(
        "Is it encrypted as was asked for?", _DESTINATION, "s3:GetObject",
        "the run fails with its first file",
    ),
    Check.MULTIPART: Fact(
        "Can large files be uploaded in parts?", _DESTINATION, "s3:AbortMultipartUpload",
        "data files of 64 MiB and more cannot be delivered, or parts of failed ones stay",
    ),
    Check.DELETE: Fact(
        "Can what was written be removed?", _DESTINATION,
        "s3:DeleteObject and s3:DeleteObjectVersion",
        "what failed runs leave, and old reports, stay",
    ),
}  # fmt: skip


class Finding(BaseModel):
    """What trying one thing has shown: `evidence` is what was seen, `remedy` what to change."""

    model_config = ConfigDict(frozen=True)

    check: Check
    outcome: Outcome
    evidence: str
    remedy: str = ""


class CheckResult(BaseModel):
    """What was found of a configuration: a finding for each question, in the order of CHECKS. `left` is what was
    written on trial and could not be removed again.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    destination: str
    checks: tuple[Finding, ...]
    requests: int
    left: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Outcome:
        """The worst of the outcomes."""
        found = {finding.outcome for finding in self.checks}
        if Outcome.FAILED in found or self.left:
            return Outcome.FAILED
        return Outcome.UNKNOWN if Outcome.UNKNOWN in found or not found else Outcome.OK

    def to_json(self) -> dict[str, object]:
        """As `--json` prints it, with the verdict and the questions."""
        rows = [
            {"question": CHECKS[finding.check].question, **finding.model_dump(mode="json")}
            for finding in self.checks
        ]
        return {
            "source": self.source,
            "destination": self.destination,
            "verdict": str(self.verdict),
            "checks": rows,
            "requests": self.requests,
            "left": list(self.left),
        }


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """What is kept of a configuration's check: when it ended, and what it found."""

    checked: datetime
    result: CheckResult

    def to_json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {"checked": self.checked.isoformat(), **self.result.to_json()}

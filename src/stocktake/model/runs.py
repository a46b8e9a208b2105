"""An inventory run: what is asked for, its limits, what is counted on the way, what comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from stocktake.model.addresses import Address
from stocktake.model.capabilities import Walk
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.fields import Field, report_fields
from stocktake.model.figures import Comparison
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import Manifest, ManifestFile
from stocktake.model.store import Store


class Call(StrEnum):
    """What a request asks, as counted."""

    LIST = "list"
    HEAD = "head"
    ACL = "acl"
    TAGGING = "tagging"
    PROOF = "proof"  # the one-byte GET that says why a HEAD was refused
    CONTROL = "control"  # bucket-level calls and uploads, through botocore


class Problem(StrEnum):
    """What kept a row from being complete or beyond doubt. The row stays, with what listing knew."""

    REFUSED = "refused"  # the store denied a call about the object
    FAILED = "failed"  # the call did not succeed within the bound of retries
    VANISHED = "vanished"  # gone between LIST and HEAD
    CHANGED = "changed"  # overwritten between LIST and HEAD: the whole row is HEAD's
    UNKNOWABLE = "unknowable"  # a value the store may be withholding for want of a permission
    LATEST = "latest"  # a key without exactly one latest version
    POSTPONED = "postponed"  # not asked about, or not again: the run's budget was spent


# Counts of one run, lane or file, by dotted name: `rows`, `object_bytes`, `retries`, `pages`, `requests.<Call>`,
# `refusals.<Call>.<status>` (answers that were no success, tried again or not; `broken` is one),
# `problems.<Problem>`, `unknowable.<field name>`, `missing.<field name>.<Problem>`, `unseen` (places that could not be
# looked at again), `due.<day>`, `asked.<day>`, `remembered.<what became of answers>`, `revised.<field name>` and
# `withheld.<field name>` (model/remembering.py). Adding two of them is `+`; travelling is pickling.
Counters: TypeAlias = Counter[str]


def group(counters: Mapping[str, int], name: str) -> dict[str, int]:
    """The counts under `name.`, without that prefix, zeros left out, sorted by name."""
    return {
        key.removeprefix(f"{name}."): n
        for key, n in sorted(counters.items())
        if key.startswith(f"{name}.") and n
    }


def missing_values(counters: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """By field and problem, how many rows lack a value: what is counted as `missing.<field name>.<Problem>`."""
    found: dict[str, dict[str, int]] = {}
    for name, count in group(counters, "missing").items():
        field, _, problem = name.partition(".")
        found.setdefault(field, {})[problem] = count
    return found


class Counted:
    """Tells what was counted since it was last asked. Nothing is reset: others compare counts of before and after."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._told = Counters(counters)

    def since(self) -> Counters:
        """What `counters` have grown by."""
        news = self._counters - self._told
        self._told = Counters(self._counters)
        return news


FILE_ROWS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a run. Memory of one process is about `concurrency * 64 KiB` of connections, plus one page of
    rows in each of its columns, plus what the writer holds (`formats.open_writer` says how much).
    """

    concurrency: int = 64  # requests in flight over all processes, at most
    rate: float | None = None  # requests a second over all processes, at most
    nice: bool = (
        False  # to a store on spinning disks: few in flight, and fewer as soon as answers slow down
    )
    processes: int = 1  # faces ask for as many as the machine has cores
    page_rows_max: int = 1000  # S3's own limit
    file_rows_max: int = FILE_ROWS_MAX  # rows of a data file
    tries_max: int = 8  # of one request, the first included
    retry_delay_s_min: float = 0.1
    retry_delay_s_max: float = 20.0
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 60.0  # no byte for so long: the request is given up and sent again
    list_body_bytes_max: int = 64 * 2**20
    sub_resource_bytes_max: int = 2**20  # some stores answer a sub-resource with the object itself


NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Remembering:
    """What a run takes over of an earlier `report`: at an address, the newest one beside its own, or of none. Of the
    objects whose answers it has, the share `revisit` is asked about again, and those whose answer is `days_max` old; at
    most `budget` objects are asked about, and for `deadline_s`. `number` is how many runs were remembered one after the
    other before, and `hand` where these left the hand (model/remembering.py). `withheld` are the fields in which that
    report has rows where "no" cannot be told from a refusal, each with the first and the last day of such answers.
    """

    report: str | None = None
    revisit: float = 0.1
    days_max: int | None = 30
    budget: int | None = None
    deadline_s: float | None = None
    number: int = 0
    hand: int = 0
    withheld: tuple[tuple[str, date, date], ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether something may have to be put off."""
        return self.budget is not None or self.deadline_s is not None


@dataclass(frozen=True, slots=True)
class InventoryRun:
    """Everything a process needs to work on one report. Small and picklable; holds no secret.

    `configuration` is AWS's document. What it cannot say stands beside it: which stores, the extension fields, a
    local destination. `moment` is the start of the run, UTC, to the minute: it names the report folder.
    """

    source: Store
    bucket: str
    destination: Store
    address: Address
    configuration: InventoryConfiguration
    extension_fields: tuple[str, ...]
    moment: datetime
    region: str | None = None
    owner_full_control: bool = False
    strict: bool = False
    usage: bool = False  # make a usage cube beside the report
    limits: Limits = field(default_factory=Limits)
    spool_folder: Path | None = (
        None  # local room for rows under way; None: the system's temporary folder
    )
    remembering: Remembering = field(default_factory=Remembering)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The report's columns."""
        optional = (*(self.configuration.optional_fields or ()), *self.extension_fields)
        return report_fields(optional, all_versions=self.configuration.all_versions)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A delivered data file: what the manifest says of it, which keys it covers and which it holds; where on this
    machine the ages of its answers are, until the report is published; and which version its delivery made, in a bucket
    that has versions.
    """

    file: ManifestFile
    range: KeyRange
    rows: int
    first_key: str | None
    last_key: str | None
    ages: Path | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ListedRange:
    """A range of keys that was listed to its end: what came of it, in how many pages, for how many LIST requests. These
    are None where an earlier attempt at the run had listed it.
    """

    range: KeyRange
    rows: int
    first_key: str | None
    last_key: str | None
    pages: int | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class InventoryResult:
    """A published report. `compared`: figures of its run, each beside what the last report let expect."""

    address: str  # of manifest.json
    manifest: Manifest
    counters: Counters
    seconds: float
    files: tuple[DataFile, ...]
    warnings: tuple[str, ...] = ()
    walk: Walk = Walk.PARALLEL
    compared: tuple[Comparison, ...] = ()


class RunStage(StrEnum):
    """How far a run is."""

    SURVEY = "survey"
    LIST = "list"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known while a run is under way. `key` is the last key listed; `done` how far through the key space,
    0 to 1, or None where nothing tells; `note` what the user should hear of now, if anything.
    """

    stage: RunStage
    counters: Counters
    done: float | None
    key: str = ""
    note: str = ""

"""stocktake.json: what AWS's files cannot say about a report. It lies beside manifest.json; AWS's readers never see it.

Row counts and key ranges of every data file, what was counted, what stayed unknown, and so the proof that nothing was
missed: the same facts that were checked before publishing.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from stocktake.model.capabilities import Walk
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.errors import ManifestError
from stocktake.model.histogram import StoredHistogram
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import ManifestFile
from stocktake.model.remembering import CIRCLE
from stocktake.model.runs import DataFile, ListedRange

SIDECAR_VERSION = 1


class _Part(BaseModel):
    # Unknown members are ignored: a newer stocktake may say more, and an older one still reads it.
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class SidecarFile(_Part):
    """One data file: its rows and the keys it covers (`after` < key <= `upto`) and holds."""

    key: str
    size: int
    md5: Annotated[str, Field(alias="MD5checksum")]
    rows: Annotated[int, Field(ge=0)]
    after: str
    upto: str | None = None
    first_key: str | None = None
    last_key: str | None = None

    @model_validator(mode="after")
    def _covers_keys(self) -> SidecarFile:
        KeyRange(self.after, self.upto)
        return self


class SidecarRange(_Part):
    """One range of keys as it was listed: its rows, the LIST pages that held them and the requests these took, but for
    ranges that an earlier attempt at the run had listed.
    """

    after: str
    upto: str | None = None
    rows: Annotated[int, Field(ge=0)]
    first_key: str | None = None
    last_key: str | None = None
    pages: Annotated[int | None, Field(ge=0)] = None
    requests: Annotated[int | None, Field(ge=0)] = None

    @model_validator(mode="after")
    def _covers_keys(self) -> SidecarRange:
        KeyRange(self.after, self.upto)
        return self


class SidecarAges(_Part):
    """enrichment.parquet: how old each row's answer is."""

    key: str
    size: int
    md5: Annotated[str, Field(alias="MD5checksum")]
    rows: Annotated[int, Field(ge=0)]


class SidecarRemembered(_Part):
    """What the run took over of the `report` before, and what became of it: answers `reused`, asked for for the first
    time (`fresh`), asked for again (`revisited`), and put off (`postponed`). `oldest` is the day of the oldest answer
    in the report, and `days` how many answers are of each day; `revised` how many of those asked for again were others
    than before, by field; `withheld` the first and the last day of answers that say nothing and may be refusals, by
    field. The next run goes on from `number` and `hand`.
    """

    report: str | None = None
    number: Annotated[int, Field(ge=0)]
    hand: Annotated[int, Field(ge=0, lt=CIRCLE)]
    revisit: float
    days_max: int | None = None
    budget: int | None = None
    deadline_s: float | None = None
    reused: int
    fresh: int
    revisited: int
    postponed: int
    oldest: date | None = None
    days: dict[date, int] = {}
    revised: dict[str, int] = {}
    withheld: dict[str, tuple[date, date]] = {}


class Sidecar(_Part):
    """The whole of stocktake.json."""

    version: int = SIDECAR_VERSION
    generator: str
    endpoint: str
    configuration: InventoryConfiguration
    extension_fields: tuple[str, ...]
    started: datetime
    finished: datetime
    rows: int
    object_bytes: int
    requests: dict[str, int]
    retries: int
    problems: dict[str, int]
    unknowable: dict[str, int]
    # By field and problem, how many rows lack a value because the call that yields it told nothing. Reports of before
    # this was kept have none, those without such rows an empty one.
    missing: dict[str, dict[str, int]] | None = None
    never: tuple[str, ...]
    warnings: tuple[str, ...]
    walk: Walk = Walk.PARALLEL
    files: tuple[SidecarFile, ...]
    # Reports of before these were kept have none.
    ranges: tuple[SidecarRange, ...] = ()
    histogram: StoredHistogram = StoredHistogram()
    # Only of runs that ask about objects one by one.
    ages: SidecarAges | None = None
    remembered: SidecarRemembered | None = None

    def listed_ranges(self) -> tuple[ListedRange, ...]:
        """The ranges as the values that `model/proof.py` checks."""
        return tuple(
            ListedRange(
                KeyRange(each.after, each.upto),
                each.rows,
                each.first_key,
                each.last_key,
                each.pages,
                each.requests,
            )
            for each in self.ranges
        )

    def data_files(self) -> tuple[DataFile, ...]:
        """The files as the values that `model/proof.py` checks."""
        return tuple(
            DataFile(
                ManifestFile(file.key, file.size, file.md5),
                KeyRange(file.after, file.upto),
                file.rows,
                file.first_key,
                file.last_key,
            )
            for file in self.files
        )


def sidecar_file(data: DataFile) -> SidecarFile:
    """What stocktake.json says of one delivered file."""
    return SidecarFile(
        key=data.file.key,
        size=data.file.size,
        md5=data.file.md5,
        rows=data.rows,
        after=data.range.after,
        upto=data.range.upto,
        first_key=data.first_key,
        last_key=data.last_key,
    )


def sidecar_range(listed: ListedRange) -> SidecarRange:
    """What stocktake.json says of one listed range."""
    return SidecarRange(
        after=listed.range.after,
        upto=listed.range.upto,
        rows=listed.rows,
        first_key=listed.first_key,
        last_key=listed.last_key,
        pages=listed.pages,
        requests=listed.requests,
    )


def render_sidecar(sidecar: Sidecar) -> bytes:
    """stocktake.json, indented, with a newline at the end; what is absent is left out."""
    return sidecar.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode() + b"\n"


def parse_sidecar(body: bytes) -> Sidecar:
    """The sidecar in `body`.

    Raises:
        ManifestError: it is none.
    """
    try:
        return Sidecar.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ManifestError(f"not a stocktake.json: {where}: {first['msg']}") from error

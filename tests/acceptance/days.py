"""Inventories of one bucket, day after day, through the command line; and what their reports say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stocktake.service import house
from tests.acceptance.command_line import Outcome, stocktake


@dataclass(slots=True)
class Days:
    """Takes inventories of `bucket`, each a day after the last one unless told otherwise."""

    bucket: str
    folder: Path
    environment: Mapping[str, str]
    patch: pytest.MonkeyPatch
    fields: str
    moment: datetime = datetime(2026, 11, 1, 1, tzinfo=UTC)
    options: tuple[str, ...] = ("--processes", "1")
    _fulls: int = field(default=0)

    def command(self, *options: str, into: str = "reports") -> list[str]:
        """The words of a run."""
        spool = self.folder / "spool"
        spool.mkdir(exist_ok=True)
        return [
            "run", f"s3://{self.bucket}", str(self.folder / into), "--fields", self.fields, "--json",
            "--quiet", "--spool-folder", str(spool), *self.options, *options,
        ]  # fmt: skip

    def run(self, *options: str, into: str = "reports", days: float = 1) -> Outcome:
        """Take one, so many days after the last."""
        self.moment += timedelta(days=days)
        self.patch.setattr(house, "now", lambda: self.moment)
        return stocktake(*self.command(*options, into=into), environment=self.environment)

    def rows(self, outcome: Outcome, into: str = "reports") -> pa.Table:
        """The rows of the Parquet report that a run came to."""
        manifest = json.loads(manifest_of(outcome).read_text())
        return pa.concat_tables(
            pq.read_table(self.folder / into / file["key"]) for file in manifest["files"]
        )

    def in_full(self, *options: str) -> pa.Table:
        """The rows of a report that knows of none before."""
        self._fulls += 1
        into = f"full-{self._fulls}"
        return self.rows(self.run("--no-remember", *options, into=into, days=0), into)


def manifest_of(outcome: Outcome) -> Path:
    """The manifest.json of the report that a run came to, in a folder."""
    assert outcome.code == 0, outcome.err
    return Path(outcome.document["manifest"].removeprefix("file://"))


def sidecar_of(outcome: Outcome) -> Any:
    """Its stocktake.json."""
    return json.loads(manifest_of(outcome).with_name("stocktake.json").read_text())


def ages_of(outcome: Outcome) -> list[tuple[date | None, bool]]:
    """The day of each row's answer, and whether asking was put off, in the report's order."""
    table = pq.read_table(manifest_of(outcome).with_name("enrichment.parquet"))
    columns = (table.column(name).to_pylist() for name in ("enriched_at", "postponed"))
    return list(zip(*columns, strict=True))

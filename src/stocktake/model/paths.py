"""The key of every object of a report, in both directions.

    {prefix}/{source bucket}/{id}/{YYYY-MM-DDTHH-MMZ}/manifest.json
                                                     /manifest.checksum
                                                     /stocktake.json        (ours, beside AWS's two)
                                                     /usage.parquet         (ours, made afterwards, if at all)
                                                     /enrichment.parquet    (ours, how old answers are)
                                                     /stocktake.keep        (ours, where the report is to stay for ever)
    {prefix}/{source bucket}/{id}/hive/dt={YYYY-MM-DD-HH-MM}/symlink.txt
    {prefix}/{source bucket}/{id}/data/{uuid}.csv.gz | .orc | .parquet

The moment is the start of the run in UTC, to the minute. A destination prefix gives the same keys with and without a
trailing slash: AWS once wrote `p//bucket/...` and named `p/bucket/...` in the manifest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from stocktake.model.configuration import Format

MANIFEST = "manifest.json"
CHECKSUM = "manifest.checksum"
SIDECAR = "stocktake.json"
SIDECAR_BYTES_MAX = 256 * 2**20
USAGE = "usage.parquet"
SYMLINK = "symlink.txt"
AGES = "enrichment.parquet"
KEEP = "stocktake.keep"
DATA_SUFFIXES: dict[Format, str] = {
    Format.CSV: ".csv.gz",
    Format.ORC: ".orc",
    Format.PARQUET: ".parquet",
}

_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
_FOLDER_FORM = "%Y-%m-%dT%H-%MZ"
_HIVE_FORM = "dt=%Y-%m-%d-%H-%M"


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the objects of one report lie. `root` is `{prefix}/{bucket}/{id}`; `moment` is the run's start."""

    root: str
    moment: datetime

    @property
    def folder(self) -> str:
        """The report folder, without a trailing slash."""
        return f"{self.root}/{self.moment.astimezone(UTC).strftime(_FOLDER_FORM)}"

    @property
    def manifest(self) -> str:
        """The key of manifest.json."""
        return f"{self.folder}/{MANIFEST}"

    @property
    def checksum(self) -> str:
        """The key of manifest.checksum, whose arrival publishes the report."""
        return f"{self.folder}/{CHECKSUM}"

    @property
    def sidecar(self) -> str:
        """The key of stocktake.json."""
        return f"{self.folder}/{SIDECAR}"

    @property
    def usage(self) -> str:
        """The key of usage.parquet, where there is one."""
        return f"{self.folder}/{USAGE}"

    @property
    def ages(self) -> str:
        """The key of the file that says how old the answers about objects are."""
        return f"{self.folder}/{AGES}"

    @property
    def keep(self) -> str:
        """The key of the mark that no retention is to remove the report."""
        return f"{self.folder}/{KEEP}"

    @property
    def commit(self) -> tuple[str, ...]:
        """The keys of all that makes data files a report, in the order in which they must go."""
        ours = (self.sidecar, self.usage, self.ages, self.keep)
        return (self.checksum, self.manifest, self.symlink, *ours)

    @property
    def symlink(self) -> str:
        """The key of symlink.txt in its hive partition."""
        return f"{self.root}/hive/{self.moment.astimezone(UTC).strftime(_HIVE_FORM)}/{SYMLINK}"

    @property
    def probe(self) -> str:
        """A key beside the data files that no object ever has: what a run begins to write, and gives up at once, to
        learn whether it may. It is the run's own, as its report folder is.
        """
        return f"{self.root}/data/probe-{self.folder.rpartition('/')[2]}"

    def data(self, name: UUID, report_format: Format) -> str:
        """The key of the data file called `name`."""
        return f"{self.root}/data/{name}{DATA_SUFFIXES[report_format]}"


def source_root(prefix: str, source_bucket: str) -> str:
    """`{prefix}/{bucket}`, which all reports about the bucket share, whether or not `prefix` is empty or ends in
    slashes.
    """
    stripped = prefix.rstrip("/")
    return f"{stripped}/{source_bucket}" if stripped else source_bucket


def configuration_root(prefix: str, source_bucket: str, configuration_id: str) -> str:
    """`{prefix}/{bucket}/{id}`, where all reports of a configuration lie."""
    return f"{source_root(prefix, source_bucket)}/{configuration_id}"


def report_folder_name(text: str) -> bool:
    """Whether one path segment is the name of a report folder."""
    return _FOLDER.fullmatch(text) is not None


def parse_manifest_key(key: str) -> ReportPaths | None:
    """The report a manifest.json's key belongs to, or None where the key is not of AWS's form."""
    root, _, folder = key.removesuffix(f"/{MANIFEST}").rpartition("/")
    if not key.endswith(f"/{MANIFEST}") or not root or not report_folder_name(folder):
        return None
    try:
        moment = datetime.strptime(folder, _FOLDER_FORM).replace(tzinfo=UTC)
    except ValueError:  # the digits are there but name no day
        return None
    return ReportPaths(root, moment)

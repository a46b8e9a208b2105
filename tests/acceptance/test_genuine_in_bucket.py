"""Reports in AWS's layout in a bucket: every command that reads one does so there, without any option of its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.analysis.audits.pack import BY_NAME
from stocktake.model.configuration import Format
from stocktake.model.keys import decode_csv_key
from tests.acceptance.command_line import Outcome, stocktake
from tests.analysis.audits.planted import PLANTED, Planted, rows
from tests.analysis.genuine import BUCKET, CREATED, columns_of, deliver
from tests.analysis.reports import Row
from tests.servers.server import Server

SCHEMAS = (("none", False), ("2016", True), ("2026", True), ("2026", False))
CASES = [(report_format, *schema) for report_format in Format for schema in SCHEMAS]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Two daily reports of a configuration: of all rows, and, a day later, of all but the first."""

    folder: str
    rows: Sequence[Row]
    names: tuple[str, ...]
    ask: Callable[..., Outcome]

    def report(self, day: int) -> str:
        """The folder of one of them."""
        return f"{self.folder}/{CREATED + timedelta(days=day):%Y-%m-%dT%H-%MZ}/"

    def done(self, *words: str | Path, code: int = 0) -> Outcome:
        """A command that ends with `code` and says nothing beside its answer."""
        done = self.ask(*words)
        assert (done.code, done.err) == (code, ""), done
        return done


@pytest.fixture(params=CASES, ids=str)
def delivered(request: pytest.FixtureRequest, moto_server: Server, tmp_path: Path) -> Delivered:
    report_format, schema, versions = request.param
    fields = columns_of(schema, versions=versions)
    made = rows([each for each in PLANTED if versions or _is_current(each)])
    prefix = f"of/{report_format}-{schema}-{versions}".lower()
    for day, pieces in enumerate(([made[:20], made[20:]], [made[1:]])):
        deliver(
            tmp_path, report_format, fields, pieces,
            created=CREATED + timedelta(days=day), prefix=prefix, first_name=2 * day,
        )  # fmt: skip
    client = moto_server.client()
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/source/daily/data/", Body=b"")  # AWS's marker
    for path in tmp_path.rglob("*"):
        if path.is_file():
            key = path.relative_to(tmp_path).as_posix()
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    environment = moto_server.environment()

    def ask(*words: str | Path) -> Outcome:
        return stocktake(*words, environment=environment)

    names = tuple(field.name for field in fields)
    return Delivered(f"s3://{BUCKET}/{prefix}/source/daily", made, names, ask)


def _is_current(each: Planted) -> bool:
    return not each.changes.get("is_delete_marker") and bool(each.changes.get("is_latest", True))


def test_every_command_reads_it_there_without_being_told_anything(
    delivered: Delivered, tmp_path: Path
) -> None:
    older, newer = delivered.report(0), delivered.report(1)
    keys = [str(row["key"]) for row in delivered.rows]

    assert f"{len(keys):,}" in delivered.done("show", older).out
    assert "is sound" in delivered.done("verify", older).out
    sql = "SELECT key FROM inventory_report"
    asked = delivered.done("query", older, sql, "--format", "jsonl").out.strip().split("\n")
    assert sorted(json.loads(line)["key"] for line in asked) == sorted(keys)
    guarded = delivered.done("query", older, sql, "--format", "jsonl", "--read-only").out
    assert sorted(guarded.strip().split("\n")) == sorted(asked)
    # The configuration's folder is its newest report, and with --dt all of them.
    count = f"SELECT count(*) AS n FROM ({sql})"
    assert delivered.done("query", delivered.folder, count, "--format", "csv").out == (
        f'"n"\n{len(keys) - 1}\n'
    )
    both = delivered.done("query", delivered.folder, count, "--format", "csv", "--dt", "2026")
    assert both.out == f'"n"\n{2 * len(keys) - 1}\n'

    objects = [row for row in delivered.rows if not row["is_delete_marker"]]
    top = delivered.done("usage", older, "--json").document["usage"][0]
    assert top["objects"] == len(objects)
    assert top["bytes"] == (
        sum(int(str(row["size"])) for row in objects) if "Size" in delivered.names else None
    )

    to = tmp_path / "manifest.csv"
    exported = delivered.ask("export", older, "--where", "true", "--to", to, "--format", "manifest")
    assert exported.code == 0, exported
    lines = list(csv.reader(to.read_text().splitlines()))
    assert sorted(decode_csv_key(line[1]) for line in lines) == sorted(keys)
    assert {len(line) for line in lines} == {3 if "VersionId" in delivered.names else 2}

    # Without a date or an ETag nobody can tell whether an object was written anew.
    told = delivered.done("diff", older, newer, "--json", code=1).document
    assert [told[kind]["objects"] for kind in ("created", "deleted", "changed")] == [0, 1, 0]
    kept = told["same"] + told["undecided"]["objects"]
    assert kept == len(keys) - 1
    assert (told["same"] == kept) == ("ETag" in delivered.names)
    assert "CREATE" in delivered.done("ddl", older, "--engine", "trino").out


def test_its_audits_find_what_was_planted_there(delivered: Delivered) -> None:
    found = delivered.ask("audit", delivered.report(0), "--json", "--fail-on", "never")
    assert (found.code, found.err) == (0, "")
    planted = [each for each in PLANTED if "VersionId" in delivered.names or _is_current(each)]
    for each in found.document["findings"]:
        audit = BY_NAME[each["name"]]
        if each["status"] == "not asked":
            continue
        if lacking := set(audit.needs) - set(delivered.names):
            assert {doubt["what"] for doubt in each["unknown"]} == lacking
        if audit.name in _BY_KEYS_AND_VERSIONS and not lacking:
            expected = {row.key for row in planted if audit.name in row.found_by}
            assert {row["Key"] for row in each["examples"]} == expected
            assert each["unknown"] == []


# The others go by the day, or by a policy.
_BY_KEYS_AND_VERSIONS = {
    "not-encrypted", "customer-key", "bucket-key-off", "replication-failed", "legal-hold", "public-grant",
    "no-checksum", "weak-checksum", "below-minimum-size", "noncurrent-version", "delete-marker", "duplicate",
    "empty-object", "control-character", "double-slash", "not-nfc", "long-key",
}  # fmt: skip

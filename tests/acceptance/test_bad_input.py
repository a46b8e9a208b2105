"""Bad input: one clear error each, no traceback, nothing written."""

from __future__ import annotations

import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import files_below, program, stocktake
from tests.servers.fault import FaultServer, html
from tests.servers.ports import refusing_port
from tests.servers.server import Server

CONFIGURATION: dict[str, Any] = {
    "Id": "weekly",
    "IsEnabled": True,
    "IncludedObjectVersions": "Current",
    "Schedule": {"Frequency": "Weekly"},
    "OptionalFields": ["Size"],
    "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::bad-input", "Format": "ORC"}},
}
FILE_BYTES_MAX = 64 * 1024


@pytest.fixture(scope="module")
def source(moto_server: Server) -> str:
    """A bucket whose rows need more room than FILE_BYTES_MAX."""
    client = moto_server.client()
    client.create_bucket(Bucket="bad-input")
    noise = random.Random(1)  # rows are compressed in the spool: nothing must repeat itself
    for number in range(200):
        client.put_object(
            Bucket="bad-input", Key=f"{number:03}/{noise.randbytes(490).hex()}", Body=b""
        )
    return "s3://bad-input"


def written_configuration(folder: Path, text: str) -> Path:
    path = folder / "configuration"
    path.write_text(text)
    return path


def changed(**delivery: Any) -> str:
    document = json.loads(json.dumps(CONFIGURATION))
    document["Destination"]["S3BucketDestination"].update(delivery)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["s3://bad-input-no-such-bucket"], (1, "bad-input-no-such-bucket", "hint: ")),
        (["arn:aws:s3:::bad-input"], (2, "arn:aws:s3:::bad-input", "s3://")),
        (["s3://arn:aws:s3:::bad-input"], (2, "names no bucket", "not its ARN")),
        (["bad-input"], (2, "no bucket address", "s3://bucket")),
        (["s3://bad-input", "--fields", "Sizes"], (2, "unknown field `Sizes`", "`Size`", "ETag")),
        (["s3://bad-input", "--format", "xlsx"], (2, "unknown format `xlsx`", "Parquet")),
        (["s3://bad-input", "--id", "a/b"], (2, "`a/b` cannot be an Id")),
        (["s3://bad-input", "--profile", "nobody"], (2, "profile", "nobody")),
        (["s3://bad-input", "--endpoint-url", "rgw:80"], (2, "`rgw:80` is no endpoint")),
        (["s3://bad-input", "--ca-bundle", "/no/such.pem"], (2, "/no/such.pem")),
        (["s3://bad-input", "--concurrency", "0"], (2, "--concurrency 0 is out of bounds")),
        (["s3://bad-input", "--configuration", "/no/such.json"], (2, "/no/such.json")),
    ],
)
def test_what_cannot_be_run_is_refused(
    arguments: list[str],
    expected: tuple[Any, ...],
    moto_server: Server,
    tmp_path: Path,
    source: str,
) -> None:
    destination = tmp_path / "reports"
    outcome = stocktake(
        "run", arguments[0], destination, *arguments[1:], environment=moto_server.environment()
    )
    outcome.failed_clearly(*expected)
    assert outcome.out == ""
    assert not destination.exists() or not files_below(destination)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "malformed inventory configuration"),
        ("<InventoryConfiguration><Id>", "malformed inventory configuration"),
        ("<Other/>", "expected <InventoryConfiguration>"),
        ('{"Id": "x"}', "malformed inventory configuration"),
        (changed(Bucket="bad-input"), "`bad-input` is not a bucket ARN"),
        (changed(Format="CSVx"), "Format"),
        (changed(Fornat="CSV"), "Fornat"),
        (json.dumps({**CONFIGURATION, "OptionalFields": ["Sizes"]}), "`Sizes`"),
    ],
)
def test_a_malformed_configuration_is_refused(
    text: str, said: str, moto_server: Server, tmp_path: Path, source: str
) -> None:
    path = written_configuration(tmp_path, text)
    outcome = stocktake(
        "run", source, "--configuration", path, environment=moto_server.environment()
    )
    outcome.failed_clearly(2, said)


def test_an_option_that_contradicts_the_configuration_is_refused(
    moto_server: Server, tmp_path: Path, source: str
) -> None:
    path = written_configuration(tmp_path, json.dumps(CONFIGURATION))
    outcome = stocktake(
        "run", source, "--configuration", path, "--format", "CSV",
        environment=moto_server.environment(),
    )  # fmt: skip
    outcome.failed_clearly(2, "--format `CSV` contradicts the configuration", "`ORC`")


def test_programs_find_the_error_on_stdout(tmp_path: Path) -> None:
    outcome = stocktake("run", "photos", tmp_path, "--json")
    assert outcome.code == 2
    error = outcome.document["error"]
    assert error["kind"] == "AddressError"
    assert error["message"] in outcome.err


def test_without_credentials_the_way_to_them_is_shown(tmp_path: Path, source: str) -> None:
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-east-1"}
    outcome = stocktake("run", source, tmp_path / "reports", environment=environment)
    outcome.failed_clearly(1, "credentials", "hint: ")
    assert not (tmp_path / "reports").exists()


def test_a_store_that_does_not_answer_is_named(
    moto_server: Server, tmp_path: Path, source: str
) -> None:
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        outcome = stocktake(
            "run", source, tmp_path / "reports", "--endpoint-url", url,
            environment=moto_server.environment(),
        )  # fmt: skip
    outcome.failed_clearly(1, url.removeprefix("http://"), "endpoint")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("words", [("run", "OUT"), ("plan", "OUT"), ("probe",), ("check", "OUT")])
def test_a_web_page_in_place_of_a_listing_is_said_of_which_bucket_and_where(
    fault_server: FaultServer, tmp_path: Path, words: tuple[str, ...]
) -> None:
    fault_server.bucket("photos")
    fault_server.rule(html(), operation="List")
    verb, *more = words
    places = [str(tmp_path / "out") for _ in more]
    done = stocktake(verb, "s3://photos", *places, environment=fault_server.environment())
    said = done.out + done.err
    assert done.code != 0 or verb == "probe"
    assert f"cannot list s3://photos/ at {fault_server.endpoint_url}" in said
    assert "Traceback" not in said
    if verb in ("run", "plan"):
        done.failed_clearly(1, "LIST with a web page", "check the endpoint URL, and the proxy")


@pytest.mark.server
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "credentials"),
        ({"AWS_ACCESS_KEY_ID": "NOBODY"}, "credentials"),
    ],
)
def test_wrong_credentials_are_refused(
    change: dict[str, str],
    said: str,
    ceph_server: Server,
    buckets: Callable[..., str],
    tmp_path: Path,
) -> None:
    bucket = buckets("faces-credentials")
    ceph_server.client().create_bucket(Bucket=bucket)
    outcome = stocktake(
        "run", f"s3://{bucket}", tmp_path / "reports",
        environment={**ceph_server.environment(), **change},
    )  # fmt: skip
    outcome.failed_clearly(1, said)
    assert not (tmp_path / "reports").exists()


@pytest.mark.server
def test_somebody_elses_bucket_is_refused_and_the_permission_named(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    bucket = buckets("faces-foreign")
    ceph_server.client().create_bucket(Bucket=bucket)
    outcome = stocktake(
        "run",
        f"s3://{bucket}",
        tmp_path / "reports",
        environment=ceph_server.environment(other=True),
    )
    outcome.failed_clearly(1, bucket, "s3:ListBucket")
    assert not (tmp_path / "reports").exists()


@pytest.mark.server
def test_a_destination_that_may_not_be_written_is_refused(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    mine, theirs = buckets("faces-mine"), buckets("faces-theirs")
    ceph_server.client().create_bucket(Bucket=mine)
    ceph_server.client(other=True).create_bucket(Bucket=theirs)
    outcome = stocktake(
        "run", f"s3://{mine}", f"s3://{theirs}", environment=ceph_server.environment()
    )
    outcome.failed_clearly(1, theirs)
    assert ceph_server.client(other=True).list_objects_v2(Bucket=theirs)["KeyCount"] == 0


@pytest.mark.parametrize("blocked", ["/dev/null/reports", "/proc/reports"])
def test_a_folder_that_cannot_be_written_is_refused(
    blocked: str, moto_server: Server, source: str
) -> None:
    outcome = stocktake("run", source, blocked, environment=moto_server.environment())
    outcome.failed_clearly(1, blocked)


def test_a_bucket_that_is_not_there_cannot_be_a_destination(
    moto_server: Server, source: str
) -> None:
    outcome = stocktake(
        "run", source, "s3://bad-input-nowhere/x", environment=moto_server.environment()
    )
    outcome.failed_clearly(1, "bad-input-nowhere")


def test_a_disk_that_fills_while_spooling_fails_the_run_and_leaves_nothing(
    moto_server: Server, tmp_path: Path, source: str
) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))

    spool = tmp_path / "spool"
    spool.mkdir()
    assert stocktake("runs").code == 0  # a new ledger would be larger than the files may be
    outcome = program(
        "run", source, tmp_path / "reports", "--spool-folder", spool,
        environment=moto_server.environment(), preexec_fn=small_files,
    )  # fmt: skip
    outcome.failed_clearly(1, str(spool), "hint: ")
    assert files_below(spool) == []
    assert not (tmp_path / "reports").exists() or files_below(tmp_path / "reports") == []


def test_a_spool_folder_that_is_not_there_is_named(
    moto_server: Server, tmp_path: Path, source: str
) -> None:
    outcome = stocktake(
        "run", source, tmp_path / "reports", "--spool-folder", tmp_path / "none",
        environment=moto_server.environment(),
    )  # fmt: skip
    outcome.failed_clearly(1, str(tmp_path / "none"))


def test_a_file_in_place_of_the_spool_folder_is_named(
    moto_server: Server, tmp_path: Path, source: str
) -> None:
    (tmp_path / "file").touch()
    outcome = stocktake(
        "run", source, tmp_path / "reports", "--spool-folder", tmp_path / "file",
        environment=moto_server.environment(),
    )  # fmt: skip
    outcome.failed_clearly(1, str(tmp_path / "file"), "--spool-folder")


@pytest.fixture
def report(moto_server: Server, source: str, tmp_path: Path) -> Path:
    outcome = stocktake(
        "run", source, tmp_path, "--format", "csv", environment=moto_server.environment()
    )
    assert outcome.code == 0, outcome.err
    return tmp_path / "bad-input" / "stocktake"


def test_a_truncated_data_file_is_named_by_query(report: Path) -> None:
    (data,) = (report / "data").iterdir()
    os.truncate(data, data.stat().st_size // 2)
    outcome = stocktake("query", report, "SELECT count(*) FROM inventory_report")
    outcome.failed_clearly(1, data.name)
    assert outcome.out == ""


def test_a_manifest_that_does_not_match_its_checksum_is_not_trusted(report: Path) -> None:
    (manifest,) = report.glob("*Z/manifest.json")
    manifest.write_text(manifest.read_text().replace('"version"', '"Version"'))
    for words in (["show"], ["verify"], ["query", "SELECT 1"], ["ddl", "--engine", "hive"]):
        outcome = stocktake(words[0], report, *words[1:])
        outcome.failed_clearly(1, "does not match its checksum", str(manifest))


def test_a_report_that_is_not_there_or_not_published_says_which(
    report: Path, tmp_path: Path
) -> None:
    stocktake("show", tmp_path / "nothing").failed_clearly(1, "nothing")
    (checksum,) = report.glob("*Z/manifest.checksum")
    checksum.unlink()
    stocktake("show", report).failed_clearly(1, "published")


def test_report_folders_that_exist_are_never_overwritten(
    report: Path, moto_server: Server, source: str, tmp_path: Path
) -> None:
    before = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}
    outcome = stocktake(
        "run", source, tmp_path, "--format", "csv", environment=moto_server.environment()
    )
    assert outcome.code == 0, outcome.err
    assert len(list(report.glob("*Z"))) == 2
    after = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM inventory_report", "nothing"),
        ("DROP VIEW inventory_report", "expected one SELECT"),
        ("SELECT 1; SELECT 2", "found 2 SQL statements"),
        ("SELECT * FROM read_csv('/etc/passwd')", "/etc/passwd"),
    ],
)
def test_sql_that_cannot_run_is_a_usage_error(report: Path, sql: str, said: str) -> None:
    outcome = stocktake("query", report, sql)
    outcome.failed_clearly(2, said)
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["query", "SELECT 1", "--format", "xlsx"], "unknown output format `xlsx`"),
        (["ddl", "--engine", "oracle"], "unknown engine `oracle`"),
    ],
)
def test_an_unknown_choice_lists_the_known_ones(
    report: Path, arguments: list[str], said: str
) -> None:
    outcome = stocktake(arguments[0], report, *arguments[1:])
    outcome.failed_clearly(2, said, "expected ")


@pytest.mark.parametrize(
    ("words", "of", "said"),
    [
        (["nonsense"], "", "no such command 'nonsense'"),
        (["--nonsense"], "", "no such option: --nonsense"),
        (["query", "REPORT", "SELECT 1", "--nonsense"], "query", "no such option: --nonsense"),
        (["query", "REPORT", "--threads", "many"], "query", "invalid value for '--threads': Input should be a"),
        (["query", "REPORT", "--time-max", "0"], "query", "invalid value for '--time-max': Input should be"),
        (["query", "REPORT", "--format"], "COMMAND", "option '--format' requires an argument"),
        (["diff", "REPORT"], "diff", "missing argument 'REPORT-B'"),
        (["diff", "a", "b", "c\x1b[31m\nd"], "diff", "got unexpected extra argument(s) (c\\x1b[31m\\x0ad)"),
        (["config", "nonsense"], "config", "no such command 'nonsense'"),
        (["config", "put", "--nonsense"], "config put", "no such option: --nonsense"),
    ],
)  # fmt: skip
def test_words_that_no_command_knows_are_one_error_and_its_hint(
    words: list[str], of: str, said: str
) -> None:
    outcome = stocktake(*words)
    outcome.failed_clearly(2, f"error: {said}")
    hint = f"hint: `{' '.join(filter(None, ('stocktake', of)))} --help` shows what it knows"
    assert outcome.err.splitlines()[1:] == [hint]
    assert outcome.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "REPORT", "--json", "--nonsense"],
        ["audit", "--json"],
        ["runs", "nonsense", "--json"],
        ["--nonsense", "audit", "REPORT", "--json"],
    ],
)
def test_who_expects_json_finds_on_stdout_that_no_command_knows_these_words(
    words: list[str],
) -> None:
    outcome = stocktake(*words)
    error = outcome.document["error"]
    assert error["kind"] == "UsageError"
    outcome.failed_clearly(2, f"error: {error['message']}\nhint: {error['hint']}\n")
    assert stocktake("show", "--", "--json", "--nonsense").out == ""


@pytest.mark.parametrize("words", [[], ["config"]])
def test_who_asks_for_nothing_is_shown_help(words: list[str]) -> None:
    outcome = stocktake(*words)
    assert outcome.code == 2
    assert outcome.out + outcome.err == stocktake(*words, "--help").out

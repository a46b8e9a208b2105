"""Configurations whose texts break what they are put into: keys, headers, URLs, paths. Trying them out and running them
ends in findings, a report or an error in words; nothing is written elsewhere, and nothing is an internal error.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.model.checks import Outcome, StoredCheck
from stocktake.model.configuration import (
    SSEKMS,
    Destination,
    Encryption,
    Filter,
    Format,
    InventoryConfiguration,
    S3BucketDestination,
    bucket_arn,
)
from stocktake.model.errors import InvalidIdError
from stocktake.model.paths import configuration_root
from stocktake.model.scheduled import ScheduledState
from stocktake.model.store import Store
from stocktake.model.submission import read_submission
from stocktake.model.xml import render_configuration_xml
from stocktake.service import house
from stocktake.service.checking_put import check_until
from stocktake.service.scheduler import Scheduler
from stocktake.service.server_settings import Site
from stocktake.service.working_scheduled import Workplace, work_on
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.servers.fault import FaultServer, FixtureObject
from tests.service.worker_runs import REPORTS, SOURCE, STORE, configuration, until

LEASE = timedelta(minutes=1)
STEPS = ["..", "../../x", "a/./b"]  # on a path
BREAK = "a\r\nX-Evil: 1"  # of a line
TEXTS = ["...", ".a/..b", "/", "//a//", "%2e%2e%2f", "%", "?inventory&id=a", "#", "&<>\"'", " ", "\t",
         BREAK, "é😀", "\u202e", "\ufeff", "{x}", "$(x)", "`x`", "-rf", "x" * 1000, "é" * 510]  # fmt: skip
KEYS = [BREAK, "é", " ", "\n", "../..", "arn:valid:kms", "x" * 2048]
BUCKETS = ["no-such-bucket", "192.168.0.1", "UPPER_case", "a" * 255, "xn--a", "-a", "a..b"]


@pytest.fixture
def place(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    # Behind every prefix that is listed there is something to ask about.
    keys = sorted({"0", *(f"{text}0" for text in (*STEPS, *TEXTS))}, key=str.encode)
    fault_server.bucket(SOURCE, [FixtureObject(key, body=b"x") for key in keys])
    fault_server.bucket(REPORTS)
    site = Site(STORE, Store(endpoint_url=fault_server.endpoint_url), ())
    (tmp_path / "spool").mkdir()
    with Ledger.open(tmp_path / "state", now=house.now) as ledger:
        yield Workplace(ledger, {STORE: site}, tmp_path / "spool", threading.Event())


def hostile(
    *,
    identity: str = "daily",
    bucket: str = REPORTS,
    prefix: str | None = None,
    key: str = "",
    listed: str = "",
) -> InventoryConfiguration:
    """A configuration with these texts, as the API takes it."""
    delivery = S3BucketDestination(
        bucket=bucket_arn(bucket),
        format=Format.CSV,
        prefix=prefix,
        encryption=Encryption(sse_kms=SSEKMS(key_id=key)) if key else None,
    )
    made = configuration(identity).model_copy(
        update={
            "destination": Destination(s3_bucket_destination=delivery),
            "filter": Filter(prefix=listed) if listed else None,
        }
    )
    return read_submission(render_configuration_xml(made), made.id)


WORDS: list[dict[str, str]] = [
    *({"prefix": text} for text in TEXTS if text != BREAK),
    *({"listed": text} for text in (*STEPS, *TEXTS)),
    *({"key": text} for text in KEYS),
    *({"bucket": text} for text in BUCKETS),
]
# Of these, runs are carried out too, which takes seconds each.
RUN = [
    *({"prefix": text} for text in ("//a//", "é😀", "x" * 1000)),
    *({"listed": text} for text in ("../../x", BREAK, "&<>\"'", "\t")),
    *({"key": text} for text in (BREAK, "é")),
    *({"bucket": text} for text in ("no-such-bucket", "a..b")),
]


def checked(place: Workplace, number: int) -> Mapping[str, StoredCheck]:
    """What a worker finds of so many configurations, by Id."""
    worker = threading.Thread(target=check_until, args=(place,))
    worker.start()

    def found() -> Mapping[str, StoredCheck]:
        of = place.ledger.checks.of_bucket(STORE, SOURCE, first="", last="~")
        return of if len(of) == number else {}

    try:
        told: Mapping[str, StoredCheck] = until(found, 120)
    finally:
        place.stop.set()
        worker.join(timeout=60)
        place.stop.clear()
    return told


def failures(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    """What was logged with a traceback."""
    return [line.getMessage() for line in caplog.records if line.exc_info]


def test_what_is_hostile_is_tried_and_nothing_of_it_is_left(
    place: Workplace, fault_server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    for number, words in enumerate(WORDS):
        made = hostile(identity=f"{number}", **words)
        place.ledger.configurations.put(STORE, SOURCE, made)
    found = checked(place, len(WORDS))
    assert failures(caplog) == []
    assert fault_server.bucket_named(REPORTS).keys() == []
    for number, words in enumerate(WORDS):
        result = found[f"{number}"].result
        if "bucket" in words:  # there is none of these
            assert result.verdict is Outcome.FAILED, (words, result)
        assert result.left == ()


@pytest.mark.parametrize("words", RUN, ids=lambda words: f"{words!r:.40}")
def test_what_is_hostile_is_run_to_a_report_or_an_error_in_words(
    place: Workplace,
    fault_server: FaultServer,
    caplog: pytest.LogCaptureFixture,
    words: dict[str, str],
) -> None:
    made = hostile(**words)
    place.ledger.configurations.put(STORE, SOURCE, made)
    [check] = checked(place, 1).values()
    Scheduler(place.ledger.schedule).tick()
    claim = place.ledger.claims.claim(this_process(), LEASE, {STORE: place.stores[STORE].limits})
    assert claim is not None
    work_on(place, claim, house.monotonic())
    run = place.ledger.schedule.get(claim.run)
    assert failures(caplog) == []
    assert "internal error" not in (run.error or "")
    published = run.state is ScheduledState.PUBLISHED
    assert published or run.error, run
    assert (check.result.verdict is Outcome.OK) is published, (check.result, run.error)
    root = configuration_root(made.delivery.prefix or "", SOURCE, made.id)
    keys = fault_server.bucket_named(REPORTS).keys()
    assert all(key.startswith(f"{root}/") for key in keys)
    assert bool(keys) is published


@pytest.mark.parametrize("prefix", STEPS)
def test_a_destination_that_is_a_step_on_a_path_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidIdError, match=r"has a segment `.` or `..`"):
        hostile(prefix=prefix)


@pytest.mark.parametrize("prefix", [BREAK, "a\ns3://others/b", "\r"])
def test_a_destination_that_would_name_others_in_symlink_txt_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidIdError, match="holds a line break"):
        hostile(prefix=prefix)

"""Telling others what became of runs: once each, signed, until they take it, and never whither it must not go."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.errors import InventoryError, UsageError
from stocktake.model.notifications import (
    RETRY_DELAYS,
    EventKind,
    Notice,
    NoticeState,
    Webhook,
    render_notice,
)
from stocktake.model.scheduled import RETRY_DELAYS as RUN_DELAYS
from stocktake.model.scheduled import ScheduledState
from stocktake.service import notifying
from stocktake.service.settings_file import read_settings_file
from stocktake.service.webhooks import read_webhooks
from stocktake.state.ledger import Ledger
from stocktake.store import posting
from tests.acceptance.command_line import stocktake
from tests.servers.fault import FaultServer, synthetic
from tests.servers.fault_tls import tls
from tests.servers.postgres import PostgresServer
from tests.servers.receiver import Receiver, Request
from tests.service.worker_runs import REPORTS, SOURCE, Workers, opened, until
from tests.service.worker_runs import put as put_configuration
from tests.state.ledgers import Clock, opened_at
from tests.state.scheduling import claimed, put, tick

SECRET = b"0123456789abcdef01234567"
WRITTEN = f"whsec_{base64.b64encode(SECRET).decode()}"
FAILURE = InventoryError("there is no such bucket", hint="make it")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with opened_at(str(tmp_path / "state"), clock) as found:
        yield found


def target(url: str = "http://127.0.0.1:1/", **said: Any) -> Webhook:
    return Webhook("ops", url, SECRET, **{"allow_local": True} | said)


def fail_for_good(ledger: Ledger, clock: Clock) -> str:
    put(ledger)
    tick(ledger)
    for delay in (*RUN_DELAYS, timedelta()):
        held = claimed(ledger)
        ledger.claims.fail(held, FAILURE)
        clock.passes(seconds=delay.total_seconds() + 1)
    assert ledger.schedule.get(held.run).state is ScheduledState.FAILED
    return held.run


def signed_by_us(request: Request) -> bool:
    """Whether a receiver that has the secret believes it, by the published rules alone."""
    said = {name.lower(): value for name, value in request.headers.items()}
    signed = f"{said['webhook-id']}.{said['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    return said["webhook-signature"] == f"v1,{expected}"


def test_a_run_that_fails_for_good_is_told_once_and_to_who_wants_it(
    ledger: Ledger, clock: Clock
) -> None:
    run = fail_for_good(ledger, clock)
    targets = [
        target(),
        Webhook("reports", "", SECRET, events=(EventKind.PUBLISHED,)),
        Webhook("elsewhere", "", SECRET, stores=("other",)),
    ]
    with Receiver() as receiver:
        for _ in range(2):
            ledger.notices.spread(targets)
            if (notice := ledger.notices.claim("ops")) is not None:
                assert ledger.notices.claim("ops") is None, "it is one caller's"
                notifying.tell(threading.Event(), ledger.notices, target(receiver.url), notice)
        [request] = receiver.requests
    assert signed_by_us(request)
    said = json.loads(request.body)
    assert said["Records"] == []
    assert said["stocktake"]["run"] == run
    assert said["stocktake"]["error"] == FAILURE.message
    [told] = ledger.notices.list()
    assert (told.target, told.state, told.status) == ("ops", NoticeState.DELIVERED, 204)


def test_what_is_not_taken_is_sent_again_the_same_later_each_time_and_given_up(
    ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    fail_for_good(ledger, clock)
    tries = len(RETRY_DELAYS) + 1
    with Receiver(*[500] * tries) as receiver:
        ledger.notices.spread([target()])
        for number in range(tries):
            # Whoever starts anew goes on where the last one was.
            with opened_at(str(tmp_path / "state"), clock) as other:
                notice = other.notices.claim("ops")
                assert notice is not None
                notifying.tell(threading.Event(), other.notices, target(receiver.url), notice)
                assert other.notices.claim("ops") is None
            if number < len(RETRY_DELAYS):
                clock.passes(seconds=RETRY_DELAYS[number].total_seconds() - 1)
                assert ledger.notices.claim("ops") is None
                clock.passes(seconds=2)
        clock.passes(days=30)
        assert ledger.notices.claim("ops") is None
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.requests}) == 1
    assert len(receiver.requests) == tries
    [told] = ledger.notices.list()
    assert (told.state, told.attempts, told.error) == (
        NoticeState.FAILED,
        tries,
        "it answered 500",
    )


def test_a_worker_that_dies_while_it_sends_leaves_the_notice_to_another(
    ledger: Ledger, clock: Clock
) -> None:
    fail_for_good(ledger, clock)
    ledger.notices.spread([target()])
    first = ledger.notices.claim("ops")
    clock.passes(seconds=61)
    again = ledger.notices.claim("ops")
    assert first is not None
    assert again is not None
    assert (first.event, again.attempts) == (again.event, 2)
    stopped = threading.Event()
    stopped.set()
    with Receiver(delay_s=5) as receiver:
        notifying.tell(stopped, ledger.notices, target(receiver.url), again)
    put_back = ledger.notices.claim("ops")
    assert put_back is not None
    assert put_back.attempts == 2


def answer(url: str, **said: Any) -> posting.Posted:
    allowed = said.pop("allowed", True)
    forbidden = (lambda _: "") if allowed else notifying.forbidden_address
    return posting.post(url, b"{}", {}, forbidden=forbidden, stopping=lambda: False, **said)


def test_nothing_reaches_this_machine_unless_it_is_allowed_whatever_it_is_called() -> None:
    with Receiver() as receiver:
        for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1"):
            refused = answer(f"http://{host}:{receiver.port}/", allowed=False)
            assert refused.status is None
            assert "is this machine" in refused.error
        assert receiver.requests == []
        assert answer(receiver.url) == posting.Posted(204)


def test_a_receiver_is_believed_by_its_certificate_alone(tmp_path: Path) -> None:
    context, bundle = tls(tmp_path)
    with Receiver(context=context) as receiver:
        assert "certificate" in answer(receiver.url).error
        assert receiver.requests == []
        assert answer(receiver.url, ca_bundle=bundle) == posting.Posted(204)


def test_redirects_are_not_followed_and_long_or_hanging_answers_are_left(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger, clock: Clock
) -> None:
    fail_for_good(ledger, clock)
    ledger.notices.spread([target()])
    notice = ledger.notices.claim("ops")
    assert notice is not None
    with Receiver(302) as receiver:
        notifying.tell(threading.Event(), ledger.notices, target(receiver.url), notice)
        assert [each.path for each in receiver.requests] == ["/"]
    [told] = ledger.notices.list()
    assert told.error == "it answered 302, and redirects are not followed"
    with Receiver(answer=b"x" * 10 * posting.ANSWER_BYTES_MAX) as receiver:
        assert answer(receiver.url) == posting.Posted(204)
    monkeypatch.setattr(posting, "TOTAL_S_MAX", 1)
    with Receiver(delay_s=30) as receiver:
        assert "timed out" in answer(receiver.url).error
    assert "onnect" in answer(receiver.url).error
    assert "resolve" in answer("http://nowhere.invalid/").error


def told_of_both(ledger: Ledger) -> bool:
    """Whether the ledger knows that both notices were taken, which it hears after whoever took them."""
    told = [each.state for each in ledger.notices.list() if each.target == "ops"]
    return told == [NoticeState.DELIVERED] * 2


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_worker_tells_of_a_report_at_once_and_removes_the_last_one(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str | None = None
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.make_database()
    with FaultServer() as store, Receiver() as receiver, Receiver(delay_s=60) as hanging:
        store.bucket(SOURCE, generated=synthetic(50, "{:04d}".format))
        store.bucket(REPORTS)
        secret = tmp_path / "secret"
        secret.write_text(WRITTEN)
        settings = tmp_path / "stocktake.toml"
        settings.write_text(
            f"[stores.default]\nendpoint_url = '{store.endpoint_url}'\n"
            f"[webhooks.ops]\nurl = '{receiver.url}/hook'\nsecret_file = 'secret'\nallow_local = true\n"
            f"[webhooks.hangs]\nurl = '{hanging.url}'\nsecret_variable = 'HOOK'\nallow_local = true\n"
        )
        environment = {
            **store.environment(),
            "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
            "HOOK": WRITTEN,
            **({"STOCKTAKE_LEDGER": url} if url else {}),
        }
        with (
            Workers(environment, tmp_path, "--settings", str(settings)) as pool,
            opened(url, tmp_path / "state") as ledger,
        ):
            key = put_configuration(ledger)
            ledger.configurations.put_options(key, {"keep_last": 1})
            pool.start()
            until(lambda: receiver.requests, 180, pool)
            ledger.schedule.run_now(key)
            until(lambda: len(receiver.requests) >= 2, 180, pool)
            until(lambda: "is removed" in pool.log(), 180, pool)
            until(lambda: told_of_both(ledger), 180, pool)
        first, second = receiver.requests
        assert all(map(signed_by_us, receiver.requests))
        assert first.path == "/hook"
        bodies = [json.loads(each.body) for each in (first, second)]
        keys = [each["Records"][0]["s3"]["object"]["key"] for each in bodies]
        assert [each["stocktake"]["rows"] for each in bodies] == [50, 50]
        there = [each for each in store.buckets[REPORTS].keys() if "checksum" in each]  # noqa: SIM118
        assert there == [keys[1].replace("%3A", ":")] != [keys[0]]
        body = store.buckets[REPORTS].read(there[0])
        etag = bodies[1]["Records"][0]["s3"]["object"]["eTag"]
        assert etag == hashlib.md5(body).hexdigest()
        assert WRITTEN[6:] not in pool.log()
    told = stocktake("runs", "notices", "--json", environment=environment).document["notices"]
    assert {(each["webhook"], each["state"]) for each in told} == {
        ("ops", "delivered"),
        ("hangs", "waiting"),
    }
    assert "delivered" in stocktake("runs", "notices", environment=environment).out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("secret_variable = 'HOOK'", "is no target"),
        ("url = 'ftp://h/'\nsecret_variable = 'HOOK'", "is no target"),
        ("url = 'https://me:hush@h/'\nsecret_variable = 'HOOK'", "is no target"),
        ("url = 'https://h:x/'\nsecret_variable = 'HOOK'", "is no target"),
        ("url = 'https://h/a b'\nsecret_variable = 'HOOK'", "holds what no URL may"),
        ("url = 'https://h/\xe9'\nsecret_variable = 'HOOK'", "holds what no URL may"),
        ("url = 'https://h\xe9/'\nsecret_variable = 'HOOK'", "holds what no URL may"),
        ("url = 'https://h/'", "has no secret"),
        ("url = 'https://h/'\nsecret_variable = 'A'\nsecret_file = 'b'", "has two secrets"),
        ("url = 'https://h/'\nsecret_variable = 'NONE'", "names is not set"),
        ("url = 'https://h/'\nsecret_file = 'none'", "cannot be read"),
        ("url = 'https://h/'\nsecret_file = 'bad'", "is none; expected whsec_"),
        (
            "url = 'https://h/'\nsecret_variable = 'HOOK'\nevents = ['begun']",
            "of published, failed",
        ),
        ("url = 'https://h/'\nsecret_variable = 'HOOK'\nstores = ['b']", "expected of a"),
        (
            "url = 'https://h/'\nsecret_variable = 'HOOK'\nca_bundle = 'no.pem'",
            "there is no `ca_bundle`",
        ),
        ("urll = 'https://h/'", "did you mean `webhooks.ops.url`"),
    ],
)
def test_a_webhook_that_makes_no_sense_is_told_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("HOOK", WRITTEN)
    (tmp_path / "bad").write_text("hush")
    file = tmp_path / "stocktake.toml"
    file.write_text(f"[webhooks.ops]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        read_webhooks(read_settings_file(file), ["a"])
    assert said in caught.value.message
    assert "hush" not in caught.value.message


def test_settings_show_webhooks_without_what_lets_one_in(tmp_path: Path) -> None:
    file = tmp_path / "stocktake.toml"
    file.write_text(
        "[stores.a]\n[webhooks.ops]\nurl = 'https://h/hush'\nsecret_variable = 'HOOK'\n"
    )
    shown = stocktake("settings", "--settings", file, environment={"HOOK": "hush"})
    assert shown.code == 0
    [line] = [each for each in shown.out.splitlines() if "ops.secret_variable" in each]
    assert line.split()[1] == "HOOK"
    assert "https://h/***" in shown.out
    assert "hush" not in shown.out


def test_the_example_of_the_document_is_what_is_sent_and_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
    blocks = dict(re.findall(r"^```(toml|json)\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    monkeypatch.setenv("ALARM_SECRET", WRITTEN)
    (tmp_path / "webhook.secret").write_text(WRITTEN)
    (tmp_path / "stocktake.toml").write_text(blocks["toml"])
    first, second = read_webhooks(read_settings_file(tmp_path / "stocktake.toml"), ["default"])
    assert (first.wants("published", "default"), second.wants("published", "default")) == (True, False)  # fmt: skip
    shown = json.loads(blocks["json"])
    said = shown["stocktake"]
    bucket, _, key = said["manifest"].removeprefix("s3://").partition("/")
    checksum = {
        "bucket": bucket, "key": key.replace(".json", ".checksum"), "size": 33, "region": "",
        "etag": shown["Records"][0]["s3"]["object"]["eTag"],
    }  # fmt: skip
    made = json.loads(
        render_notice(
            Notice(
                shown["Records"][0]["responseElements"]["x-amz-request-id"],
                "operations",
                EventKind(said.pop("event")),
                datetime.fromisoformat(shown["Records"][0]["eventTime"]),
                {**said, "checksum": checksum},
                1,
            )
        )
    )
    made["stocktake"].pop("event")
    made["Records"][0]["s3"]["object"]["sequencer"] = shown["Records"][0]["s3"]["object"][
        "sequencer"
    ]
    assert made == shown


@pytest.mark.usefixtures("ledger")
def test_every_command_shown_in_the_document_of_notifications_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    page = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
    lines = re.findall(r"^\$ stocktake (.*)$", page, re.MULTILINE)
    assert [stocktake(*line.split()).code for line in lines] == [0, 0]


def test_who_comes_later_is_not_told_of_what_is_old(ledger: Ledger, clock: Clock) -> None:
    fail_for_good(ledger, clock)
    clock.passes(days=2)
    ledger.notices.spread([target()])
    assert ledger.notices.list() == ()
    ledger.notices.spread([target()])
    assert ledger.notices.claim("ops") is None

"""What the transport does when answers fail: tries again within bounds, waits, gives up, stops."""

from __future__ import annotations

import os
import random
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from itertools import pairwise

import pytest

from stocktake.model.errors import (
    ServerError,
    StoppedError,
    ThrottledError,
    UnreachableError,
    UsageError,
)
from stocktake.model.runs import Call, Counters
from stocktake.store.requests import PUT_OFF, Request
from tests.servers.fault import (
    Action,
    FaultServer,
    FixtureObject,
    internal_error,
    reset,
    respond,
    slow_down,
    stall,
    too_many_requests,
    truncate,
)
from tests.servers.ports import refusing_port, unanswering_port
from tests.store.doors import (
    QUICK,
    get,
    head,
    headers,
    listing,
    open_transport,
    scripted,
    sign_as,
)

BODY = b"0123456789" * 1000


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer) -> FaultServer:
    """The fault server with one bucket `b` that holds key-0 to key-199 and `large`."""
    sign_as(monkeypatch, "fault", "faultsecret")
    objects = [FixtureObject(f"key-{n}", body=b"x" * n) for n in range(200)]
    fault_server.bucket("b", [*objects, FixtureObject("large", body=BODY)])
    return fault_server


# -- trying again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        internal_error(),
        slow_down(),
        too_many_requests(),
        respond(502, body=b"<html>"),
        respond(504),
        respond(400, "RequestTimeout"),
        reset(),
        pytest.param(reset("after headers"), id="reset after headers"),
        pytest.param(reset("in body", after_bytes=3), id="reset in body"),
        truncate(),
        pytest.param(truncate(0), id="no body"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_may_succeed_when_asked_again_is_asked_again(
    store: FaultServer, fault: Action
) -> None:
    store.rule(fault, nth=(1, 2), per_target=True)
    counters = Counters()
    with open_transport(store.endpoint_url, counters) as transport:
        answers = transport.exchange([get("b", "large"), get("b", "key-7"), listing("b")])
    assert [(answer.status, answer.error) for answer in answers] == [(200, None)] * 3
    assert (answers[0].body, answers[1].body) == (BODY, b"x" * 7)
    assert answers[2].body.count(b"<Contents>") == 201
    # What is reset on a kept connection before anything came, libcurl may send again by itself.
    uncounted = 6 - counters["retries"]
    assert 0 <= uncounted <= (2 if fault.name == "reset" else 0)
    assert counters["requests.proof"] + counters["requests.list"] == 9 - uncounted


_NO_WHOLE_HEADERS = [
    b"HTTP/1.1 200 OK\r\nContent-Le<close>",
    b"HTTP/1.1 200 OK\r\nETag: e\r\n<close>",
    b"\x16\x03\x01 no HTTP at all\r\n\r\n<close>",
    b"<close>",
]
_NO_WHOLE_BODY = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel<close>",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel<close>",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n<close>",
]


@pytest.mark.parametrize(
    ("ask", "broken"),
    [(head, broken) for broken in _NO_WHOLE_HEADERS]
    + [(get, broken) for broken in _NO_WHOLE_HEADERS + _NO_WHOLE_BODY],
)
def test_a_damaged_answer_is_never_taken_for_a_whole_one(
    ask: Callable[[str, str], Request], broken: bytes
) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: whole\r\n\r\n"
    whole += b"" if ask is head else b"hello"
    with (
        scripted(broken, broken, whole) as port,
        open_transport(f"http://127.0.0.1:{port}") as transport,
    ):
        [answer] = transport.exchange([ask("b", "k")])
    assert answer.error is None
    assert headers(answer)["etag"] == "whole"


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        (internal_error(), 500, ServerError),
        (slow_down(), 503, ThrottledError),
        (truncate(), 200, ServerError),
        (reset(), 0, UnreachableError),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_after_so_many_tries_it_is_given_up_and_the_others_go_on(
    store: FaultServer, fault: Action, status: int, expected: type[Exception]
) -> None:
    store.rule(fault, key="large")
    counters = Counters()
    with open_transport(store.endpoint_url, counters) as transport:
        bad, good = transport.exchange([get("b", "large"), get("b", "key-1")])
    assert type(bad.error) is expected
    assert "cannot read s3://b/large: " in str(bad.error)
    assert "(4 tries)" in str(bad.error)
    assert bad.status == status
    assert (good.status, good.body, good.error) == (200, b"x", None)
    assert counters == {
        "requests.proof": QUICK.tries_max + 1,
        f"refusals.proof.{status if status >= 500 else 'broken'}": QUICK.tries_max,
        "retries": QUICK.tries_max - 1,
    }


def test_what_is_refused_for_good_is_asked_once(store: FaultServer) -> None:
    store.rule(respond(501, "NotImplemented"))
    counters = Counters()
    with open_transport(store.endpoint_url, counters) as transport:
        [answer] = transport.exchange([get("b", "key-1")])
    assert (answer.status, answer.error) == (501, None)
    assert counters == {"requests.proof": 1, "refusals.proof.501": 1}


def test_an_endpoint_where_nobody_listens_is_named() -> None:
    counters = Counters()
    with (
        refusing_port() as port,
        open_transport(f"http://127.0.0.1:{port}", counters) as transport,
    ):
        [answer] = transport.exchange([listing("b", prefix="logs/")])
    assert type(answer.error) is UnreachableError
    assert str(answer.error).startswith(f"cannot list s3://b/logs/: 127.0.0.1:{port}: ")
    assert answer.status == 0
    assert counters["retries"] == QUICK.tries_max - 1


def test_a_stalled_answer_is_given_up_and_asked_for_again(store: FaultServer) -> None:
    store.rule(stall(), key="key-1", nth=1)
    store.rule(stall(after_bytes=100), key="large", nth=1)
    started = time.monotonic()
    limits = replace(
        QUICK, stall_timeout_s=1.0, tries_max=20
    )  # of which a busy machine may need more than two
    with open_transport(store.endpoint_url, limits=limits) as transport:
        answers = transport.exchange([head("b", "key-1"), get("b", "large")])
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].body == BODY
    assert time.monotonic() - started >= limits.stall_timeout_s


def test_a_peer_that_never_accepts_runs_into_the_timeout() -> None:
    limits = replace(QUICK, tries_max=1, connect_timeout_s=0.3)
    started = time.monotonic()
    with (
        unanswering_port() as port,
        open_transport(f"http://127.0.0.1:{port}", limits=limits) as transport,
    ):
        [answer] = transport.exchange([head("b", "k")])
    assert type(answer.error) is UnreachableError
    assert time.monotonic() - started < 60  # the kernel alone would try for two minutes


# -- back-off --------------------------------------------------------------------------------------


def test_a_request_that_waits_keeps_no_other_from_being_sent(store: FaultServer) -> None:
    store.rule(internal_error(), key="large", nth=1)
    limits = replace(QUICK, concurrency=1, retry_delay_s_min=2.0, retry_delay_s_max=2.0)
    with open_transport(store.endpoint_url, limits=limits, random=lambda: 1.0) as transport:
        answers = transport.exchange(
            [get("b", "large"), *(head("b", f"key-{n}") for n in range(50))]
        )
    assert [answer.status for answer in answers] == [200] * 51
    first, again = (n for n, entry in enumerate(store.log) if entry.path == "/b/large")
    assert store.log[again].at - store.log[first].at >= 1.95
    assert again - first > 1, "nothing was sent meanwhile"


def test_a_store_that_throttles_is_asked_for_less_at_a_time(store: FaultServer) -> None:
    store.rule(slow_down(), nth=1, per_target=True)
    with open_transport(store.endpoint_url, limits=replace(QUICK, concurrency=16)) as transport:
        assert transport.pace.allowed == 16
        exchange = transport.ask([head("b", f"key-{n}") for n in range(40)])
        least = 16
        while exchange.unanswered:
            transport.turn(0.001)
            least = min(least, transport.pace.allowed)
    assert least < 8
    assert [answer.status for answer in exchange.answers()] == [200] * 40


def test_no_more_requests_are_sent_in_a_second_than_the_rate_allows(store: FaultServer) -> None:
    limits = replace(QUICK, concurrency=16, rate=50.0)
    with open_transport(store.endpoint_url, limits=limits) as transport:
        began = transport.now()
        transport.exchange([head("b", f"key-{n}") for n in range(30)])
        spent = transport.now() - began
    # A tenth of a second's requests may go at once.
    assert spent >= (30 - 5) / 50


def test_throttled_and_failing_requests_do_not_lock_each_other_out(store: FaultServer) -> None:
    store.rule(internal_error(), nth=1, per_target=True, where=lambda asked: "key-1" in asked.key)
    store.rule(slow_down(), nth=1, per_target=True, where=lambda asked: "key-1" not in asked.key)
    with open_transport(store.endpoint_url, limits=replace(QUICK, concurrency=1)) as transport:
        answers = transport.exchange([head("b", f"key-{n}") for n in range(30)])
    assert [answer.status for answer in answers] == [200] * 30


def test_the_store_may_say_how_long_to_wait(store: FaultServer) -> None:
    store.rule(slow_down(1), nth=1)
    limits = replace(QUICK, retry_delay_s_max=5.0)
    with open_transport(store.endpoint_url, limits=limits, random=lambda: 0.0) as transport:
        transport.exchange([head("b", "key-1")])
    assert store.log[1].at - store.log[0].at >= 1.0


def test_no_store_may_make_us_wait_longer_than_the_bound(store: FaultServer) -> None:
    store.rule(slow_down(3600), nth=1)
    started = time.monotonic()
    with open_transport(store.endpoint_url) as transport:
        assert transport.exchange([head("b", "key-1")])[0].status == HTTPStatus.OK
    assert time.monotonic() - started < 60


def test_delays_double_up_to_their_bound_and_any_part_of_them_may_be_drawn(
    store: FaultServer,
) -> None:
    store.rule(internal_error(), key="large")
    limits = replace(QUICK, tries_max=8, retry_delay_s_min=0.1, retry_delay_s_max=0.3)
    with open_transport(store.endpoint_url, limits=limits, random=lambda: 1.0) as transport:
        transport.exchange([head("b", "large")])
    moments = [entry.at for entry in store.log]
    waits = [after - before for before, after in pairwise(moments)]
    for wait, bound in zip(waits, [0.1, 0.2, *[0.3] * 5], strict=True):
        assert wait >= bound - 0.03
    assert sum(waits) < 10  # 1.8 s and what the machine adds; unbounded they would come to 12.7 s
    store.reset_counts()
    limits = replace(limits, retry_delay_s_min=3.0, retry_delay_s_max=9.0)
    with open_transport(store.endpoint_url, limits=limits, random=lambda: 0.0) as transport:
        transport.exchange([head("b", "large")])
    assert store.log[-1].at - store.log[0].at < 30  # whole, they would come to 54 s


def test_a_store_that_throttles_is_got_through(store: FaultServer) -> None:
    drawn = random.Random(7)
    for fault in (slow_down(), internal_error(), reset(), truncate()):
        store.rule(fault, probability=0.08)
    counters = Counters()
    limits = replace(QUICK, tries_max=12)
    with open_transport(store.endpoint_url, counters, limits, random=drawn.random) as transport:
        answers = transport.exchange([get("b", f"key-{n}") for n in range(200)])
    assert [answer.body for answer in answers] == [b"x" * n for n in range(200)]
    assert counters["retries"] == counters["requests.proof"] - 200 > 10


# -- stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [stall(), stall(after_bytes=10), slow_down(3600)], ids=["silence", "body", "back-off"]
)
def test_stop_ends_an_exchange_at_once(store: FaultServer, fault: Action) -> None:
    store.rule(fault, key="large")
    limits = replace(QUICK, stall_timeout_s=60, retry_delay_s_max=60)
    with open_transport(store.endpoint_url, limits=limits) as transport:
        stopped_at: list[float] = []

        def stop() -> None:
            stopped_at.append(time.monotonic())
            transport.stop(15)

        timer = threading.Timer(0.4, stop)
        timer.start()
        with pytest.raises(StoppedError) as caught:
            transport.exchange([get("b", "large"), get("b", "key-1")])
        # A second by itself; on a busy machine more, and nothing like the minute that it would have waited.
        assert time.monotonic() - stopped_at[0] < 20
        timer.join()
        assert caught.value.exit_code == 128 + 15
        with pytest.raises(StoppedError):
            transport.exchange([head("b", "key-1")])


@pytest.mark.parametrize(
    ("fault", "statuses"), [(stall(), [0, PUT_OFF]), (slow_down(3600), [PUT_OFF, 200])]
)
def test_once_it_is_to_end_what_was_not_sent_is_put_off_and_what_hangs_has_failed(
    store: FaultServer, fault: Action, statuses: list[int]
) -> None:
    store.rule(fault, key="large")
    limits = replace(QUICK, concurrency=1, stall_timeout_s=60, retry_delay_s_max=60)
    with open_transport(store.endpoint_url, limits=limits) as transport:
        exchange = transport.ask([head("b", "large"), head("b", "key-1")])
        transport.turn(0.3)
        transport.end(0.2)
        while exchange.unanswered:
            transport.turn()
        answers = exchange.answers()
        assert [answer.status for answer in answers] == statuses
        assert [answer.error is not None for answer in answers] == [n == 0 for n in statuses]
        assert [answer.status for answer in transport.exchange([head("b", "key-2")])] == [PUT_OFF]
    assert "key-2" not in {entry.path for entry in store.log}


def test_what_is_interrupted_leaves_nothing_behind_for_the_next_exchange(
    store: FaultServer,
) -> None:
    with open_transport(store.endpoint_url) as transport:
        with pytest.raises(UsageError):
            transport.exchange([get("b", "large"), get("no bucket", "k"), get("b", "key-9")])
        [answer] = transport.exchange([get("b", "key-1")])
    assert answer.body == b"x"


def test_more_than_a_thousand_open_files_are_no_hindrance(store: FaultServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with open_transport(store.endpoint_url) as transport:
            answers = transport.exchange([head("b", f"key-{n}") for n in range(20)])
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [answer.status for answer in answers] == [200] * 20


def test_every_kind_of_call_is_counted_by_its_name(store: FaultServer) -> None:
    counters = Counters()
    with open_transport(store.endpoint_url, counters) as transport:
        transport.exchange([head("b", "key-1")._replace(call=call) for call in Call])
    assert counters == {f"requests.{call}": 1 for call in Call}


def test_a_hostile_key_cannot_speak_to_the_terminal_through_an_error() -> None:
    with (
        refusing_port() as port,
        open_transport(f"http://127.0.0.1:{port}") as transport,
    ):
        [answer] = transport.exchange([head("b", "a\x1b[31m\nb")])
    assert str(answer.error).isprintable()
    assert r"s3://b/a\x1b[31m\nb" in str(answer.error)

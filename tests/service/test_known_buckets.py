"""Whether a bucket is there: asked once, believed for a while, and not by so many that a store that hangs takes all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stocktake.model.errors import NoSuchBucketError, ThrottledError, UsageError
from stocktake.model.store import Store
from stocktake.service import known_buckets
from stocktake.service.known_buckets import BELIEVED_S, KnownBuckets
from tests.servers.fault import FaultServer
from tests.servers.server import REGION


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")


def test_a_yes_is_believed_for_a_while_and_a_no_never(fault_server: FaultServer) -> None:
    fault_server.bucket("photos")
    now = [0.0]
    store = Store(endpoint_url=fault_server.endpoint_url, region=REGION)
    with KnownBuckets({"s": store}, lambda: now[0]) as buckets:
        for _ in range(3):
            buckets.check("s", "photos")
        assert sum(fault_server.counts.values()) == 1
        now[0] = BELIEVED_S
        buckets.check("s", "photos")
        assert sum(fault_server.counts.values()) == 2
        with pytest.raises(NoSuchBucketError):
            buckets.check("s", "new")
        fault_server.bucket("new")
        buckets.check("s", "new")
        with pytest.raises(UsageError, match="no store is called `t`; known are: s"):
            buckets.check("t", "photos")


@contextmanager
def hanging_store() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """A store that takes a request, says so, and answers it when it is told."""
    asked, answering = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                asked.set()
                answering.wait(90)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked, answering
        answering.set()
        thread.join()


def test_a_store_that_hangs_keeps_few_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_buckets, "QUESTIONS_MAX", 1)
    monkeypatch.setattr(known_buckets, "TURN_S_MAX", 0.1)
    with (
        hanging_store() as (url, asked, answering),
        KnownBuckets({"s": Store(endpoint_url=url, region=REGION)}, lambda: 0.0) as buckets,
    ):
        first = threading.Thread(target=buckets.check, args=("s", "photos"))
        first.start()
        assert asked.wait(60)
        with pytest.raises(ThrottledError, match="are not answered yet"):
            buckets.check("s", "other")
        answering.set()
        first.join()
        buckets.check("s", "photos")  # it is believed

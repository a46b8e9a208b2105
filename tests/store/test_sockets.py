"""HEAD over sockets: what is sent, and which connections are used again."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pycurl
import pytest

from stocktake.store.errands import Broken
from stocktake.store.requests import Answer
from stocktake.store.sockets import Sockets
from stocktake.store.sockets_place import request_lines
from stocktake.store.wire import Wires
from tests.store.carrying import ask, carrying, collect, errand, options, seal, turn
from tests.store.doors import listener, read_head, scripted

_OK = b"HTTP/1.1 200 OK\r\n"
_KEPT = _OK + b"ETag: kept\r\n\r\n"
_CUT = b"<close>"


def _answer(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"".join(line + b"\r\n" for line in (b"HTTP/1.1 " + status, *lines, b""))


# -- keeping connections ---------------------------------------------------------------------------


@contextmanager
def _counted(*answers: bytes) -> Iterator[tuple[int, list[int]]]:
    """A port where each request on a connection gets the next of `answers`, and how many came on which connection."""
    counts: list[int] = []
    lock = threading.Lock()

    def serve(link: socket.socket) -> None:
        with lock:
            mine = len(counts)
            counts.append(0)
        for answer in answers:
            if not read_head(link):
                return
            counts[mine] += 1
            link.sendall(answer.removesuffix(_CUT))
            if answer.endswith(_CUT):
                return
        link.recv(1)

    with listener(serve) as port:
        yield port, counts


_KEPT_OR_NOT = [
    (_KEPT, True),
    (_answer(b"Connection: keep-alive"), True),
    (_answer(b"Connection: x-close"), True),
    (_answer(b"X-Connection: close"), True),
    (_answer(b"Connection: close"), False),
    (_answer(b"connection: CLOSE"), False),
    (_answer(b"CONNECTION:Close"), False),
    (_answer(b"Connection: x, close , y"), False),
    (_answer(b"A: b", b"Connection: x,close", status=b"404 No"), False),
    (b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n", False),
    (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", True),
    (_KEPT + b"body", False),
]


@pytest.mark.parametrize(("answer", "kept"), _KEPT_OR_NOT)
def test_a_connection_is_used_again_unless_the_server_says_it_closes_it(
    answer: bytes, kept: bool
) -> None:  # fmt: skip
    with _counted(answer, answer) as (port, counts), carrying("both") as carrier:
        came = ask(carrier, seal(f"http://127.0.0.1:{port}"), ["/b/1", "/b/2"])
    assert [each.status for each in came] == [came[0].status] * 2
    assert counts == ([2] if kept else [1, 1])


def test_a_body_that_follows_later_is_no_answer_to_the_next_request() -> None:
    poison = _answer(b"ETag: poison")
    answered, poisoned = threading.Event(), threading.Event()

    def serve(link: socket.socket) -> None:
        while read_head(link):
            link.sendall(_KEPT)
            assert answered.wait(30)
            link.sendall(poison)
            poisoned.set()

    with listener(serve) as port, carrying("both") as carrier:
        sealed = seal(f"http://127.0.0.1:{port}")
        for _ in range(3):
            [came] = ask(carrier, sealed)
            assert isinstance(came, Answer)
            assert b"kept" in came.headers
            answered.set()
            assert poisoned.wait(30)
            answered.clear()
            poisoned.clear()


@pytest.mark.parametrize("farewell", [b"", _answer(status=b"408 Request Timeout")])
@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_a_connection_that_was_closed_while_idle_costs_no_try(
    farewell: bytes, noticed: bool, reset: bool
) -> None:  # fmt: skip
    gone = threading.Event()

    def serve(link: socket.socket) -> None:
        read_head(link)
        link.sendall(_KEPT)
        if farewell:
            link.sendall(farewell)
        if reset:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.shutdown(socket.SHUT_WR) if not reset else link.close()
        gone.set()

    with listener(serve) as port:
        sealed = seal(f"http://127.0.0.1:{port}")
        sockets = Sockets(options())
        for _ in range(3):
            gone.clear()
            assert sockets.send(errand(sealed))
            [(_, came)] = collect(sockets, 1)
            assert isinstance(came, Answer)
            assert b"kept" in came.headers
            assert gone.wait(60)
            if noticed:  # else only what is sent next comes upon it
                sockets.arrived()
        sockets.close()


def test_a_request_is_sent_again_once_where_a_kept_connection_says_nothing() -> None:
    heads: list[bytes] = []

    def serve(link: socket.socket) -> None:
        first = read_head(link)
        heads.append(first)
        if b"/b/good" in first:
            link.sendall(_KEPT)
            heads.append(read_head(link))

    with listener(serve) as port, carrying("both") as carrier:
        good, bad = ask(carrier, seal(f"http://127.0.0.1:{port}"), ["/b/good", "/b/bad"])
    assert good.status == 200
    assert bad == Broken(0, pycurl.E_GOT_NOTHING, "Empty reply from server")
    assert [head.split()[1] for head in heads] == [b"/b/good", b"/b/bad", b"/b/bad"]


def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    def serve(link: socket.socket) -> None:
        read_head(link)
        link.sendall(_KEPT)
        read_head(link)
        link.sendall(b"HTTP/1.1 404 No\r\n")

    with listener(serve) as port, carrying("both") as carrier:
        _, came = ask(carrier, seal(f"http://127.0.0.1:{port}"), ["/b/1", "/b/2"])
    assert came == Broken(404, 0, "")


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 404 No\r\n"])
def test_a_reset_is_the_same_error_by_either_carrier(begun: bytes) -> None:
    def serve(link: socket.socket) -> None:
        read_head(link)
        if begun:
            link.sendall(begun)
            time.sleep(0.5)  # a reset takes with it what was not read
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.close()

    came = []
    for name in ("libcurl", "both"):
        with listener(serve) as port, carrying(name) as carrier:
            came += ask(carrier, seal(f"http://127.0.0.1:{port}"))
    assert [(each.status, each.code) for each in came if isinstance(each, Broken)] == [
        (404 if begun else 0, pycurl.E_RECV_ERROR)
    ] * 2


def test_libcurl_uses_no_connection_again_that_is_much_slower_than_usual() -> None:
    asked: list[list[str]] = []
    clock, looked = [0.0], threading.Event()
    pauses_s = {"/b/slower": 0.05, "/b/slow": 0.5}

    def monotonic() -> float:
        looked.set()
        return clock[0]

    def serve(link: socket.socket) -> None:
        mine: list[str] = []
        asked.append(mine)
        while request := read_head(link):
            mine.append(request.split()[1].decode())
            if pause_s := pauses_s.get(mine[-1]):
                clock[0] += pause_s
                looked.clear()
                assert looked.wait(30)  # by a look at the clock that began after this
            link.sendall(_KEPT)

    targets = ["/b/1", "/b/slower", "/b/slow", "/b/2", "/b/3"]
    with listener(serve) as port, closing(Wires(options(), monotonic=monotonic)) as carrier:
        sealed = seal(f"http://127.0.0.1:{port}")
        for target in targets:
            sent = errand(sealed, target)
            sent.sent_at = clock[0]
            carrier.send(sent)
            carrier.push()
            assert len(collect(carrier, 1)) == 1
    assert asked == [targets[:3], targets[3:]]


def test_idle_connections_are_no_more_than_may_be_in_flight_and_are_closed_in_time() -> None:
    clock = [1000.0]
    with _counted(_KEPT, _KEPT) as (port, counts):
        sockets = Sockets(options(concurrency=2), monotonic=lambda: clock[0])
        sealed = seal(f"http://127.0.0.1:{port}")
        for number in range(5):
            assert sockets.send(errand(sealed, f"/b/{number}"))
        assert len(collect(sockets, 5)) == 5
        assert len(sockets._lines) == 2
        clock[0] += 1000
        sockets.arrived()
        assert len(sockets._lines) == 0
        sockets.close()
    assert sum(counts) == 5


def test_an_idle_connection_that_is_closed_by_the_server_is_dropped_at_once() -> None:
    with _counted(_KEPT + _CUT) as (port, _):
        sockets = Sockets(options())
        sockets.send(errand(seal(f"http://127.0.0.1:{port}")))
        assert len(collect(sockets, 1)) == 1
        assert turn(sockets, lambda: not sockets._lines)
        sockets.close()


# -- what is sent ----------------------------------------------------------------------------------

_TARGETS = [
    "/b/k", "/", "/b/a/../b", "/b/./.", "/b/..", "/b//", "//", "/b/%2F", "/b/%00", "/b/%0D%0AX:%20y",
    "/b/k?versionId=null", "/b/k?versionId=%3D%26%3F", "/b/" + "%F0%9F%98%80" * 256, "/b/" + "x" * 8000, "/b/~",
    "/b/k?versionId=" + "x" * 16_000,
]  # fmt: skip


@pytest.mark.parametrize("signed", [True, False])
def test_the_same_bytes_are_sent_by_either_carrier(signed: bool) -> None:
    received: list[bytes] = []

    def serve(link: socket.socket) -> None:
        while wire := read_head(link):
            received.append(wire)
            link.sendall(_KEPT)

    with listener(serve) as port:
        for name in ("libcurl", "both"):
            with carrying(name) as carrier:
                ask(carrier, seal(f"http://127.0.0.1:{port}", signed=signed), _TARGETS)
    count = len(_TARGETS)
    assert received[:count] == received[count:]


def test_what_no_line_of_a_request_may_hold_is_not_sent() -> None:
    for path in ("/a b", "/\u00e9", "/a\r\nX: y"):
        assert request_lines(seal("http://127.0.0.1", path=path), "us") is None
    assert request_lines(seal("http://127.0.0.1"), "us\r\nX: y") is None
    assert request_lines(seal("http://\u00e9.example"), "us") is None
    assert request_lines(seal("http://127.0.0.1", proxy="http://proxy"), "us") is None
    assert request_lines(seal("http://[::1]:8000"), "us") is not None


def test_what_is_no_head_or_goes_through_a_proxy_is_for_libcurl() -> None:
    with scripted(_KEPT) as port:
        origin = f"http://127.0.0.1:{port}"
        sockets = Sockets(options())
        assert not sockets.send(errand(seal(origin, method="GET"), method="GET"))
        assert not sockets.send(errand(seal(origin, proxy=origin)))
        assert sockets.send(errand(seal(origin)))
        sockets.close()


def test_a_request_for_which_there_is_no_room_is_sent_as_there_is() -> None:
    target = "/b/k?versionId=" + "x" * 6_000_000
    received = [0]

    def serve(link: socket.socket) -> None:
        time.sleep(0.3)
        while piece := link.recv(2**16):
            received[0] += len(piece)
            if piece.endswith(b"\r\n\r\n"):
                link.sendall(_KEPT)

    with listener(serve) as port:
        sockets = Sockets(options())
        for each in (target, "/b/k"):
            assert sockets.send(errand(seal(f"http://127.0.0.1:{port}"), each))
            [(_, came)] = collect(sockets, 1)
            assert came.status == 200
        sockets.close()
    assert received[0] > len(target)


def test_secrets_are_in_no_representation() -> None:
    with scripted(_KEPT) as port:
        sockets = Sockets(options())
        sealed = seal(f"http://127.0.0.1:{port}", signed=True)
        sockets.send(errand(sealed))
        shown = f"{sockets!r} {list(sockets._places.values())!r} {list(sockets._lines.values())!r} {sealed!r}"
        assert re.search("hidden|AKID", shown) is None
        sockets.close()

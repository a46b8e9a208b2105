"""HEAD over sockets: how connections are opened, what it means that none can be, and what waiting costs."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pycurl
import pytest

from stocktake.store.carriers import Carriers
from stocktake.store.errands import Broken
from stocktake.store.requests import Answer
from stocktake.store.sockets import Sockets
from stocktake.store.sockets_names import Address, Names
from stocktake.store.wire import Wires
from tests.servers.ports import refusing_port, unanswering_port
from tests.store.carrying import KnownNames, ask, carrying, collect, errand, options, seal
from tests.store.doors import listener, read_head

_KEPT = b"HTTP/1.1 200 OK\r\nETag: kept\r\n\r\n"


_DESCRIPTORS = Path("/proc/self/fd")


def _serve(link: socket.socket) -> None:
    while read_head(link):
        link.sendall(_KEPT)


def _here(port: int, host: str = "127.0.0.1") -> Address:
    return Address(socket.AF_INET, (host, port))


# -- addresses -------------------------------------------------------------------------------------


def test_an_address_that_refuses_is_not_tried_again_and_costs_no_try() -> None:
    with listener(_serve) as port, refusing_port() as dead:
        names = KnownNames(_here(dead), _here(port))
        wires = Wires(options())
        carrier = Carriers(wires, Sockets(options(), names))
        came = ask(carrier, seal(f"http://localhost:{port}"), ["/b/1", "/b/2", "/b/3"])
        assert names.count("localhost", port) == 1
        carrier.close()
    assert [each.status for each in came] == [200] * 3


def test_an_address_that_does_not_answer_holds_nothing_up() -> None:
    with listener(_serve) as port, unanswering_port() as dead:
        names = KnownNames(_here(dead), _here(port))
        carrier = Carriers(Wires(options()), Sockets(options(connect_timeout_s=120), names))
        started = time.monotonic()
        came = ask(carrier, seal(f"http://localhost:{port}"), [f"/b/{n}" for n in range(4)])
        # Not the two minutes for which a connection may take to open.
        assert time.monotonic() - started < 60
        assert names.count("localhost", port) == 1
        carrier.close()
    assert [each.status for each in came] == [200] * 4


def test_addresses_of_the_first_family_take_turns_and_the_others_wait() -> None:
    first = [Address(socket.AF_INET, (f"127.0.0.{n}", 80)) for n in (1, 2)]
    other = Address(socket.AF_INET6, ("::1", 80, 0, 0))
    names = KnownNames(*first, other)
    assert [names.take("h", 80) for _ in range(4)] == first * 2
    for address in first:
        names.avoid("h", 80, address)
    assert [names.take("h", 80) for _ in range(2)] == [other] * 2
    names.avoid("h", 80, other)
    assert names.take("h", 80) is None
    names.trust("h", 80, other)
    assert names.take("h", 80) == other


def test_names_are_looked_up_beside_and_anew_after_a_minute() -> None:
    clock = [0.0]
    names = Names(monotonic=lambda: clock[0])
    assert names.take("127.0.0.1", 80) == _here(80)
    address = None
    end = time.monotonic() + 60
    while address is None and time.monotonic() < end:
        address = names.take("localhost", 80)
        time.sleep(0.01)
    assert address is not None
    names.avoid("127.0.0.1", 80, _here(80))
    assert names.take("127.0.0.1", 80) is None
    clock[0] += 61
    assert names.take("127.0.0.1", 80) == _here(80)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300])
def test_a_name_that_means_nothing_is_the_same_error_by_either_carrier(host: str) -> None:
    codes = []
    for name in ("libcurl", "both"):
        with carrying(name) as carrier:
            for _ in range(2):
                [came] = ask(carrier, seal(f"http://{host}:80"))
                assert isinstance(came, Broken)
                codes.append(came.code)
    assert len(set(codes)) == 1


def test_an_ipv6_literal_is_gone_to() -> None:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    received: list[bytes] = []

    def accept() -> None:
        for _ in range(2):
            link, _ = listening.accept()
            with link:
                received.append(read_head(link))
                link.sendall(_KEPT)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    origin = f"http://[::1]:{listening.getsockname()[1]}"
    with listening:
        sockets = Sockets(options())
        assert sockets.send(errand(seal(origin)))
        assert len(collect(sockets, 1)) == 1
        sockets.close()
        with carrying("libcurl") as carrier:
            ask(carrier, seal(origin))
        thread.join(60)
    assert received[0] == received[1]
    assert f"Host: {origin[7:]}\r\n".encode() in received[0]


@pytest.mark.parametrize("name", ["libcurl", "both"])
def test_a_port_where_nobody_listens_is_the_same_error_by_either_carrier(name: str) -> None:
    with refusing_port() as port, carrying(name) as carrier:
        came = ask(carrier, seal(f"http://127.0.0.1:{port}"), ["/b/1", "/b/2"])
    assert [(each.status, each.code) for each in came if isinstance(each, Broken)] == [
        (0, pycurl.E_COULDNT_CONNECT)
    ] * 2


# -- time ------------------------------------------------------------------------------------------


def _silent(link: socket.socket) -> None:
    while link.recv(65536):
        pass


def _trickling(link: socket.socket) -> None:
    read_head(link)
    link.sendall(_KEPT[:20])
    while True:
        link.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize("name", ["libcurl", "both"])
@pytest.mark.parametrize("serve", [_silent, _trickling])
def test_an_answer_that_is_not_whole_in_time_is_given_up(
    name: str, serve: Callable[[socket.socket], None]
) -> None:
    started = time.monotonic()
    with listener(serve) as port, carrying(name, options(stall_timeout_s=1)) as carrier:
        [came] = ask(carrier, seal(f"http://127.0.0.1:{port}"))
    assert isinstance(came, Broken)
    assert came.code == pycurl.E_OPERATION_TIMEDOUT
    assert time.monotonic() - started >= 0.9


@pytest.mark.parametrize("name", ["libcurl", "both"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_does_not_open_is_given_up(name: str, scheme: str) -> None:
    limits = options(connect_timeout_s=0.5, stall_timeout_s=120)
    started = time.monotonic()
    with ExitStack() as stack:
        opened = unanswering_port() if scheme == "http" else listener(_silent)
        port = stack.enter_context(opened)
        carrier = stack.enter_context(carrying(name, limits))
        [came] = ask(carrier, seal(f"{scheme}://127.0.0.1:{port}"))
    assert isinstance(came, Broken)
    assert came.code == pycurl.E_OPERATION_TIMEDOUT
    assert 0.4 <= time.monotonic() - started < 90  # not the two minutes that an answer may take


@pytest.mark.parametrize("serve", [_silent, _trickling, _serve])
def test_waiting_costs_no_cpu_time_and_lasts_no_longer_than_asked(
    serve: Callable[[socket.socket], None],
) -> None:
    with listener(serve) as port:
        sockets = Sockets(options())
        sockets.send(errand(seal(f"http://127.0.0.1:{port}")))
        collect(sockets, 1, 0.2)
        turns = 0
        end = time.monotonic() + 1
        while time.monotonic() < end:
            sockets.wait(0.1)
            sockets.arrived()
            turns += 1
        sockets.close()
    assert turns <= 40


# -- descriptors -----------------------------------------------------------------------------------


def _open_files() -> set[str]:
    """What this process has open, by names that are given to nothing else."""
    found = set()
    for number in _DESCRIPTORS.iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add(str(number.readlink()))
    return found


def _plain(stack: ExitStack, serve: Callable[[socket.socket], None]) -> str:
    return f"http://127.0.0.1:{stack.enter_context(listener(serve))}"


_STAGES: dict[str, Callable[[ExitStack], str]] = {
    "connecting": lambda stack: f"http://127.0.0.1:{stack.enter_context(unanswering_port())}",
    "shaking hands": lambda stack: f"https://127.0.0.1:{stack.enter_context(listener(_silent))}",
    "waiting": lambda stack: _plain(stack, _silent),
    "in an answer": lambda stack: _plain(stack, _trickling),
    "answered": lambda stack: _plain(stack, _serve),
}


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("stage", _STAGES)
def test_what_is_forgotten_in_any_stage_leaves_no_descriptor(stage: str, *, closed: bool) -> None:
    with ExitStack() as stack:
        origin = _STAGES[stage](stack)
        sealed = seal(origin)
        sockets = Sockets(options())
        for _ in range(8):
            assert sockets.send(errand(sealed))
        collect(sockets, 8, 0.2)
        lines = [line for line in sockets._lines.values() if closed or line.errand is not None]
        assert stage == "answered" or len(lines) == 8
        files = {str((_DESCRIPTORS / str(line.number)).readlink()) for line in lines}
        assert files <= _open_files()
        if closed:
            sockets.close()
        else:
            sockets.forget()
        assert len(sockets) == 0
        assert not files & _open_files()
        sockets.close()


def test_too_many_open_files_are_an_error_and_the_next_request_fares_better() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with listener(_serve) as port, carrying("both", options(connect_timeout_s=1)) as carrier:
        sealed = seal(f"http://127.0.0.1:{port}")
        highest = max(int(number.name) for number in _DESCRIPTORS.iterdir())
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held), hard))
        try:
            [came] = ask(carrier, sealed)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for number in held:
                os.close(number)
        assert isinstance(came, Broken)
        [came] = ask(carrier, sealed)
        assert isinstance(came, Answer)

"""HEAD over sockets through TLS: who is trusted, and what is spoken, as libcurl has it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pycurl
import pytest
from cryptography import x509

from stocktake.store.errands import Broken
from stocktake.store.requests import Answer
from stocktake.store.sockets import Sockets
from stocktake.store.sockets_names import Address
from tests.servers.fault_tls import certified
from tests.store.carrying import KnownNames, ask, carrying, collect, errand, options, seal, turn
from tests.store.doors import listener, read_head

_KEPT = b"HTTP/1.1 200 OK\r\nETag: kept\r\n\r\n"


def _serve(link: socket.socket) -> None:
    while read_head(link):
        link.sendall(_KEPT)


def _certificate(
    folder: Path, *, place: x509.GeneralName, days: int = 1, authority: bool = True
) -> tuple[ssl.SSLContext, str]:
    """As `certified`, with the bundle as options have it."""
    context, bundle = certified(folder, place, days=days, authority=authority)
    return context, str(bundle)


_IP = x509.IPAddress(ip_address("127.0.0.1"))
_LOCALHOST = x509.DNSName("localhost")
_SERVERS = [
    "trusted", "leaf", "untrusted", "expired", "wrong name", "unverified", "no bundle", "garbage", "folder",
]  # fmt: skip
_TRUSTED = {"trusted", "leaf", "unverified"}


@contextmanager
def secured(serve: Callable[[socket.socket], None], context: ssl.SSLContext) -> Iterator[int]:
    """A port where every connection shakes hands and gets a thread with `serve`."""

    def shake(link: socket.socket) -> None:
        with context.wrap_socket(link, server_side=True) as wrapped:
            serve(wrapped)

    with listener(shake) as port:
        yield port


@pytest.mark.parametrize("kind", _SERVERS)
def test_a_certificate_is_judged_alike_by_either_carrier(kind: str, tmp_path: Path) -> None:
    place = x509.DNSName("elsewhere") if kind == "wrong name" else _IP
    days = -1 if kind == "expired" else 1
    context, bundle = _certificate(tmp_path, place=place, days=days, authority=kind != "leaf")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    other = tmp_path / "other"
    other.mkdir()
    verify: bool | str = {
        "untrusted": _certificate(other, place=_IP)[1],
        "unverified": False,
        "no bundle": str(tmp_path / "missing.pem"),
        "garbage": str(garbage),
        "folder": str(tmp_path),
    }.get(kind, bundle)
    came = {}
    with secured(_serve, context) as port:
        for name in ("libcurl", "both"):
            with carrying(name, options(verify)) as carrier:
                came[name] = ask(carrier, seal(f"https://127.0.0.1:{port}"), ["/b/1", "/b/2"])
    assert came["both"] == came["libcurl"]
    assert (came["both"][0].status == 200) == (kind in _TRUSTED)
    with secured(_serve, context) as port:
        sockets = Sockets(options(verify))
        sent = [errand(seal(f"https://127.0.0.1:{port}")) for _ in range(2)]
        accepted = [sockets.send(each) for each in sent]

        def over() -> bool:
            accepted.extend(False for _ in sockets.declined())
            return len(sockets) == 0

        assert turn(sockets, over)
        assert (False not in accepted) == (kind in _TRUSTED)
        sockets.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_used_again_and_literals_are_not_named(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    context, bundle = _certificate(tmp_path, place=_IP)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    reused: list[bool | None] = []
    names: list[str | None] = []
    chosen: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)

    def serve(link: socket.socket) -> None:
        assert isinstance(link, ssl.SSLSocket)
        reused.append(link.session_reused)
        chosen.append(link.selected_alpn_protocol())
        read_head(link)
        link.sendall(_KEPT)
        read_head(link)
        link.sendall(_KEPT.replace(b"ETag", b"Connection: close\r\nETag"))
        link.unwrap()

    with secured(serve, context) as port:
        sockets = Sockets(options(bundle))
        for number in range(6):
            assert sockets.send(errand(seal(f"https://127.0.0.1:{port}"), f"/b/{number}"))
            [(_, came)] = collect(sockets, 1)
            assert isinstance(came, Answer)
        sockets.close()
    assert reused == [False, True, True]
    assert chosen == ["http/1.1"] * 3
    assert not any(names)


def test_a_host_name_is_named_and_old_ciphers_are_spoken(tmp_path: Path) -> None:
    context, bundle = _certificate(tmp_path, place=_LOCALHOST)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    with secured(_serve, context) as port:
        sockets = Sockets(options(bundle), KnownNames(Address(socket.AF_INET, ("127.0.0.1", port))))
        assert sockets.send(errand(seal(f"https://localhost:{port}")))
        [(_, came)] = collect(sockets, 1)
        assert came.status == 200
        sockets.close()
    assert names == ["localhost"]


@pytest.mark.parametrize("size", [1, 100, 40_000])
def test_an_answer_in_many_records_is_one_answer(size: int, tmp_path: Path) -> None:
    context, bundle = _certificate(tmp_path, place=_IP)
    wire = _KEPT[:-2] + b"".join(b"A: %b\r\n" % (b"x" * 99) for _ in range(size // 100)) + b"\r\n"

    def serve(link: socket.socket) -> None:
        while read_head(link):
            for start in range(0, len(wire), size):
                link.sendall(wire[start : start + size])

    with secured(serve, context) as port, carrying("both", options(bundle)) as carrier:
        came = ask(carrier, seal(f"https://127.0.0.1:{port}"), ["/b/1", "/b/2"])
    assert came == [Answer(200, wire[17:-2], b"")] * 2


@pytest.mark.parametrize("shaken", [True, False])
@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b""]
)
def test_what_is_no_tls_is_the_same_error_by_either_carrier(
    said: bytes, tmp_path: Path, *, shaken: bool
) -> None:
    context, bundle = _certificate(tmp_path, place=_IP)

    def serve(link: socket.socket) -> None:
        if shaken:
            wrapped = context.wrap_socket(link, server_side=True)
            read_head(wrapped)
            link = socket.socket(fileno=wrapped.detach())
        else:
            link.recv(65536)
        with link:
            link.sendall(said)

    came = []
    for name in ("libcurl", "both"):
        with listener(serve) as port, carrying(name, options(bundle)) as carrier:
            came += ask(carrier, seal(f"https://127.0.0.1:{port}"))
    codes = [each.code for each in came if isinstance(each, Broken)]
    assert len(codes) == 2
    # That nothing more came is said in two ways, which mean the same.
    ends = {pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR}
    assert codes[0] == codes[1] or set(codes) <= ends


def test_session_keys_are_written_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    context, bundle = _certificate(tmp_path, place=_IP)
    with secured(_serve, context) as port:
        sockets = Sockets(options(bundle))
        sockets.send(errand(seal(f"https://127.0.0.1:{port}")))
        assert len(collect(sockets, 1)) == 1
        sockets.close()
    assert not keys.exists()

"""What tests of the carriers share: an errand to a port, sent by libcurl alone and by both carriers together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from stocktake.store.carriers import Carriers
from stocktake.store.connection import USER_AGENT, BucketUrl
from stocktake.store.errands import Broken, Carrier, Errand, Exchange
from stocktake.store.identity import Route, Seal
from stocktake.store.requests import Answer
from stocktake.store.signing import Credentials, Signer
from stocktake.store.sockets import Sockets
from stocktake.store.sockets_names import Address, Names
from stocktake.store.wire import WireOptions, Wires
from tests.store.doors import QUICK, get, head

CARRIERS: dict[str, Callable[[WireOptions], Carrier]] = {
    "libcurl": Wires,
    "both": lambda options: Carriers(Wires(options), Sockets(options)),
}
GENEROUS_S = 60.0


def options(verify: bool | str = False, **limits: Any) -> WireOptions:
    """What a carrier is made with: quick limits, other than those given."""
    return WireOptions(replace(QUICK, **limits) if limits else QUICK, verify, USER_AGENT)


def seal(
    origin: str, *, path: str = "/b", proxy: str = "", signed: bool = False, method: str = "HEAD"
) -> Seal:
    """How requests to `origin` go out."""
    host = origin.partition("://")[2]
    credentials = Credentials("AKID", "hidden-secret", "hidden-token") if signed else None
    signer = Signer(method, host, (), credentials=credentials, region="us-east-1", second=0)
    return Seal(Route(BucketUrl(origin, host, path), "us-east-1", proxy), signer, 0)


def errand(sealed: Seal, target: str = "/b/k", *, method: str = "HEAD") -> Errand:
    """A request under way."""
    made = Errand(Exchange(1), 0, head("b", "k") if method == "HEAD" else get("b", "k"))
    made.seal, made.target, made.sent_at = sealed, target, time.monotonic()
    made.signature = sealed.signer.signature(target, "")
    return made


@contextmanager
def carrying(name: str, made: WireOptions | None = None) -> Iterator[Carrier]:
    """One of CARRIERS."""
    carrier = CARRIERS[name](options() if made is None else made)
    try:
        yield carrier
    finally:
        carrier.close()


def collect(
    carrier: Carrier | Sockets, count: int, wait_s: float = GENEROUS_S
) -> list[tuple[Errand, Answer | Broken]]:
    """So many arrivals, or those that came within the time."""
    arrivals: list[tuple[Errand, Answer | Broken]] = []
    until = time.monotonic() + wait_s
    while len(arrivals) < count and time.monotonic() < until:
        if come := carrier.arrived():
            arrivals += come
        else:
            carrier.wait(0.05)
    return arrivals


def ask(
    carrier: Carrier, sealed: Seal, targets: Sequence[str] = ("/b/k",)
) -> list[Answer | Broken]:
    """What comes of HEAD requests, one after the other."""
    came = []
    for target in targets:
        sent = errand(sealed, target)
        carrier.send(sent)
        carrier.push()
        [(back, answer)] = collect(carrier, 1)
        assert back is sent
        came.append(answer)
    assert len(carrier) == 0
    return came


def turn(sockets: Sockets, until: Callable[[], bool], wait_s: float = GENEROUS_S) -> bool:
    """Let sockets do what there is to do until something is so; whether it came to be."""
    end = time.monotonic() + wait_s
    while not until() and time.monotonic() < end:
        sockets.arrived()
        sockets.wait(0.01)
    return until()


def in_pieces(data: bytes, size: int, pause_s: float = 0.0) -> Iterator[bytes]:
    """`data`, cut."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
        time.sleep(pause_s)


class KnownNames(Names):
    """Names that all mean what a test says."""

    def __init__(self, *addresses: Address) -> None:
        super().__init__()
        self._found = addresses

    def _look_up(self, host: str, port: int, flags: int) -> bool:
        self._known[host, port] = list(self._found)
        return True

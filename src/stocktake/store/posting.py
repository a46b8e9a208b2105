"""Posting one document to an address that is no store's, and that may be anybody's: bounded in every way.

Where it goes is judged when it is connected to, by the address that the name has at that moment: a name that was
harmless when it was looked at may lead elsewhere a moment later. No redirect is followed, no proxy asked.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pycurl
from botocore.httpsession import get_cert_path

CONNECT_S_MAX = 5
TOTAL_S_MAX = 10
ANSWER_BYTES_MAX = 64 * 2**10
USER_AGENT = "stocktake"


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of it: the HTTP status, None where no answer came; then `error` says why. `stopped`: it was broken off
    because it was asked to.
    """

    status: int | None
    error: str = ""
    stopped: bool = False


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    ca_bundle: Path | None = None,
    forbidden: Callable[[str], str],
    stopping: Callable[[], bool],
) -> Posted:
    """Post `body`, and wait TOTAL_S_MAX seconds at most. `ca_bundle` is a file of the certificates to trust, without it
    those that are trusted as a rule. `forbidden` says of an IP address why it is not to be spoken to, or nothing;
    `stopping` is asked once a second. Nothing is raised.
    """
    refusals: list[str] = []
    opened: list[socket.socket] = []  # libcurl works with duplicates of these

    def connect(_purpose: int, place: Any) -> Any:
        if reason := forbidden(str(place.addr[0])):
            refusals.append(reason)
            return pycurl.SOCKET_BAD
        opened.append(socket.socket(place.family, place.socktype, place.protocol))
        return opened[-1]

    received = 0

    def receive(piece: bytes) -> int:
        nonlocal received
        received += len(piece)
        return len(piece) if received <= ANSWER_BYTES_MAX else 0

    easy = pycurl.Curl()
    try:
        _prepare(easy, url, body, headers)
        # The system's place for them is not libcurl's, where that comes in a wheel.
        easy.setopt(pycurl.CAINFO, str(ca_bundle or get_cert_path(verify=True)))
        easy.setopt(pycurl.OPENSOCKETFUNCTION, connect)
        easy.setopt(pycurl.WRITEFUNCTION, receive)
        easy.setopt(pycurl.HEADERFUNCTION, receive)
        easy.setopt(pycurl.NOPROGRESS, 0)
        easy.setopt(pycurl.XFERINFOFUNCTION, lambda *_: int(stopping()))
        easy.perform()
        return Posted(easy.getinfo(pycurl.RESPONSE_CODE))
    except pycurl.error as error:
        status = easy.getinfo(pycurl.RESPONSE_CODE) or None
        if error.args[0] == pycurl.E_ABORTED_BY_CALLBACK:
            return Posted(None, "stopped", stopped=True)
        # What came is enough: nobody reads the answer's body.
        if status is not None and received > ANSWER_BYTES_MAX:
            return Posted(status)
        return Posted(None, refusals[0] if refusals else str(error.args[1]))
    finally:
        easy.close()
        for each in opened:
            each.close()


def _prepare(easy: pycurl.Curl, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    easy.setopt(pycurl.URL, url)
    easy.setopt(pycurl.POST, 1)
    easy.setopt(pycurl.POSTFIELDS, body)
    # `Expect` would have some receivers wait for each other.
    lines = {"Content-Type": "application/json", "Expect": "", **headers}
    easy.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in lines.items()])
    easy.setopt(pycurl.USERAGENT, USER_AGENT)
    easy.setopt(pycurl.NOSIGNAL, 1)
    easy.setopt(pycurl.FOLLOWLOCATION, 0)
    easy.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    easy.setopt(pycurl.PROXY, "")
    easy.setopt(pycurl.CONNECTTIMEOUT, CONNECT_S_MAX)
    easy.setopt(pycurl.TIMEOUT, TOTAL_S_MAX)

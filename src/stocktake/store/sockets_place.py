"""Where requests of one kind go, and what of them is the same for all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stocktake.store.identity import Seal

if TYPE_CHECKING:
    import ssl

    from stocktake.store.sockets_line import Line

_PORTS = {"http": 80, "https": 443}
# What may stand in a line of a request as it is. To all else libcurl may know an answer.
_PLAIN_PATH = re.compile(r"[!-~]*")
_PLAIN_LINE = re.compile(r"[ -~]*")


@dataclass(slots=True, eq=False)
class Place:
    """An origin, and the connections to it that wait for a request, the one used last at the end."""

    host: str
    port: int
    secure: bool
    idle: list[Line] = field(default_factory=list, repr=False)
    session: ssl.SSLSession | None = field(default=None, repr=False)


def read_place(origin: str) -> Place:
    """The place that `scheme://host[:port]` is."""
    parts = urlsplit(origin)
    port = parts.port or _PORTS[parts.scheme]
    return Place(parts.hostname or "", port, secure=parts.scheme == "https")


def request_lines(seal: Seal, user_agent: str) -> str | None:
    """What stands behind the target of a HEAD on the wire, the lines that libcurl would send, up to where a signature
    goes; None where there is anything in it that is not for sockets.
    """
    url, signer = seal.route.url, seal.signer
    lines = [f"Host: {url.host}", f"User-Agent: {user_agent}", "Accept: */*", *signer.lines]
    lines.append(signer.authorization)
    if seal.route.proxy or _PLAIN_PATH.fullmatch(url.path) is None:
        return None
    if not all(_PLAIN_LINE.fullmatch(line) for line in lines):
        return None
    return " HTTP/1.1\r\n" + "\r\n".join(lines)

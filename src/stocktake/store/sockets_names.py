"""Host names -> addresses, without anybody waiting for it: a name is looked up beside, and known a little later."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

KEPT_S = 60.0  # large stores answer from other addresses every few minutes


class Address(NamedTuple):
    """Where to connect to, as the socket module has it."""

    family: int
    where: tuple[Any, ...]


class Names:
    """What names were found to mean. `addresses` is for one thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[str, int], list[Address]] = {}
        self._due: dict[tuple[str, int], float] = {}

    def addresses(self, host: str, port: int) -> list[Address]:
        """Where `host` is, none while nobody knows. The list is the caller's to turn, and to shorten."""
        now = self._monotonic()
        if self._due.get((host, port), now) <= now:
            self._due[host, port] = now + KEPT_S
            if not self._look_up(host, port, socket.AI_NUMERICHOST):
                threading.Thread(target=self._look_up, args=(host, port, 0), daemon=True).start()
        return self._known.get((host, port), [])

    def _look_up(self, host: str, port: int, flags: int) -> bool:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        except OSError:  # whoever has to have an answer asks libcurl, which says why there is none
            return False
        self._known[host, port] = [Address(family, where) for family, _, _, _, where in found]
        return True

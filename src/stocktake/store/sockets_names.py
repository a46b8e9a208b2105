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
    """What names were found to mean, and which of their addresses are worth trying. For one thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[str, int], list[Address]] = {}
        self._due: dict[tuple[str, int], float] = {}

    def take(self, host: str, port: int) -> Address | None:
        """The address that the next connection goes to; None while nobody knows one that is worth trying.

        Those of the first family take turns. The others, which may be another server altogether, are for when none
        of these is left.
        """
        known = self._addresses(host, port)
        if not known:
            return None
        address = known.pop(0)
        known.insert(sum(other.family == address.family for other in known), address)
        return address

    def count(self, host: str, port: int) -> int:
        """How many addresses are worth trying."""
        return len(self._known.get((host, port), ()))

    def avoid(self, host: str, port: int, address: Address) -> None:
        """Do not try that address again until the name is looked up anew."""
        known = self._known.get((host, port), [])
        if address in known:
            known.remove(address)

    def trust(self, host: str, port: int, address: Address) -> None:
        """That address was reached, be it late."""
        known = self._known.setdefault((host, port), [])
        if address not in known:
            known.append(address)

    def _addresses(self, host: str, port: int) -> list[Address]:
        now = self._monotonic()
        if self._due.get((host, port), now) <= now:
            self._due[host, port] = now + KEPT_S
            if not self._look_up(host, port, socket.AI_NUMERICHOST):
                threading.Thread(target=self._look_up, args=(host, port, 0), daemon=True).start()
        return self._known.get((host, port), [])

    def _look_up(self, host: str, port: int, flags: int) -> bool:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        except (OSError, UnicodeError):  # libcurl is asked instead, and says what is wrong
            return False
        first = found[0][0]
        found.sort(key=lambda each: each[0] != first)
        self._known[host, port] = [Address(family, where) for family, _, _, _, where in found]
        return True

"""Who carries which request: sockets what they take, libcurl everything else. Together they are one carrier."""

from __future__ import annotations

import select

from stocktake.store.errands import Arrival, Carrier, Errand
from stocktake.store.sockets import SUPPORTED, Sockets
from stocktake.store.wire import LOOK_AGAIN_S, WireOptions, Wires


def open_carrier(options: WireOptions) -> Carrier:
    """The carrier for all requests on this machine."""
    return Carriers(Wires(options), Sockets(options)) if SUPPORTED else Wires(options)


class Carriers:
    """The two, side by side."""

    def __init__(self, wires: Wires, sockets: Sockets) -> None:
        self._wires = wires
        self._sockets = sockets

    def __len__(self) -> int:
        return len(self._wires) + len(self._sockets)

    def send(self, errand: Errand) -> None:
        """Set out with `errand`, the cheaper way where it can be gone."""
        if not self._sockets.send(errand):
            self._wires.send(errand)

    def push(self) -> None:
        """Let what was sent set out, either way."""
        self._wires.push()  # sockets have nothing waiting

    def arrived(self) -> list[Arrival]:
        """What has come of errands since the last time, either way."""
        without_body = self._sockets.arrived()
        for errand in self._sockets.declined():
            self._wires.send(errand)
        # Those with a body first: an error that they tell of may be why others were refused without a word.
        return self._wires.arrived() + without_body

    def wait(self, wait_s: float) -> None:
        """Wait until something may have arrived, either way."""
        if not len(self._wires):
            self._sockets.wait(wait_s)
        elif not len(self._sockets):
            self._wires.wait(wait_s)
        else:
            self._wait_for_both(wait_s)

    def _wait_for_both(self, wait_s: float) -> None:
        watched = select.poll()
        watched.register(self._sockets.fileno(), select.POLLIN)
        if not self._wires.watch(watched):
            wait_s = min(wait_s, LOOK_AGAIN_S)
        watched.poll(min(wait_s, self._wires.due_s()) * 1000)

    def forget(self) -> None:
        """Give up all errands under way."""
        self._wires.forget()
        self._sockets.forget()

    def close(self) -> None:
        """Forget what is under way, and close all connections."""
        self._wires.close()
        self._sockets.close()

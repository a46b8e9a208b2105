"""Lanes: coroutines of one thread that share one transport, each waiting for one exchange at a time.

There is a lane per range under way, none per object: a lane asks for a page, or for a page's worth of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeAlias

from stocktake.store.errands import Exchange
from stocktake.store.transport import Transport

Lane: TypeAlias = Coroutine["Exchange | Pause", None, None]

# How soon a lane that waits for something else than the network is looked at again.
LOOK_AGAIN_S = 0.01


class Pause:
    """Awaiting it lets other lanes go on until `over` says so."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self._over = over

    @property
    def over(self) -> bool:
        """Whether the wait is over."""
        return self._over()

    def __await__(self) -> Generator[Pause, None, None]:
        while not self._over():
            yield self


class Breath(Pause):
    """Awaiting it lets all lanes whose answers have come ask for more first, and what they ask for set out."""

    def __init__(self) -> None:
        super().__init__(lambda: True)

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class Lanes:
    """The lanes of a thread. What one of them raises ends the turn it was raised in; then all are to be closed."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting: dict[Exchange, Lane] = {}
        self._paused: list[tuple[Pause, Lane]] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._paused)

    def start(self, lane: Coroutine[Any, None, None]) -> None:
        """Let `lane` run until it waits for the first time."""
        self._go_on(lane)

    def turn(self, wait_s_max: float) -> bool:
        """Let the network move, then each lane whose answers have come; whether any had.

        Raises:
            StoppedError: the transport was stopped.
            InventoryError: whatever a lane raised.
        """
        wait_s = min(LOOK_AGAIN_S, wait_s_max) if self._paused else wait_s_max
        answered = self._transport.turn(wait_s)
        for exchange in answered:
            if (lane := self._waiting.pop(exchange, None)) is not None:
                self._go_on(lane)
        if self._paused:
            self._transport.push()
        paused, self._paused = self._paused, []
        for pause, lane in paused:
            if pause.over:
                self._go_on(lane)
            else:
                self._paused.append((pause, lane))
        return bool(answered)

    def close(self) -> None:
        """End all lanes where they stand, so that what they hold is given back."""
        lanes = [*self._waiting.values(), *(lane for _, lane in self._paused)]
        self._waiting.clear()
        self._paused.clear()
        for lane in lanes:
            lane.close()

    def _go_on(self, lane: Lane) -> None:
        try:
            awaited = lane.send(None)
        except StopIteration:
            return
        if isinstance(awaited, Pause):
            self._paused.append((awaited, lane))
        else:
            self._waiting[awaited] = lane

"""Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) ask a run to stop cleanly; asked twice, the process leaves at
once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"  # a live display hides it, and is not asked before leaving at once
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Stopping:
    """Whether, and by which signal, the run was asked to stop."""

    event: Event = field(default_factory=Event)
    signal_number: int | None = None
    _looked: bool = False

    def ask(self, signal_number: int, _frame: FrameType | None) -> None:
        """Take a signal in."""
        if self.event.is_set():
            if signal_number == signal.SIGHUP:
                return  # who asked is gone: shells and the system both tell of the end of a terminal
            if os.isatty(2):
                os.write(2, _SHOW_CURSOR)
            os._exit(128 + signal_number)
        self.signal_number = signal_number
        self.event.set()

    def first_look(self) -> bool:
        """Whether it was asked since nobody looked; True once."""
        first = self.event.is_set() and not self._looked
        self._looked = self._looked or first
        return first


@contextmanager
def stopping_on_signals() -> Iterator[Stopping]:
    """Take the signals in while the block runs; afterwards they mean what they meant before."""
    stopping = Stopping()
    with _handled(stopping.ask):
        yield stopping


@contextmanager
def _handled(take: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have `take` called for the signals while the block runs. SIGHUP stays ignored where it is: so `nohup` asks for a
    run that outlives its terminal.
    """
    taken = [
        number
        for number in STOP_SIGNALS
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, take) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the signals end the block at once, however long its question would take.

    Raises:
        StoppedError: one of them came.
    """
    from stocktake.model.errors import StoppedError

    came: list[int] = []

    def end(signal_number: int, _frame: FrameType | None) -> None:
        came.append(signal_number)
        raise KeyboardInterrupt

    try:
        with _handled(end):
            yield
    except (
        KeyboardInterrupt,
        Exception,
    ) as error:  # the engine makes an error of its own of what it hears
        if not came:
            raise
        raise StoppedError("stopped before the answer was there", signal_number=came[0]) from error

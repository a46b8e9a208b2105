"""What the server saw: counters that all of its processes share, and a timeline of every request."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from mmap import mmap
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.replay.answers import Answer, Kind
from benchmarks.replay.faults import Fault

_NAMES = (*Kind, "rows", "errors", "faults")
_PLACES = {str(name): place for place, name in enumerate(_NAMES)}
_LINES_HELD = 10_000


class Event(NamedTuple):
    """One request: when it arrived and when its answer was sent, in seconds of the monotonic clock. `rows` were listed
    in the answer; `status` is 0 where none was sent.
    """

    arrived: float
    answered: float
    connection: int
    kind: Kind
    status: int
    rows: int


class Counters:
    """Counts by name: each process has a row of its own in memory that they share."""

    def __init__(self, processes: int) -> None:
        self._counts = memoryview(mmap(-1, 8 * processes * len(_NAMES))).cast("q")

    def count(self, process: int, kind: Kind, **more: int) -> None:
        """Count one request, and what more is named."""
        row = process * len(_NAMES)
        self._counts[row + _PLACES[kind]] += 1
        for name, number in more.items():
            self._counts[row + _PLACES[name]] += number

    def totals(self) -> Mapping[str, int]:
        """All processes' counts: requests by kind, rows listed, answers of 400 and above, faults."""
        return {name: sum(self._counts[place :: len(_NAMES)]) for name, place in _PLACES.items()}


class Journal:
    """Counts the requests of one process, and writes them to a file where one is wanted."""

    def __init__(self, counters: Counters, process: int, folder: Path | None) -> None:
        self._counters, self._process = counters, process
        self._file = (folder / f"timeline-{process}.csv").open("w") if folder else None
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._flush()
            self._file.close()

    def count(self, kind: Kind, answer: Answer, fault: Fault) -> None:
        """Count one request, before its answer is sent: who has the answer can ask how many there were."""
        whole = fault is Fault.NONE
        self._counters.count(
            self._process,
            kind,
            rows=answer.rows * whole,
            errors=answer.status >= HTTPStatus.BAD_REQUEST,
            faults=not whole,
        )

    def record(self, event: Event) -> None:
        """Note one request whose answer is sent, or that gets none."""
        if self._file:
            self._lines.append(
                f"{event.arrived:.6f},{event.answered:.6f},{event.connection},{event.kind},"
                f"{event.status},{event.rows}\n"
            )
            if len(self._lines) >= _LINES_HELD:
                self._flush()

    def _flush(self) -> None:
        assert self._file is not None
        self._file.write("".join(self._lines))
        self._lines.clear()


def read_timeline(folder: Path) -> list[Event]:
    """The events of all processes, as they were answered."""
    return sorted(_events(folder), key=lambda event: event.answered)


def _events(folder: Path) -> Iterator[Event]:
    for process, path in enumerate(sorted(folder.glob("timeline-*.csv"))):
        with path.open(newline="") as file:
            for arrived, answered, connection, kind, status, rows in csv.reader(file):
                # Processes number their connections from 0, each for itself.
                number = process * 1_000_000 + int(connection)
                yield Event(
                    float(arrived), float(answered), number, Kind(kind), int(status), int(rows)
                )

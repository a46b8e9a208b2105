"""What a run shows while it is under way: a live display on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from stocktake.cli.outcome import say
from stocktake.cli.words import bytes_text, count, duration, tally
from stocktake.model.runs import InventoryRun, Progress, RunStage, group
from stocktake.service.house import monotonic

LINE_EVERY_S = 5.0
RATE_WINDOW_S = 10.0
STAGES: Mapping[RunStage, str] = {
    RunStage.SURVEY: "surveying",
    RunStage.LIST: "listing",
    RunStage.PUBLISH: "publishing",
}


class Display(Protocol):
    """Shows a run. `take` may be called from any thread; `draw` and `say` only from one."""

    def take(self, progress: Progress) -> None:
        """Remember how far the run is."""

    def draw(self) -> None:
        """Show what was taken last, if it is time to."""

    def say(self, text: str) -> None:
        """Say something beside the figures."""


class Pace:
    """How long it has been, and how fast it goes: objects a second over the last few seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()
        self._seen: deque[tuple[float, int]] = deque([(self._start, 0)])

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def rate(self, rows: int) -> float:
        """Rows a second, now that there are `rows` of them."""
        now = self._clock()
        self._seen.append((now, rows))
        while len(self._seen) > 2 and now - self._seen[0][0] > RATE_WINDOW_S:  # noqa: PLR2004
            self._seen.popleft()
        then, before = self._seen[0]
        return (rows - before) / (now - then) if now > then else 0.0


def figures(progress: Progress, pace: Pace) -> dict[str, str]:
    """What is worth saying of `progress`, by name, in order."""
    counters = progress.counters
    rows = counters["rows"]
    requests = group(counters, "requests")
    return {
        "objects": f"{count(rows)} ({count(round(pace.rate(rows)))}/s)",
        "bytes": bytes_text(counters["object_bytes"]),
        "requests": tally(requests) or "0",
        "retries": count(counters["retries"]),
        "problems": tally(group(counters, "problems")) or "none",
        "elapsed": duration(pace.elapsed_s),
    }


def progress_line(progress: Progress, pace: Pace) -> str:
    """One line that says how far the run is."""
    done = "" if progress.done is None else f" {progress.done:.0%}"
    known = figures(progress, pace)
    elapsed = known.pop("elapsed")
    said = ", ".join(f"{name} {value}" for name, value in known.items())
    return f"{elapsed} {STAGES[progress.stage]}{done}: {said}"


class Silence:
    """Shows nothing, but says what must be said."""

    def take(self, progress: Progress) -> None:
        """Forget it."""

    def draw(self) -> None:
        """Draw nothing."""

    def say(self, text: str) -> None:
        """Say it on stderr."""
        say(text)


class Lines:
    """A line every `LINE_EVERY_S` seconds, for logs and pipes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._pace = Pace(clock)
        self._latest: Progress | None = None
        self._next_s = LINE_EVERY_S

    def take(self, progress: Progress) -> None:
        """Remember how far the run is."""
        self._latest = progress

    def draw(self) -> None:
        """Print a line if the last one is old enough."""
        if self._latest is not None and self._pace.elapsed_s >= self._next_s:
            self._next_s = self._pace.elapsed_s + LINE_EVERY_S
            say(progress_line(self._latest, self._pace))

    def say(self, text: str) -> None:
        """Say it on stderr."""
        say(text)


class Told:
    """What a run tells, on its way to a display, which says each note once whenever it comes up."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._note = self._said = ""

    def take(self, progress: Progress) -> None:
        """Take in how far the run is. May be called from any thread."""
        self._note = progress.note
        self._display.take(progress)

    def draw(self) -> None:
        """Show it."""
        note, before = self._note, self._said
        self._said = note
        if note and note != before:
            self._display.say(f"warning: {note}")
        self._display.draw()


def choose_display(run: InventoryRun, *, quiet: bool) -> AbstractContextManager[Display]:
    """The display that suits stderr and the user."""
    if quiet:
        return nullcontext(Silence())
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext(Lines(monotonic))
    from rich.console import Console

    from stocktake.cli.screen import live_screen

    console = Console(stderr=True, highlight=False)
    if console.is_dumb_terminal:
        return nullcontext(Lines(monotonic))
    return live_screen(console, f"s3://{run.bucket}/{run.configuration.prefix}")

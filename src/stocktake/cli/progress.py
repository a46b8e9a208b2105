"""What a run shows while it is under way: a live display on a terminal, else a line now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stocktake.cli.outcome import say, visible
from stocktake.cli.words import bytes_text, count, duration, tally
from stocktake.model.runs import InventoryRun, Progress, RunStage, group

LINE_EVERY_S = 5.0
RATE_WINDOW_S = 10.0
KEY_SHOWN_MAX = 60
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


class Screen:
    """A few lines that are drawn over and over, for terminals."""

    def __init__(self, console: Console, live: Live, title: str) -> None:
        self._pace = Pace(console.get_time)
        self._live = live
        self._title = title
        self._latest: Progress | None = None

    def take(self, progress: Progress) -> None:
        """Remember how far the run is."""
        self._latest = progress

    def draw(self) -> None:
        """Draw it anew."""
        if self._latest is not None:
            self._live.update(screen(self._title, self._latest, self._pace), refresh=True)

    def say(self, text: str) -> None:
        """Say it above the figures."""
        self._live.console.print(Text(visible(text)))


def screen(title: str, progress: Progress, pace: Pace) -> RenderableType:
    """The lines of one moment."""
    table = Table.grid(padding=(0, 2))
    for name, value in figures(progress, pace).items():
        table.add_row(Text(name, style="dim"), Text(value))
    if progress.key:
        shown = visible(progress.key)
        table.add_row(Text("at key", style="dim"), Text(_shortened(shown)))
    head = Text.assemble((STAGES[progress.stage], "bold"), f" {title}")
    if progress.done is None:
        return Group(head, table)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=1.0, completed=progress.done, width=40), f"{progress.done:.0%}")
    return Group(head, bar, table)


def _shortened(text: str) -> str:
    return text if len(text) <= KEY_SHOWN_MAX else f"...{text[-KEY_SHOWN_MAX:]}"


def choose_display(run: InventoryRun, *, quiet: bool) -> AbstractContextManager[Display]:
    """The display that suits stderr and the user."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        return nullcontext(Silence())
    if not console.is_terminal or console.is_dumb_terminal:
        return nullcontext(Lines(console.get_time))
    return _live(console, f"s3://{run.bucket}/{run.configuration.prefix}")


@contextmanager
def _live(console: Console, title: str) -> Iterator[Display]:
    # What it showed last is repeated, more exactly, by the summary: it need not stay on the screen.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield Screen(console, live, visible(title))

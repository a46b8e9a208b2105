"""The live display of a run, for terminals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stocktake.cli.outcome import visible
from stocktake.cli.progress import STAGES, Pace, figures
from stocktake.cli.sinks import give_up
from stocktake.model.runs import Progress

KEY_SHOWN_MAX = 60


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
            drawn = screen(self._title, self._latest, self._pace)
            with _unless_gone():
                self._live.update(drawn, refresh=True)

    def say(self, text: str) -> None:
        """Say it above the figures."""
        with _unless_gone():
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


@contextmanager
def live_screen(console: Console, title: str) -> Iterator[Screen]:
    """A display on the terminal `console`, gone when the block ends."""
    # What it showed last is repeated, more exactly, by the summary: it need not stay on the screen.
    live = Live(console=console, auto_refresh=False, transient=True)
    with _unless_gone():
        live.start()
    try:
        yield Screen(console, live, visible(title))
    finally:
        with _unless_gone():
            live.stop()


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Draw as long as there is a terminal. Where it has gone, so does what would be shown, but not the run."""
    try:
        yield
    except OSError:
        give_up(sys.stderr)

"""Walking through folders on the terminal: `usage -i`.

`Walk` is what is shown and what each key does to it, without a terminal; `walk` puts it on one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window

from stocktake.cli.outcome import on_one_line, visible
from stocktake.cli.usage_text import (
    NOT_TOLD,
    bar,
    day,
    money_text,
    share_of,
    size_text,
    value_name,
)
from stocktake.cli.words import count, counted, share_text
from stocktake.service.commands.usage import Dimension, Folder, Measure, size_order

if TYPE_CHECKING:
    from stocktake.service.commands.usage import Figures, UsageSource

HELP = "up/down move  enter into  left out  s sort  b by  / filter  q quit"
_HERE = "(directly here)"
_HEAD_LINES, _FOOT_LINES = 4, 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder that can be entered, what lies directly in one, or a value."""

    name: str
    measured: Measure
    folder: Folder | None = None


# What entries can be sorted by, the first of all at first: the largest, the most, the newest ahead.
SORTS: dict[str, Callable[[Entry], Any]] = {
    "size": lambda each: size_order(each.measured),
    "objects": lambda each: -each.measured.objects,
    "name": lambda each: each.name.encode(),
    "money": lambda each: -each.measured.money,
    "newest": lambda each: -(each.measured.newest.timestamp() if each.measured.newest else 0),
    "noncurrent": lambda each: -each.measured.noncurrent_bytes,
}


@dataclass
class Walk:
    """Where one is, what is chosen, how it is sorted and filtered. `typing` is whether keys go into the filter."""

    source: UsageSource
    by: Dimension = Dimension.PREFIX
    sort: str = "size"
    filter: str = ""
    typing: bool = False
    place: int = 0
    _path: list[Folder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._path = [self.source.root(Dimension.PREFIX)]

    @property
    def here(self) -> Folder:
        """The folder whose entries are shown."""
        return self._path[-1]

    @property
    def entries(self) -> list[Entry]:
        """What is shown: sorted and filtered."""
        found = [each for each in self._all() if self.filter.lower() in each.name.lower()]
        return sorted(found, key=SORTS[self.sort])

    def _all(self) -> Sequence[Entry]:
        if self.by is not Dimension.PREFIX:
            return [Entry(value_name(each), m) for each, m in self._values().items()]
        entries = [Entry(on_one_line(each.name), each.total, each) for each in self.here.folders]
        own = self.here.here
        if own.objects or own.delete_markers:
            folded = (
                f", and in {counted(own.folded, 'folder')} not kept apart" if own.folded else ""
            )
            entries.append(Entry(f"{_HERE[:-1]}{folded})", own))
        return entries

    def _values(self) -> dict[str | None, Measure]:
        """The values of the folder, or of the nearest one above it for which they are kept."""
        return self._valued().values

    def _valued(self) -> Folder:
        folder = self.source.root(self.by)
        while inner := next(
            (each for each in folder.folders if self.here.prefix.startswith(each.prefix)), None
        ):
            folder = inner
        return folder

    def move(self, step: int) -> None:
        """Choose another entry, so many further down."""
        self.place = max(0, min(self.place + step, len(self.entries) - 1))

    def enter(self) -> None:
        """Go into the chosen folder."""
        entries = self.entries
        if entries and (folder := entries[self.place].folder) is not None:
            self._path.append(folder)
            self.place, self.filter = 0, ""

    def leave(self) -> None:
        """Go to the folder above, with the one that is left chosen."""
        if len(self._path) > 1:
            left = self._path.pop()
            self.filter = ""
            folders = [each.folder for each in self.entries]
            self.place = folders.index(left) if left in folders else 0

    def resort(self) -> None:
        """Sort by what comes next."""
        self.sort = _next(list(SORTS), self.sort)

    def turn(self) -> None:
        """Tell the folder by the next dimension."""
        self.by = _next(list(self.source.dimensions), self.by)
        self.place, self.filter = 0, ""

    def type(self, text: str) -> None:
        """Add to the filter; an empty text takes the last letter away."""
        self.filter = self.filter + text if text else self.filter[:-1]
        self.place = 0

    def lines(self, rows: int) -> list[tuple[str, bool]]:
        """What the screen shows in `rows` lines, each with whether it is the chosen one."""
        total = self.source.figures(self.here.total)
        shown = [(text, False) for text in self._head(total)]
        entries = self.entries
        room = max(1, rows - _HEAD_LINES - _FOOT_LINES)
        first = max(0, min(self.place - room // 2, len(entries) - room))
        for number, each in enumerate(entries[first : first + room], first):
            shown.append((self._line(each, total), number == self.place))
        shown += [("", False)] * (rows - _FOOT_LINES - len(shown))
        if self.typing or self.filter:
            asked = f"filter: {visible(self.filter)}{'_' if self.typing else ''}"
        else:
            asked = f"{count(len(entries))} {'entry' if len(entries) == 1 else 'entries'}"
        return [*shown, (asked, False), (HELP, False)]

    def _head(self, total: Figures) -> list[str]:
        bucket = self.source.newest.manifest.source_bucket
        where = f"s3://{bucket}/{on_one_line(self.here.prefix)}"
        if self.by is not Dimension.PREFIX and (near := self._valued().prefix) != self.here.prefix:
            where += f"  (values are kept of s3://{bucket}/{on_one_line(near)})"
        money = f"{money_text(total)} {self.source.prices.currency} a month"
        summary = f"{size_text(total.bytes)}, {counted(total.objects, 'object')}, {money}"
        heading = (
            f"{'bytes':>13} {'share':>8} {'':<10}{'objects':>14}{'noncurrent':>12}  {'newest':<10}"
            f"{'a month':>14}  by {self.by}, sorted by {self.sort}"
        )
        return [where, summary, "", heading]

    def _line(self, entry: Entry, total: Figures) -> str:
        told = self.source.figures(entry.measured)
        share = share_of(told, total)
        noncurrent = told.noncurrent_share
        return (
            f"{size_text(told.bytes):>13} {share_text(share):>8} {bar(share)}{count(told.objects):>14}"
            f"{NOT_TOLD if noncurrent is None else share_text(noncurrent):>12}  {day(told.newest):<10}"
            f"{money_text(told):>14}  {entry.name}"
        )


def _next(words: list[Any], word: Any) -> Any:
    return words[(words.index(word) + 1) % len(words)]


def walking(state: Walk, **terminal: Any) -> Application[None]:
    """The application that shows `state`. `terminal` is its input and output, where they are not the process's own."""

    def text() -> StyleAndTextTuples:
        rows = get_app().output.get_size().rows
        return [
            ("reverse" if chosen else "", f"{line}\n") for line, chosen in state.lines(rows - 1)
        ]

    window = Window(FormattedTextControl(text, show_cursor=False), always_hide_cursor=True)
    return Application(
        layout=Layout(window), key_bindings=_bindings(state), full_screen=True, **terminal
    )


def _bindings(state: Walk) -> KeyBindings:
    bindings = KeyBindings()
    typing = Condition(lambda: state.typing)
    page = 10
    plain: dict[tuple[str, ...], Callable[[], object]] = {
        ("up", "k"): lambda: state.move(-1),
        ("down", "j"): lambda: state.move(1),
        ("pageup",): lambda: state.move(-page),
        ("pagedown",): lambda: state.move(page),
        ("home",): lambda: state.move(-len(state.entries)),
        ("end",): lambda: state.move(len(state.entries)),
        ("enter", "right", "l"): state.enter,
        ("left", "backspace", "h"): state.leave,
        ("s",): state.resort,
        ("b",): state.turn,
        ("/",): lambda: setattr(state, "typing", True),
    }
    for keys, act in plain.items():
        for key in keys:
            bindings.add(key, filter=~typing)(_acting(act))
    bindings.add("<any>", filter=typing)(lambda event: _type(state, event))
    for key, step in (("up", -1), ("down", 1)):
        bindings.add(key, filter=typing)(_acting(partial(state.move, step)))
    bindings.add("backspace", filter=typing)(_acting(lambda: state.type("")))
    for key in ("enter", "escape"):
        bindings.add(key, filter=typing)(_acting(lambda: setattr(state, "typing", False)))
    bindings.add("q", filter=~typing)(lambda event: event.app.exit())
    bindings.add("c-c")(lambda event: event.app.exit())
    bindings.add("c-d")(lambda event: event.app.exit())
    return bindings


def _type(state: Walk, event: KeyPressEvent) -> None:
    """Add a letter to the filter. What other keys send, such as arrows, are codes for terminals."""
    if event.data and event.data.isprintable():
        state.type(event.data)


def _acting(act: Callable[[], object]) -> Callable[[KeyPressEvent], None]:
    def handle(_event: KeyPressEvent) -> None:
        act()

    return handle


def walk(source: UsageSource) -> None:
    """Let somebody walk through the newest report's folders until they leave."""
    source.prepare(source.dimensions)
    walking(Walk(source)).run()

"""What an engine says is wrong, in one line: DuckDB prints the line of SQL that it means, and carets below. Pure."""

from __future__ import annotations

import re
from itertools import accumulate
from unicodedata import combining, east_asian_width

_SAID_CHARACTERS_MAX = 500
_SHOWN_CHARACTERS_MAX = 40
_POINTED = re.compile(r"\n+LINE (?P<number>\d+): (?P<line>.*)\n(?P<blanks> *)\^", re.DOTALL)
_CANDIDATES = re.compile(
    r"\n\tCandidate functions:(?:\n\t[^\n]*)*"
)  # all of that name, often twenty
_CUT = "..."


def on_one_line(said: str, sql: str = "") -> str:
    """The complaint `said` about `sql` without line ends. Where a caret points at the SQL, what stands there is quoted,
    with the number of its line where the SQL has several.
    """
    text = _shortened(said)
    found = _POINTED.search(text)
    told = _joined(text[: found.start()] if found else text)
    if found is None:
        return told
    here = _quoted(found)
    if not here:
        return f"{told} (at its end)"
    where = f"line {found['number']}, at" if "\n" in sql.strip() else "at"
    return f"{told} ({where} `{here}`)"


def _shortened(said: str) -> str:
    text = said.partition("\nStack Trace:")[0]
    return _CANDIDATES.sub("\n", text)


def _joined(text: str) -> str:
    parts = (part.strip() for part in text.split("\n"))
    joined = " ".join(part for part in parts if part)
    if len(joined) <= _SAID_CHARACTERS_MAX:
        return joined
    return joined[: _SAID_CHARACTERS_MAX - len(_CUT)] + _CUT


def _quoted(found: re.Match[str]) -> str:
    """What the caret points at, as far as it is shown."""
    line = found["line"]
    columns = len(found["blanks"]) - len(f"LINE {found['number']}: ")
    widths = accumulate(map(_width, line), initial=0)
    place = next((place for place, width in enumerate(widths) if width >= columns), len(line))
    shown = line[place:].strip()
    if len(shown) <= _SHOWN_CHARACTERS_MAX:
        return shown
    return shown[: _SHOWN_CHARACTERS_MAX - len(_CUT)] + _CUT


def _width(character: str) -> int:
    """The columns of a terminal that it takes."""
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1

"""What a run takes over from an earlier report instead of asking again, and how old an answer may become. Pure.

An object's answers are taken over where its key, version, ETag, size and LastModified are the same as in that report.
What can change without any of them is asked again in turn: the hashes of keys are a circle, a hand goes round it, and a
run asks again about the share of the circle that the hand passes. So every object's turn comes, whatever the share was
from run to run.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from stocktake.model.fields import FLAG, Field, Source
from stocktake.model.runs import Counters, Problem, Remembering, group

# Beside each row of a report whose objects are asked about: the hash of its key; the day of the answer, null where
# there was none to all that was asked; and whether asking was put off for want of a budget, null where that was to be
# tried again after it had been in vain.
KEY_HASH, ENRICHED_AT, POSTPONED = "key_hash", "enriched_at", "postponed"
AGES_SCHEMA = pa.schema([
    pa.field(KEY_HASH, pa.uint32()),
    pa.field(ENRICHED_AT, pa.date32()),
    pa.field(POSTPONED, FLAG),
])  # fmt: skip

EPOCH = date(1970, 1, 1)  # days are counted from it
CIRCLE = 2**32  # of the hashes of keys

# The beginning of AWS's JSON where an ACL could not be had; so many bytes are whole characters of base64.
UNAVAILABLE_ACL = b'{"version":"2022-11-10","status":"UNAVAILABLE'

# How an object is known again; a report without these columns remembers nothing.
IDENTITY = ("e_tag", "size", "last_modified_date")

# In these columns objects that were asked about always have something; and how an answer begins that is none. It is all
# that a report without a file of ages tells of it.
NEVER_SILENT: Mapping[str, str] = {
    "encryption_status": "",
    "object_access_control_list": b64encode(UNAVAILABLE_ACL).decode(),
}

_ASKED = frozenset({Source.HEAD, Source.HEAD_CHECKSUM, Source.ACL, Source.TAGGING})
# What LIST tells on some stores and only an answer about the object on others.
LISTED_OR_HEAD = ("checksum_algorithm", "checksum_type", "restore_status")
LISTED_OR_ACL = ("object_owner",)


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A Parquet file on this machine: the columns of a report, rows in the order of keys from `first_key` to
    `last_key`. `row` is the number of its first row among those of the whole report.
    """

    path: Path
    first_key: str
    last_key: str
    rows: int
    row: int


@dataclass(frozen=True, slots=True)
class Memory:
    """A report whose answers are taken over, ready to be read range by range: files in key order, their columns, the
    file of ages and where there is none the day of all answers, as a number since 1970-01-01.
    """

    address: str
    files: tuple[MemoryFile, ...]
    columns: frozenset[str]
    day: int
    ages: Path | None = None


def remembered_fields(fields: Iterable[Field]) -> tuple[Field, ...]:
    """Of a run's fields, those that are known by asking about each object."""
    chosen = tuple(fields)
    sources = {field.source for field in chosen}
    also: list[str] = []
    if sources & {Source.HEAD, Source.HEAD_CHECKSUM}:
        also += LISTED_OR_HEAD
    if Source.ACL in sources:
        also += LISTED_OR_ACL
    return tuple(field for field in chosen if field.source in _ASKED or field.column in also)


def columns_needed(fields: Iterable[Field], *, versions: bool) -> tuple[str, ...]:
    """The columns that a report must have to be remembered for a run with these fields."""
    key = ("key", "version_id") if versions else ("key",)
    return (*key, *IDENTITY, *(field.column for field in remembered_fields(fields)))


def fields_lacking(have: Collection[str], fields: Iterable[Field], *, versions: bool) -> list[str]:
    """The columns needed that are not among `have`."""
    return [name for name in columns_needed(fields, versions=versions) if name not in have]


# -- the hand ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """The hashes `first` <= hash < `first` + `width` of the circle, whose turn it is."""

    first: int
    width: int

    @property
    def next(self) -> int:
        """Where the hand stands afterwards."""
        return (self.first + self.width) % CIRCLE


def turn_of(remembering: Remembering) -> Turn:
    """Whose turn a run is. Rounded up, so that ten runs of a tenth pass the whole circle."""
    return Turn(remembering.hand, min(CIRCLE, math.ceil(remembering.revisit * CIRCLE)))


# -- the budget --------------------------------------------------------------------------------------

# The counters of rows that wait to be asked about, by the day of the answer they have, and of those that were. `new`
# have none; they come first. Those that were asked about in vain come last, or they might leave nothing for any other;
# and of these first the ones that had to wait since.
DUE, ASKED, NEW = "due", "asked", "new"
TRIED_BEFORE, TRIED_LAST = "tried-before", "tried-last"
UNANSWERED = (NEW, TRIED_BEFORE, TRIED_LAST)

# The counters, by field, of rows whose answer was taken over and may be a refusal.
WITHHELD = "withheld"

# What became of the rows of a report that has answers, as counted: `remembered.<one of these>`.
FATES = ("reused", "fresh", "revisited", "postponed")


def count_fates(counters: Counters) -> None:
    """Count what became of rows, by what was due and what was asked. Revisits that were put off are reused, too."""
    due, asked = group(counters, DUE), group(counters, ASKED)
    fresh = sum(asked.get(name, 0) for name in UNANSWERED)
    left = {name: n - asked.get(name, 0) for name, n in due.items()}
    counters["remembered.fresh"] = fresh
    counters["remembered.revisited"] = sum(asked.values()) - fresh
    counters["remembered.postponed"] = counters[f"problems.{Problem.POSTPONED}"] = sum(
        left.values()
    )
    counters["remembered.reused"] += sum(n for name, n in left.items() if name not in UNANSWERED)
    for name in [name for name in counters if name.startswith((f"{DUE}.", f"{ASKED}."))]:
        del counters[name]


def due_name(day: int | str | None) -> str:
    """The name of a day among the counters, which may be its name already."""
    return NEW if day is None else str(day)


def _age_order(name: str) -> tuple[int, int]:
    if name in UNANSWERED:
        place = UNANSWERED.index(name)
        return (2 if place else 0, place)
    return (1, int(name))


def allot(pieces: Sequence[Mapping[str, int]], budget: int | None) -> list[Counters]:
    """How many rows are to be asked about in each piece, by the name of their day: the oldest days first, within a day
    in the order of the pieces and of their rows, together no more than `budget`. `pieces` are the counters of the
    pieces in key order, with what was asked of them already.

    That is a function of the rows alone, however they were cut into pieces.
    """
    due = [group(piece, DUE) for piece in pieces]
    asked = [group(piece, ASKED) for piece in pieces]
    left = math.inf if budget is None else budget
    todo: list[Counters] = [Counter() for _ in pieces]
    for name in sorted({name for each in due for name in each}, key=_age_order):
        for number, each in enumerate(due):
            share = int(min(each.get(name, 0), left))
            left -= share
            todo[number][name] = max(0, share - asked[number].get(name, 0))
    return [+each for each in todo]


def in_bands(todo: Sequence[Counters], bands_max: int) -> list[list[Counters]]:
    """`todo` in at most so many parts, the oldest days first, of about equally many rows: new rows are the first part
    of all. For who may have to stop in between.
    """
    totals: Counters = sum(todo, Counter())
    names = sorted(totals, key=_age_order)
    size = sum(totals[name] for name in names if name != NEW) / max(1, bands_max - 1)
    bands: list[list[str]] = []
    rows = 0
    for name in names:
        if not bands or bands[-1] == [NEW] or rows >= size:
            bands.append([])
            rows = 0
        bands[-1].append(name)
        rows += totals[name]
    return [
        [Counter({name: each[name] for name in band if each[name]}) for each in todo]
        for band in bands
    ]

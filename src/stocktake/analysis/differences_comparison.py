"""What of two reports is compared: who is the same object, and which columns count. Pure.

Two moments of one bucket (history) and two buckets that shall hold the same (copies) are different
questions: a copy has another date, owner and version id, and may have another ETag.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stocktake.model.errors import UnknownFieldError, UsageError
from stocktake.model.fields import FIELDS, Field

IDENTITY = ("bucket", "key", "version_id")
MARKER = "is_delete_marker"
LATEST = "is_latest"
# What tells, wherever both reports have it, whether an object was written anew.
_TELLING = {"e_tag", "last_modified_date", "checksum_value"}
# What decides about content that was copied, together and not one by one.
CONTENT = ("e_tag", "checksum_algorithm", "checksum_value", "encryption_status")
# What a copy shall share with its source. Dates, owners, keys and classes are the copy's own.
_KEPT_BY_COPIES = {
    "size",
    MARKER,
    "object_tags",
    "user_metadata",
    "content_type",
    "content_encoding",
}


class Mode(StrEnum):
    """What the two reports are to each other."""

    HISTORY = "history"
    COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of a report before its rows are read. `store` is empty where nobody says it, and `prefix`, below
    which its objects are, where all are covered or nobody says it.
    """

    fields: tuple[Field, ...]
    bucket: str
    store: str = ""
    prefix: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(field.column for field in self.fields)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two reports are compared.

    `by_version`: objects are the same by key and version id, else by key, and only current objects
    count. `compared` are the columns that make a change, `ignored` those that both have and that make
    none, `only_a` and `only_b` what the other lacks. `by_content`: ETags and checksums decide together
    whether content is the same. `tells`: a row without a differing column is the same for sure. Only
    objects below `prefix` are compared.
    """

    mode: Mode
    by_version: bool
    fields: tuple[Field, ...]
    compared: tuple[str, ...]
    ignored: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    by_content: bool
    tells: bool
    prefix: str = ""


def make_comparison(
    a: Side,
    b: Side,
    *,
    mode: Mode | None = None,
    columns: Sequence[str] = (),
    current: bool = False,
    prefix: str = "",
) -> Comparison:
    """How to compare `a` with `b`.

    Without `mode`, reports of one bucket on one store are its history, all others copies. `columns` (of
    either spelling) are compared instead of those of the mode. Versions are compared where both reports
    have them, unless only `current` objects are wanted; copies too have the ids of their sources
    where replication made them. Objects are compared that both reports cover, of them those below `prefix`.

    Raises:
        UnknownFieldError: one of `columns` is in neither report, or only in one.
        UsageError: the reports cover nothing in common below `prefix`.
    """
    chosen = mode or _mode(a, b)
    shared = tuple(column for column in a.columns if column in b.columns)
    by_version = not current and "version_id" in shared
    alike = _alike(a, b, shared)
    wanted = _chosen(columns, alike) if columns else _default(chosen, alike, by_version)
    by_content = chosen is Mode.COPIES and not columns
    tells = by_content or bool(_TELLING & set(wanted))
    used = {*IDENTITY, *wanted, *(CONTENT if by_content else ())}
    return Comparison(
        mode=chosen,
        by_version=by_version,
        fields=_either(a, b, unlike=set(shared) - set(alike)),
        compared=wanted,
        ignored=tuple(column for column in shared if column not in used),
        only_a=tuple(column for column in a.columns if column not in shared),
        only_b=tuple(column for column in b.columns if column not in shared),
        by_content=by_content,
        tells=tells,
        prefix=_common(a.prefix, b.prefix, prefix),
    )


def _alike(a: Side, b: Side, shared: Sequence[str]) -> tuple[str, ...]:
    """The columns of one type in both: what AWS added after this version is text in CSV, and typed elsewhere."""
    types = [{field.column: field.type for field in side.fields} for side in (a, b)]
    return tuple(column for column in shared if types[0][column] == types[1][column])


def _either(a: Side, b: Side, *, unlike: Collection[str]) -> tuple[Field, ...]:
    """The fields of both, each once: the table's in its order, behind them newer ones, but for the columns `unlike`."""
    known = [field for field in FIELDS if field in a.fields or field in b.fields]
    newer = {field.column: field for field in (*b.fields, *a.fields) if field not in FIELDS}
    return (*known, *(field for column, field in newer.items() if column not in unlike))


def _common(a: str, b: str, asked: str) -> str:
    """The prefix below which is what all three prefixes cover."""
    longest = max(a, b, asked, key=len)
    if all(longest.startswith(each) for each in (a, b, asked)):
        return longest
    said = f" and the prefix {asked!r} was asked for" if asked else ""
    raise UsageError(
        f"report A covers the prefix {a!r}, report B {b!r}{said}: there is nothing in all of them to compare"
    )


def _mode(a: Side, b: Side) -> Mode:
    one_store = a.store == b.store or not a.store or not b.store
    return Mode.HISTORY if a.bucket == b.bucket and one_store else Mode.COPIES


def _default(mode: Mode, shared: Sequence[str], by_version: bool) -> tuple[str, ...]:  # noqa: FBT001
    if mode is Mode.COPIES:
        return tuple(column for column in shared if column in _KEPT_BY_COPIES)
    # That an older version is no longer the latest follows from the newer one, which is told itself.
    beside = {"bucket", "key", LATEST} | ({"version_id"} if by_version else set())
    return tuple(column for column in shared if column not in beside)


def _chosen(names: Sequence[str], shared: Sequence[str]) -> tuple[str, ...]:
    """The columns of `shared` that `names` name, in AWS's spelling or in that of columns, newer ones too."""
    known = {_plain(column): column for column in shared}
    missing = [name for name in names if _plain(name) not in known]
    if missing:
        raise UnknownFieldError(
            f"`{missing[0]}` cannot be compared: it is no column of both reports, of one type in them",
            hint=f"both have {', '.join(shared)}",
        )
    found = {known[_plain(name)] for name in names}
    return tuple(column for column in shared if column in found)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()

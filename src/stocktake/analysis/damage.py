"""Whose fault an engine's error is: the report's, the store's or the question's. Only a text tells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from stocktake.analysis.complaints import on_one_line
from stocktake.analysis.relation import ODD_NUMBER, SQL_TYPES
from stocktake.analysis.tables import DT, Table
from stocktake.model.errors import DataFileError, InventoryError, QueryError
from stocktake.model.fields import BY_COLUMN, BY_NAME, FLAG, NUMBER, WHOLE_NUMBER, Field, Kind
from stocktake.store.served import ServedFiles

HINT_VERIFY = "`stocktake verify` checks every file of the report"
_FOREIGN = (duckdb.Error, pa.ArrowException, OSError)


@dataclass(frozen=True, slots=True)
class Damage:
    """What engines complain about, in our own errors. `places` says where the data file of each served address is,
    `paths` are those that the engine opens by itself.
    """

    tables: Sequence[Table]
    served: ServedFiles
    places: Mapping[str, str]
    paths: Collection[str]

    @contextmanager
    def translated(self, sql: str | None = None) -> Iterator[None]:
        """What goes wrong with the user's `sql`; with None the SQL is ours, so that it cannot be at fault."""
        try:
            yield
        except _FOREIGN as error:
            raise self._error(error, sql) from error

    def _error(self, error: Exception, sql: str | None) -> InventoryError:
        if self.served.failure is not None:
            return self.served.failure
        text = str(error).strip()
        if sql is None or any(sign in text for sign in (*_SIGNS_OF_DAMAGE, *self.paths)):
            return self._damaged(text)
        if isinstance(error, duckdb.OutOfMemoryException) or text.startswith("Out of Memory"):
            return QueryError(
                f"the query needs more memory than it may use: {text.splitlines()[0]}",
                hint="ask for fewer columns, or for fewer groups",
            )
        columns = [field.column for table in self.tables for field in table.fields]
        missing = [field for field in _named_fields(text) if field.column not in columns]
        if missing:
            return _lacks(missing[0], self.tables)
        return QueryError(on_one_line(text, sql or ""), hint=_hint(text, columns))

    def _damaged(self, text: str) -> DataFileError:
        """The error of a data file, by its address where the engine names it: its CSV reader does so at the end."""
        said = on_one_line(self._named(_told_value(text) or _ADVICE.sub("", text)))
        files = [self._named(address) for address in (*self.places, *self.paths) if address in text]
        which = f"the data file {files[0]}" if files and files[0] not in said else "a data file"
        return DataFileError(
            f"{which} cannot be read: {said}",
            hint=HINT_VERIFY,
        )

    def _named(self, text: str) -> str:
        """`text` with the engine's names of the data files replaced by where they are."""
        for address, place in self.places.items():
            text = text.replace(address, place)
        return text


# What stands in an engine's complaint about a file, and not in one about SQL: the file's address, and
# the words of DuckDB's CSV reader, of decoding keys, and of its Parquet reader where it names no file.
_SIGNS_OF_DAMAGE = (
    ServedFiles.url(""),
    "CSV Error",
    f"expected {WHOLE_NUMBER}: ",
    "using URL decoding",
    "Out of buffer",
    "TProtocolException",
    "Incorrect stats size",
    "INTERNAL Error",
    "Invalid Error:",
)
# What its readers say of one value, and what a view says of a number.
_CSV_VALUE = re.compile(
    r"CSV Error on Line: (?P<line>\d+)\n.*Error when converting column \"(?P<column>[^\"]+)\"\."
    r" Could not convert string \"(?P<found>.*)\" to '(?P<type>[^']+)'",
    re.DOTALL,
)
_VALUE = re.compile(
    rf"{ODD_NUMBER} `(?P<column>[^`]+)` holds (?P<found>.*), expected {WHOLE_NUMBER}: ", re.DOTALL
)
_EXPECTED = {
    SQL_TYPES[NUMBER]: WHOLE_NUMBER,
    SQL_TYPES[FLAG]: "`true` or `false`",
    "TIMESTAMP WITH TIME ZONE": "a moment such as `2026-11-22T10:17:00.000Z`",
}
_FOUND_CHARACTERS_MAX = 80
# Options of the engine, which nobody can set here.
_ADVICE = re.compile(r"\s*Possible (?:fixes|[sS]olutions?):.*", re.DOTALL)


def _told_value(text: str) -> str:
    """What an engine's complaint says of one value, in our own words; empty where it is about something else."""
    if found := _CSV_VALUE.search(text):
        expected = _EXPECTED.get(found["type"], found["type"])
        place = f"in line {found['line']}, the column"
    elif found := _VALUE.search(text):
        expected, place = WHOLE_NUMBER, ODD_NUMBER
    else:
        return ""
    shown = found["found"][:_FOUND_CHARACTERS_MAX]
    return f"{place} `{found['column']}` holds `{shown}`, expected {expected}"


_QUOTED = re.compile(r'"([^"]+)"')
_BY_WORD: dict[str, Field] = {name.lower(): field for name, field in BY_NAME.items()} | BY_COLUMN


def _words(message: str) -> list[str]:
    """What the first line of an engine's complaint has in quotes, without what it is part of."""
    found = _QUOTED.findall(message.partition("\n")[0])
    return [word.rpartition(".")[2].lower() for word in found]


def _named_fields(message: str) -> list[Field]:
    """The fields that an engine's complaint names, by AWS's name or by column."""
    return [_BY_WORD[word] for word in _words(message) if word in _BY_WORD]


def _hint(message: str, columns: Sequence[str]) -> str:
    """The way out where a column is asked for by AWS's name, as in configurations and CSV, or a `dt` is not there."""
    for field in _named_fields(message):
        if field.column in columns and f'"{field.column}"' not in message.partition("\n")[0]:
            return f"the column is `{field.column}`"
    if DT.column in _words(message) and DT.column not in columns:
        return "reports have a `dt` where they are opened by a range of dates: `--dt FROM..TO`"
    return ""


def _lacks(field: Field, tables: Sequence[Table]) -> QueryError:
    reports = [report for table in tables for report in table.reports]
    options = "--versions All" if field.kind is Kind.VERSIONS else f"--fields default,{field.name}"
    configured = (
        "IncludedObjectVersions All" if field.kind is Kind.VERSIONS else f"the field {field.name}"
    )
    ours = all(report.sidecar for report in reports)
    theirs = (
        ""
        if ours or field.kind is Kind.EXTENSION
        else (f"; of AWS, ask for {configured} in the InventoryConfiguration")
    )
    lacking = "the report lacks" if len(reports) == 1 else f"none of the {len(reports)} reports has"
    whose = "its" if len(reports) == 1 else "their"
    columns = dict.fromkeys(each.column for table in tables for each in table.fields)
    return QueryError(
        f"{lacking} the column `{field.column}` ({field.name}), so {'it' if len(reports) == 1 else 'they'}"
        f" cannot answer this; {whose} columns are {', '.join(columns)}",
        hint=f"`stocktake run` yields it with `{options}`{theirs}",
    )

"""What an answer is to those who read or write it: columns, and rows that can be taken once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Self

import pyarrow as pa


class Rows(ABC):
    """Columns and rows."""

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The columns and their Arrow types; moments are in UTC."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.schema.names)

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in order."""


class PulledRows(Rows, AbstractContextManager[Any]):
    """Rows that come while they are asked for, from a question that is under way. `warnings` says what of them may be
    less than it looks.
    """

    def __init__(self, reader: pa.RecordBatchReader, warnings: tuple[str, ...]) -> None:
        self.warnings = warnings
        self._reader = reader

    @property
    def schema(self) -> pa.Schema:
        """The columns and their Arrow types; moments are in UTC."""
        return self._reader.schema

    @abstractmethod
    def close(self) -> None:
        """End the question, and let go of what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

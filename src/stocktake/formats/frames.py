"""Rows as the data frames of whichever library is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pyarrow as pa

from stocktake.model.errors import UsageError


def to_pandas(table: pa.Table) -> Any:
    """A `pandas.DataFrame` with Arrow's own types: whole numbers stay whole, and null stays null.

    Raises:
        UsageError: pandas is not installed.
    """
    pandas = _installed("pandas")
    return table.to_pandas(types_mapper=pandas.ArrowDtype)


def to_polars(table: pa.Table) -> Any:
    """A `polars.DataFrame`.

    Raises:
        UsageError: polars is not installed.
    """
    return _installed("polars").from_arrow(table)


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{name} is not installed", hint=f"python3 -m pip install {name}"
        ) from error

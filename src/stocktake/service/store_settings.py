"""The stores that workers work on, by the names that the ledger calls them, and what each of them bears.

[stores.ceph]
endpoint_url = "http://127.0.0.1:7480"
requests_per_second = 500
runs_at_a_time = 2
quiet_hours = "08:00-18:00"
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.model.scheduled import LIMIT_KEYS, StoreLimits, parse_store_limits
from stocktake.model.store import Store
from stocktake.service.options import StoreKeywords, make_store

STORE = "default"  # what the store is called that options describe
FILE_BYTES_MAX = 2**20
# What the same file says to `stocktake serve` of a store, and workers need not know.
_OF_THE_SERVER = ("domains", "account")
_FLAGS = ("no_sign_request", "request_payer", "no_verify_ssl")


@dataclass(frozen=True, slots=True)
class ServedStore:
    """A store, and what it bears."""

    store: Store
    limits: StoreLimits = field(default_factory=StoreLimits)


def served_stores(
    file: Path | None, *, name: str | None = None, words: StoreKeywords | None = None
) -> dict[str, ServedStore]:
    """The stores in `file`, by name; or the one that `words` describe, called `name`.

    Raises:
        UsageError: the file cannot be read, holds an unknown key or a value that makes no sense; or stores are
            described both ways.
    """
    said: dict[str, Any] = {word: value for word, value in (words or {}).items() if value}
    if file is None:
        return {name or STORE: ServedStore(make_store(**said))}
    if said or name:
        raise UsageError(
            f"the stores are described in {file}, and by options, too",
            hint="leave the options away",
        )
    document = _read(file)
    stores = document.get("stores")
    if not isinstance(stores, dict) or not stores:
        raise UsageError(f"{file} describes no store; expected [stores.NAME]")
    return {each: _store(each, table, file) for each, table in stores.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            return tomllib.loads(opened.read(FILE_BYTES_MAX).decode())
    except OSError as error:
        raise UsageError(
            f"the settings {file} cannot be read: {error.strerror or error}"
        ) from error
    except ValueError as error:
        raise UsageError(f"the settings {file} are no TOML: {error}") from error


def _store(name: str, table: object, file: Path) -> ServedStore:
    place = f"the store `{name}` of {file}"
    if not isinstance(table, dict):
        raise UsageError(f"{place} is no table; expected [stores.{name}]")
    words = list(StoreKeywords.__annotations__)
    known = [*words, *LIMIT_KEYS, *_OF_THE_SERVER]
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"; did you mean `{near[0]}`?" if near else ""
            raise UsageError(
                f"unknown key `{key}` in {place}{meant}", hint=f"expected {', '.join(known)}"
            )
        wanted = bool if key in _FLAGS else str
        if key in words and not isinstance(value, wanted):
            raise UsageError(f"`{key}` of {place} is `{value}`; expected a {wanted.__name__}")
    described: Mapping[str, Any] = {key: value for key, value in table.items() if key in words}
    return ServedStore(make_store(**described), parse_store_limits(table, place))

"""Runs and their pieces as JSON text, for the ledger; and back, exactly.

Everything is ASCII, so that keys and paths of any characters survive any database. No credentials are in a run, so none
are in a document.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from stocktake.model.errors import LedgerError
from stocktake.model.runs import InventoryRun
from stocktake.model.store import check_no_secret

T = TypeVar("T")

RUN_VERSION = 1  # of the form of a run's document

_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}  # each is made once, when it is first needed


def encode(value: object) -> str:
    """A value of the model, a frozen dataclass, as JSON."""
    return json.dumps(_dumped(value), separators=(",", ":"))


def decode(kind: type[T], text: str) -> T:
    """The value that `encode` made `text` of.

    Raises:
        LedgerError: the text is none, or says what this version of stocktake would lose.
    """
    try:
        said = json.loads(text)
        value: T = _adapter(kind).validate_python(said)
    except (ValueError, RecursionError) as error:
        first = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise _unreadable(kind, why) from error
    if lost := _lost(said, _dumped(value)):
        raise _unreadable(kind, f"nothing is known of {lost}")
    return value


def encode_run(run: InventoryRun) -> str:
    """A run as JSON.

    Raises:
        UsageError: an endpoint URL is none, or holds a user name or password, which are not to be written down.
    """
    for store in (run.source, run.destination):
        check_no_secret(store)
    return json.dumps({"version": RUN_VERSION, "run": _dumped(run)}, separators=(",", ":"))


def decode_run(text: str) -> InventoryRun:
    """The run that `encode_run` made `text` of.

    Raises:
        LedgerError: the text is none, or of another version.
    """
    try:
        document = json.loads(text)
        version, run = document["version"], document["run"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable(InventoryRun, str(error)) from error
    if version != RUN_VERSION:
        raise _unreadable(InventoryRun, f"found version {version}, expected {RUN_VERSION}")
    decoded = decode(InventoryRun, json.dumps(run))
    return replace(decoded, moment=decoded.moment.astimezone(UTC))


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _dumped(value: object) -> Any:
    return _adapter(value.__class__).dump_python(
        value, mode="json", by_alias=True, warnings="error"
    )


def _lost(said: Any, kept: Any, where: str = "") -> str:
    """The first member of the JSON value `said` that `kept` has not, or has otherwise; empty for none. What `kept` has
    beside is new since, with a default.
    """
    if isinstance(said, dict) and isinstance(kept, dict):
        for name, member in said.items():
            if name not in kept:
                return f"{where}{name}"
            if lost := _lost(member, kept[name], f"{where}{name}."):
                return lost
        return ""
    return "" if said == kept else where.rstrip(".") or "it"


def _unreadable(kind: type[Any], why: str) -> LedgerError:
    return LedgerError(
        f"the ledger's record of a {kind.__name__} cannot be read: {why}",
        hint="was it written by another version of stocktake? go on with that one",
    )

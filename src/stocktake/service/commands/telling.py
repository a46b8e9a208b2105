"""Usage and audits in Python: what `stocktake.usage` and `stocktake.audit` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from stocktake.analysis.audits.findings import AuditReport
from stocktake.analysis.usage.usage import Usage
from stocktake.analysis.warned import warn_caller
from stocktake.service.commands import audit as auditing
from stocktake.service.commands.usage import checked_depth, opened_usage, parse_dimension
from stocktake.service.options import StoreKeywords, make_store


def usage(
    address: str | Path,
    *,
    by: str = "prefix",
    depth: int | None = None,
    dt: str | None = None,
    prices: str | None = None,
    **store: Unpack[StoreKeywords],
) -> Usage:
    """How much of what the report at `address` holds, where, and what it costs a month, as `stocktake usage` tells it:
    its `lines` are folders, or the values that `by` tells apart (`class`, `age`, `size`, `extension`, `owner`,
    `encryption`, `version-state`) of folders down to `depth`, with bytes and objects in their `figures`.

    `dt` takes a configuration's folder and tells of growth. `prices` is `aws`, `free` or a TOML file.

    Raises:
        UsageError: a word that makes no sense.
        InventoryError: a report cannot be opened or read.
    """
    dimension = parse_dimension(by)
    levels = checked_depth(depth, dimension)
    place, words = str(address), make_store(**store)
    with opened_usage(place, store=words, dt=dt, prices=prices, warn=warn_caller) as source:
        return source.usage(dimension, levels)


def audit(
    address: str | Path,
    *,
    policy: str | Path | None = None,
    only: Sequence[str] = (),
    fail_on: str | None = None,
    prices: str | None = None,
    **store: Unpack[StoreKeywords],
) -> AuditReport:
    """What is wrong with the objects of the report at `address`, as `stocktake audit` tells it: its `findings` have
    status, counts, prefixes, examples and SQL of each audit, and its `exit_code` is the command's.

    Raises:
        UsageError: no such audit or severity, no policy, no price table.
        InventoryError: the report cannot be opened or read.
    """
    return auditing.audit(
        str(address),
        store=make_store(**store),
        policy=policy,
        only=only,
        fail_on=fail_on,
        prices=prices,
    )

"""What a run delivered before it ended without a report: removed where it failed, named where it was stopped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from stocktake.model.addresses import LocalAddress
from stocktake.model.errors import InventoryError, StoppedError
from stocktake.model.runs import InventoryRun
from stocktake.store.destinations import Destination

NAMED_MAX = 20


def remove_leftovers(
    error: InventoryError, keys: Sequence[str], run: InventoryRun, destination: Destination
) -> InventoryError:
    """Remove the objects at `keys`, in that order; the same error, which says so where one could not be removed.

    The first that cannot be removed ends it: what lies behind it in the list may be what it vouches for.
    """
    for position, key in enumerate(keys):
        try:
            destination.remove(key)
        except InventoryError:
            error.hint = (
                f"{error.hint}; {_sentence(keys[position:], run, destination)}".removeprefix("; ")
            )
            break
    return error


def say_leftovers(
    error: StoppedError, keys: Sequence[str], run: InventoryRun, destination: Destination
) -> StoppedError:
    """The same error, whose hint says which data files lie in the destination and how to remove them."""
    left = [key for key in keys if destination.exists(key)]
    error.hint = (
        _sentence(left, run, destination) if left else "nothing was left in the destination"
    )
    return error


def _sentence(keys: Sequence[str], run: InventoryRun, destination: Destination) -> str:
    shown = [_removal(key, run, destination) for key in keys[:NAMED_MAX]]
    more = f"\n  … and {len(keys) - NAMED_MAX} more beside them" if len(keys) > NAMED_MAX else ""
    return (
        f"{len(keys)} object(s) of this run may be left; to remove them:\n  "
        + "\n  ".join(shown)
        + more
    )


def _removal(key: str, run: InventoryRun, destination: Destination) -> str:
    """The shell command that removes one object."""
    if isinstance(run.address, LocalAddress):
        return shlex.join(["rm", str(run.address.path / key)])
    options = (
        ("--endpoint-url", run.destination.endpoint_url),
        ("--profile", run.destination.profile),
    )
    given = [word for name, value in options if value is not None for word in (name, value)]
    return shlex.join(["aws", "s3", "rm", destination.uri(key), *given])

"""What a run delivered before it ended without a report: removed where it failed, named where it was stopped."""

from __future__ import annotations

from collections.abc import Sequence

from stocktake.model.errors import InventoryError, StoppedError
from stocktake.store.destinations import Destination

NAMED_MAX = 20


def remove_leftovers(
    error: InventoryError, keys: Sequence[str], destination: Destination
) -> InventoryError:
    """Remove the objects at `keys`, in that order; the same error, which says so where one could not be removed.

    The first that cannot be removed ends it: what lies behind it in the list may be what it vouches for.
    """
    for position, key in enumerate(keys):
        try:
            destination.remove(key)
        except InventoryError:
            error.hint = f"{error.hint}; {_sentence(keys[position:], destination)}".removeprefix(
                "; "
            )
            break
    return error


def say_leftovers(
    error: StoppedError, keys: Sequence[str], destination: Destination
) -> StoppedError:
    """The same error, whose hint says which data files lie in the destination and how to remove them."""
    left = [key for key in keys if destination.exists(key)]
    error.hint = _sentence(left, destination) if left else "nothing was left in the destination"
    return error


def _sentence(keys: Sequence[str], destination: Destination) -> str:
    shown = [destination.removal(key) for key in keys[:NAMED_MAX]]
    more = (
        f"\n  … and {len(keys) - NAMED_MAX} more in the same folder"
        if len(keys) > NAMED_MAX
        else ""
    )
    return (
        f"{len(keys)} object(s) of this run may be left; to remove them:\n  "
        + "\n  ".join(shown)
        + more
    )

"""What a run delivered before it ended without a report: removed where it failed, named where it was stopped."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stocktake.inventory.stopping import NOTHING_LEFT, STOPPED, unless_stopped
from stocktake.model.addresses import LocalAddress
from stocktake.model.errors import InventoryError, StoppedError
from stocktake.model.runs import InventoryRun
from stocktake.store.destinations import Destination

NAMED_MAX = 20


@contextmanager
def settling_leftovers(
    run: InventoryRun,
    destination: Destination,
    data: Sequence[str],
    placed: Sequence[str],
    stop: threading.Event,
) -> Iterator[None]:
    """While this lasts a report comes into being: the data files at `data`, then what makes them one at `placed`, the
    newest first. Where that fails, all of it is removed; where it is stopped, the error's hint names what is left.
    """
    try:
        yield
    except StoppedError as error:
        left = _left(data, destination, stop)
        hint = _sentence(left, run, destination) if left else NOTHING_LEFT
        raise StoppedError(STOPPED, hint=hint) from error
    except InventoryError as error:
        if rest := _remove([*placed, *data], destination, stop):
            error.hint = f"{error.hint}; {_sentence(rest, run, destination)}".removeprefix("; ")
        raise
    except BaseException:  # a defect: what was delivered is of no use to anybody
        _remove([*placed, *data], destination, stop)
        raise


def _left(keys: Sequence[str], destination: Destination, stop: threading.Event) -> Sequence[str]:
    """Those of `keys` that are there; all of them where the destination does not say."""
    try:
        return unless_stopped(stop, lambda: [key for key in keys if destination.exists(key)])
    except InventoryError:
        return keys


def _remove(keys: Sequence[str], destination: Destination, stop: threading.Event) -> Sequence[str]:
    """Remove the objects at `keys`, in that order; those that may be left.

    The first that cannot be removed ends it: what lies behind it in the list may be what it vouches for.
    """
    for position, key in enumerate(keys):

        def remove(key: str = key) -> None:
            if destination.exists(key):
                destination.remove(key)

        try:
            unless_stopped(stop, remove)
        except InventoryError:
            return keys[position:]
    return ()


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

"""What tests that kill programs share: which processes are whose, whether they still work, and waiting for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

STATE_FOLDER = "STOCKTAKE_STATE_FOLDER"


def working(state_folder: Path) -> set[int]:
    """The processes that were started with this state folder, whoever their parent is by now; by /proc."""
    named = b"%s=%s" % (STATE_FOLDER.encode(), os.fsencode(state_folder))
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environment.read_bytes().split(b"\0")
        except OSError:
            continue  # it is gone
        if named in variables:
            found.add(int(environment.parent.name))
    return found


def descendants_of(pid: int) -> set[int]:
    """The processes that `pid` has started, those that these have started, and so on, by /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it is gone
        parents[int(stat.parent.name)] = int(fields[1])
    found: set[int] = set()
    while new := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= new
    return found


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether the condition came to hold in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False

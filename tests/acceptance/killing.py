"""What tests that kill programs share: whether anything of a program still works, and waiting for it."""

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


def wait_for(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether the condition came to hold in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False

"""Who works on a run: this process, and whether another one is still there."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

from stocktake.model.ledger import Owner

# From a place from which its process cannot be seen, such as another container, an owner is taken for alive as long as
# it has written to the ledger within this time. Owners write, if only that they are there, every BEAT_EVERY.
BEAT_EVERY = timedelta(minutes=1)
SILENT_FOR_MAX = timedelta(minutes=15)

_PROC = Path("/proc")
_DEAD = ("Z", "X", "x")
# Of /proc/PID/stat behind the name in parentheses (proc_pid_stat(5)): state is its field 3, starttime 22.
_STATE, _STARTED = 0, 19


def this_process() -> Owner:
    """The process that asks."""
    pid = os.getpid()
    state = _stat(pid)
    return Owner(
        host=socket.gethostname(),
        boot=_boot(),
        namespace=_namespace(),
        pid=pid,
        started=state[_STARTED] if state else "",
    )


def is_alive(owner: Owner, updated: datetime, now: datetime) -> bool:
    """Whether `owner`, who last wrote at `updated`, is still there."""
    if owner.place != this_process().place:
        return now - updated < SILENT_FOR_MAX
    if not owner.started:
        return _exists(owner.pid)  # no /proc: whoever has its number now is taken for it
    state = _stat(owner.pid)
    return bool(state) and state[_STARTED] == owner.started and state[_STATE] not in _DEAD


def _stat(pid: int) -> list[str]:
    """What the kernel tells of a process; nothing where there is none, or no /proc."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

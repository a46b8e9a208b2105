"""One server for all processes of a test run: who needs it first starts it, and ends it once nobody needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from fcntl import LOCK_EX, LOCK_SH, flock
from io import TextIOBase
from pathlib import Path

from tests.servers.server import Server


@contextmanager
def shared(folder: Path, start: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """The server that `start` starts, once for all processes that name the same `folder`.

    Each of them holds a lock while the block runs, and who started the server waits at the end until
    the others' are gone. The kernel takes the lock of a process that dies, so nobody waits for one.
    """
    told = folder / "server.json"
    with ExitStack() as stack:
        users = stack.enter_context((folder / "users").open("w"))
        with (folder / "starting").open("w") as starting:
            flock(starting, LOCK_EX)
            flock(users, LOCK_SH)  # not before a server that is just being ended is gone
            if told.exists():
                server = Server(**json.loads(told.read_text()))
            else:
                server = stack.enter_context(start())
                stack.callback(_forget, told, users)
                told.write_text(json.dumps(asdict(server)))
        yield server


def _forget(told: Path, users: TextIOBase) -> None:
    """Wait until nobody else uses the server, and let nobody find it again."""
    flock(users, LOCK_EX)
    told.unlink()

"""A server that several processes use is started once, and ended when nobody needs it any more."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.server import Server
from tests.servers.shared import shared

# Uses the server that is up, says where it found it, and goes on using it until it is killed.
USER = """
import sys
from pathlib import Path
from tests.servers.shared import shared
def start(): raise AssertionError("it is up")
with shared(Path(sys.argv[1]), start) as server:
    print(server.endpoint_url, flush=True)
    sys.stdin.read()
"""


class Starts:
    """Starts servers that are nothing but a number, and notes which of them are up."""

    def __init__(self) -> None:
        self.made = 0
        self.up: set[str] = set()

    @contextmanager
    def __call__(self) -> Iterator[Server]:
        self.made += 1
        server = Server(f"http://{self.made}", "key", "secret", "other", "other secret")
        self.up.add(server.endpoint_url)
        yield server
        self.up.remove(server.endpoint_url)


def test_who_comes_first_starts_it_and_the_others_find_it(tmp_path: Path) -> None:
    start = Starts()
    with shared(tmp_path, start) as first, shared(tmp_path, start) as second:
        assert first == second
        assert start.made == 1


def test_it_is_up_until_the_last_one_leaves_and_started_anew_for_who_comes_then(
    tmp_path: Path,
) -> None:
    start = Starts()
    first, other = ExitStack(), ExitStack()
    first.enter_context(shared(tmp_path, start))
    other.enter_context(shared(tmp_path, start))
    leaving = threading.Thread(target=first.close)
    leaving.start()
    leaving.join(0.2)
    assert leaving.is_alive()
    assert start.up
    other.close()
    leaving.join(60)
    assert not start.up
    with shared(tmp_path, start):
        assert start.made == 2


def test_nobody_waits_for_a_process_that_was_killed(tmp_path: Path) -> None:
    start = Starts()
    with shared(tmp_path, start) as server, subprocess.Popen(
        [sys.executable, "-c", USER, str(tmp_path)],
        cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as user:  # fmt: skip
        assert user.stdout is not None
        assert user.stdout.readline().strip() == server.endpoint_url
        user.kill()
    assert not start.up

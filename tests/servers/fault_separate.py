"""The fault server as a process of its own: the command line behind `python -m
tests.servers.fault`, and what starts it from a test."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.servers.fault_server import FaultServer
from tests.servers.server import Server

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input ends, so that no server outlives who started it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.fault", description="The fault server"
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--setup", default="", metavar="MODULE:FUNCTION", help="called with the server"
    )
    parser.add_argument(
        "--bucket", action="append", default=[], metavar="NAME[=FOLDER]", help="kept in the folder"
    )
    given = parser.parse_args(arguments)
    with FaultServer(port=given.port, seed=given.seed) as server:
        for name, _, folder in (text.partition("=") for text in given.bucket):
            server.bucket(name, folder=Path(folder) if folder else None)
        if given.setup:
            module, _, function = given.setup.partition(":")
            getattr(importlib.import_module(module), function)(server)
        print(server.endpoint_url, flush=True)
        sys.stdin.read()


class SeparateServer:
    """A fault server in its own process, filled by `setup` ("module:function", called there with
    the server); a context manager. `buckets` are made empty, each kept in its folder where one is
    given."""

    def __init__(
        self,
        setup: str = "",
        *,
        port: int = 0,
        seed: int = 0,
        buckets: dict[str, Path | None] | None = None,
    ) -> None:
        self._command = [
            sys.executable,
            "-m",
            "tests.servers.fault",
            "--port",
            str(port),
            "--seed",
            str(seed),
        ]
        if setup:
            self._command += ["--setup", setup]
        for name, folder in (buckets or {}).items():
            self._command += ["--bucket", f"{name}={folder}" if folder else name]
        self._process: subprocess.Popen[str] | None = None
        self.endpoint_url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.endpoint_url = self._process.stdout.readline().strip()
        if not self.endpoint_url:
            self.__exit__()
            raise RuntimeError(f"the fault server did not start: {' '.join(self._command)}")
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process:
            with self._process as process:
                if process.stdin:
                    process.stdin.close()
                process.wait(timeout=60)
            self._process = None

    @property
    def pid(self) -> int:
        """The process id, for tests that measure or kill it."""
        assert self._process
        return self._process.pid

    def counts(self) -> Counter[str]:
        """Requests by operation."""
        return Counter(self._ask("counts"))

    def log(self) -> list[tuple[str, str, str, str, int]]:
        """Operation, method, path, query and status of the last requests."""
        return [tuple(entry) for entry in self._ask("log")]

    def clear_rules(self) -> None:
        """End all rules."""
        with urllib.request.urlopen(f"{self.endpoint_url}/.fault/clear", data=b"", timeout=60):
            pass

    def as_server(self) -> Server:
        """What tests know of any server."""
        return Server(self.endpoint_url, "fault", "faultsecret", "other", "othersecret")

    def _ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.endpoint_url}/.fault/{what}", timeout=60) as answer:
            return json.load(answer)

"""A PostgreSQL server of Debian's package: on loopback, in a folder of its own, ended by its process id.

It will not run as root; then it runs as the user that Debian's package makes for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.servers.ports import reserved_port

USER = "stocktake"
ACCOUNT = "postgres"
START_S_MAX = 120
STOP_S_MAX = 60
# What is lost in a power cut is nothing that these tests ask about.
SETTINGS = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "60", "jit": "off"}


def binaries() -> Path | None:
    """Where the newest server's programs lie; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


class PostgresServer:
    """A server that can be stopped and started again, with all that it holds."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self.port = reserved_port()  # between a stop and a start too

    def make(self) -> None:
        """Make the folder's database cluster."""
        subprocess.run(
            [self._programs / "initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust",
             "--no-sync", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **as_other_user(),
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder,
                 "-c", "listen_addresses=127.0.0.1", *options],
                stdout=log, stderr=log, cwd=self.folder, **as_other_user(),
            )  # fmt: skip
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                psycopg.connect(self.url(USER_DATABASE), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, whoever is connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_S_MAX)
            self._process = None

    def url(self, database: str) -> str:
        """Where the database is."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def make_database(self) -> str:
        """The URL of a database that holds nothing."""
        name = f"ledger_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(USER_DATABASE), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)


USER_DATABASE = "postgres"


def as_other_user() -> Mapping[str, Any]:
    """Options of subprocess by which root becomes somebody else."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(ACCOUNT)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server, for as long as the block runs."""
    programs = binaries()
    assert programs is not None
    # Not in pytest's own folder, into which nobody but its user may look.
    folder = Path(tempfile.mkdtemp(prefix="stocktake-postgres-"))
    try:
        if other := as_other_user():
            os.chown(folder, other["user"], other["group"])
        server = PostgresServer(folder, programs)
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""A clean environment, and the servers that tests talk to.

moto for speed, Ceph for truth, the fault server for what neither of them can do.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from moto.server import ThreadedMotoServer

from stocktake.service.settings import read_settings
from tests.servers.browser import Browser, missing_browser_packages, running_browser
from tests.servers.ceph import missing_packages, running_ceph
from tests.servers.fault import FaultServer
from tests.servers.missing import skip_or_fail
from tests.servers.postgres import PostgresServer, binaries, running_postgres
from tests.servers.server import Server
from tests.servers.shared import shared

# A server that is already up, as `http://host:port,access,secret,other_access,other_secret`.
RUNNING_CEPH = "STOCKTAKE_TEST_CEPH"

settings.register_profile(
    "stocktake", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("stocktake")

_LEAKS = ("AWS_", "BOTO_", "S3_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_home = pytest.StashKey[Path]()
_open = pytest.StashKey[ExitStack]()
# Each of them keeps a core busy, and what it starts another one.
WORKERS_MAX = 4


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core; none where files or folders were named: few tests are over before workers are up."""
    workers = min(read_settings().cores, WORKERS_MAX)
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return 0 if named or workers == 1 else workers


def pytest_configure(config: pytest.Config) -> None:
    """Keep the user's own AWS set-up, proxies and home away from tests and what they start."""
    # SIGTERM ends the tests as Ctrl-C does, so that fixtures stop their servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="stocktake-home-"))
    config.stash[_home] = home
    config.stash[_open] = ExitStack()
    for name in list(os.environ):
        if name.startswith(_LEAKS) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ.update(
        HOME=str(home),
        AWS_CONFIG_FILE=str(home / "aws-config"),
        AWS_SHARED_CREDENTIALS_FILE=str(home / "aws-credentials"),
        AWS_EC2_METADATA_DISABLED="true",
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what tests of this process shared with those of others, and remove the temporary home."""
    config.stash[_open].close()
    gc.unfreeze()  # the command line freezes what there is, and DuckDB tells of all that is never freed
    shutil.rmtree(config.stash[_home], ignore_errors=True)


@pytest.fixture
def buckets() -> Callable[..., str]:
    """`buckets("lock")` is a bucket name that nobody has yet; the bucket is the test's to make."""

    def fresh(stem: str = "bucket") -> str:
        return f"{stem}-{uuid.uuid4().hex[:12]}"

    return fresh


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    """An embedded S3 store; it accepts any credentials, and both users are one."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Server(f"http://{host}:{port}", "testing", "testingsecret", "other", "othersecret")
    server.stop()


@pytest.fixture(scope="session")
def ceph_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A real Ceph RADOS Gateway: the one that the environment names, else one that all workers share."""
    if running := os.environ.get(RUNNING_CEPH):
        return Server(*running.split(","))
    if packages := missing_packages():
        skip_or_fail(f"no Ceph on this machine; Debian packages: {' '.join(packages)}")
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if hasattr(pytestconfig, "workerinput") else own
    # Not until the session is over, for whoever started it may have to wait longer than a test may take.
    return pytestconfig.stash[_open].enter_context(shared(folder, running_ceph))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each test makes a database of its own."""
    if binaries() is None:
        skip_or_fail("no PostgreSQL on this machine; Debian package: postgresql")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium."""
    if packages := missing_browser_packages():
        skip_or_fail(f"no Chromium on this machine; Debian packages: {' '.join(packages)}")
    with running_browser(tmp_path_factory.mktemp("browser") / "chromedriver.log") as session:
        yield session


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """A scripted S3 server of this test's own: empty, and without faults until it is told."""
    with FaultServer() as server:
        yield server

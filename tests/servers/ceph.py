"""A real Ceph RADOS Gateway: one monitor, one OSD in memory, one gateway, all on 127.0.0.1.

Two users (`inventory`, `other`), two KMS keys (`testkey-1`, `testkey-2`), three storage classes
(STANDARD, STANDARD_IA, GLACIER). Up in about 13 s; most of it is `radosgw-admin` making its pools.
Needs neither root nor a manager daemon.
"""

from __future__ import annotations

import atexit
import base64
import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.ports import reserved_port
from tests.servers.server import Server

PACKAGES = {
    "radosgw": "radosgw",
    "radosgw-admin": "ceph-common",
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "monmaptool": "ceph-mon",
    "ceph": "ceph-common",
}
USERS = (("inventory", "inventorysecret"), ("other", "othersecret"))
KMS_KEYS = {"testkey-1": b"A" * 32, "testkey-2": b"B" * 32}
EXTRA_STORAGE_CLASSES = ("STANDARD_IA", "GLACIER")

START_TRIES_MAX = 3
OSD_TRIES_MAX = 6
COMMAND_TIMEOUT_S = 120
STOP_TIMEOUT_S = 10

CONFIGURATION_NAME = "ceph.conf"
CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# Nobody but this test can reach it, so nobody has to prove who they are.
auth cluster required = none
auth service required = none
auth client required = none
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$name.$pid.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
mon cluster log file = {folder}/log/cluster.log
log to stderr = false
# One copy on one OSD is enough, however full the disk beneath is.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 4000
mon data avail warn = 1
mon data avail crit = 1
mon osd nearfull ratio = .97
mon osd backfillfull ratio = .98
mon osd full ratio = .99
osd failsafe full ratio = .995
[mon]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd op num shards = 2
osd max object name len = 2048
osd class load list = *
osd class default list = *
[client.rgw.a]
rgw data = {folder}
# Without tcp_nodelay every answer longer than a segment waits 40 ms for an acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:{rgw_port} tcp_nodelay=1
rgw enable usage log = false
rgw enable ops log = false
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = {kms_keys}
rgw dns name = localhost
rgw thread pool size = 64
rgw num rados handles = 1
"""


class CephError(RuntimeError):
    """The cluster did not come up."""


def missing_packages() -> list[str]:
    """The Debian packages whose programs this machine lacks; empty where Ceph can be started."""
    return sorted(
        {package for program, package in PACKAGES.items() if shutil.which(program) is None}
    )


@contextmanager
def running_ceph() -> Iterator[Server]:
    """A fresh, empty cluster, gone again at the end however the tests end.

    Raises:
        CephError: it did not come up within its bounds; the message says what the daemons said.
    """
    cluster = _start()
    atexit.register(cluster.stop)
    try:
        yield cluster.server
    finally:
        cluster.stop()
        atexit.unregister(cluster.stop)


def _start() -> _Cluster:
    for attempt in range(1, START_TRIES_MAX + 1):
        cluster = _Cluster(Path(tempfile.mkdtemp(prefix="ceph-")))
        try:
            cluster.start()
        except BaseException as error:
            said = cluster.last_words()
            cluster.stop()
            # Another program may have taken a port: new ports, new folder.
            if not isinstance(error, CephError) or attempt == START_TRIES_MAX:
                raise CephError(f"{error}\n{said}") from error
        else:
            return cluster
    raise AssertionError("unreachable")


@dataclass
class _Cluster:
    folder: Path
    fsid: str = field(default_factory=lambda: str(uuid.uuid4()))
    mon_port: int = field(default_factory=reserved_port)
    rgw_port: int = field(default_factory=reserved_port)
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def server(self) -> Server:
        (user, secret), (other, other_secret) = USERS
        url = f"http://127.0.0.1:{self.rgw_port}"
        return Server(url, user, secret, other, other_secret, str(self.folder / CONFIGURATION_NAME))

    def start(self) -> None:
        self._write_configuration()
        self._start_monitor()
        self._start_osd()
        self._create_users_and_storage_classes()
        self._start_gateway()

    def stop(self) -> None:
        """End the daemons, the last one first, by their own process ids, and remove every trace."""
        for daemon in reversed(self.daemons):
            with suppress(ProcessLookupError):
                # Nothing of it is kept, so an orderly end would be time lost.
                daemon.send_signal(signal.SIGKILL)
        for daemon in self.daemons:
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(STOP_TIMEOUT_S)
        self.daemons.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def last_words(self) -> str:
        lines = [
            f"{log.name}: {line}"
            for log in sorted((self.folder / "log").glob("*.out"))
            for line in log.read_text(errors="replace").splitlines()[-5:]
        ]
        return "\n".join(lines) or "(the daemons said nothing)"

    def _write_configuration(self) -> None:
        for name in ("mon", "osd", "run", "log"):
            (self.folder / name).mkdir()
        (self.folder / "keyring").touch()
        keys = {name: base64.b64encode(key).decode() for name, key in KMS_KEYS.items()}
        text = CONFIGURATION.format(
            folder=self.folder,
            fsid=self.fsid,
            mon_port=self.mon_port,
            rgw_port=self.rgw_port,
            kms_keys=" ".join(f"{name}={key}" for name, key in keys.items()),
        )
        (self.folder / CONFIGURATION_NAME).write_text(text)

    def _start_monitor(self) -> None:
        address = f"[v1:127.0.0.1:{self.mon_port}]"
        monmap = str(self.folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", address, monmap)
        keyring = str(self.folder / "keyring")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        monitor = self._spawn("ceph-mon", "-i", "a")
        _wait(lambda: self._answers("mon", "stat"), [monitor], timeout_s=180, what="the monitor")

    def _start_osd(self) -> None:
        identity = str(uuid.uuid4())
        self._run("ceph", "osd", "new", identity)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        # Without authentication an OSD may speak before it has the monitor map, and die of it
        # with "wrong fsid".
        for _ in range(OSD_TRIES_MAX):
            osd = self._spawn("ceph-osd", "-i", "0")
            with suppress(_DiedError):
                return _wait(self._osd_is_up, [osd], timeout_s=180, what="the OSD")
            self.daemons.remove(osd)
        raise CephError(f"the OSD died {OSD_TRIES_MAX} times")

    def _osd_is_up(self) -> bool:
        status = self._answers("osd", "stat", "--format", "json")
        return bool(status) and json.loads(status)["num_up_osds"] == 1

    def _create_users_and_storage_classes(self) -> None:
        # The first command creates the default zone; without it there is no place for a class.
        for user, secret in USERS:
            named = ("--uid", user, "--display-name", user)
            self._admin("user", "create", *named, "--access-key", user, "--secret", secret)
        for name in EXTRA_STORAGE_CLASSES:
            placement = ("--placement-id", "default-placement", "--storage-class", name)
            pool = f"default.rgw.{name.lower()}.data"
            self._admin("zonegroup", "placement", "add", *placement, "--rgw-zonegroup", "default")
            self._admin(
                "zone", "placement", "add", *placement, "--rgw-zone", "default", "--data-pool", pool
            )

    def _start_gateway(self) -> None:
        gateway = self._spawn("radosgw", "-n", "client.rgw.a")
        _wait(self._gateway_answers, [gateway], timeout_s=180, what="the gateway")

    def _gateway_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.rgw_port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _admin(self, *words: str) -> None:
        self._run("radosgw-admin", "-n", "client.rgw.a", *words)

    def _answers(self, *words: str) -> bytes:
        """What the monitor answers to a question; empty where it does not."""
        command = self._command("ceph", "--connect-timeout", "5", *words)
        with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return subprocess.run(
                command, capture_output=True, timeout=10, env=_environment(), check=True
            ).stdout
        return b""

    def _run(self, program: str, *words: str) -> None:
        command = self._command(program, *words)
        said = shlex.join(command)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=COMMAND_TIMEOUT_S,
                env=_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CephError(f"`{said}` took longer than {COMMAND_TIMEOUT_S} s") from error
        if done.returncode != 0:
            answer = done.stderr.decode(errors="replace")[-2000:]
            raise CephError(f"`{said}` ended with {done.returncode}: {answer}")

    def _spawn(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log" / f"{program}.out").open("ab") as log:
            command = [*_DIES_WITH_US, *self._command(program, *words, "-f")]
            daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment()
            )
        self.daemons.append(daemon)
        return daemon

    def _command(self, program: str, *words: str) -> list[str]:
        return [program, "--conf", str(self.folder / CONFIGURATION_NAME), *words]


class _DiedError(CephError):
    """A daemon ended while it was waited for."""


# The kernel ends the daemons when this process ends, even of kill -9.
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}


def _wait(
    is_up: Callable[[], object],
    daemons: Sequence[subprocess.Popen[bytes]],
    *,
    timeout_s: float,
    what: str,
) -> None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if is_up():
            return
        for daemon in daemons:
            if daemon.poll() is not None:
                raise _DiedError(f"{what} ended with {daemon.returncode} while it was waited for")
        time.sleep(0.1)
    raise CephError(f"{what} did not come up within {timeout_s:.0f} s")

"""nginx with the project's own configuration, before a store and a service of a test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.ports import reserved_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
START_S_MAX = 120

# What stands around the shipped file on a system that has nginx installed, for a user who is not root, too.
AROUND = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/stocktake.conf;
}}
"""


def nginx_program() -> str | None:
    """Where nginx is; Debian has it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running_nginx(folder: Path, store: str, inventory: str) -> Iterator[str]:
    """The address under which nginx has the store at the URL `store` with the service at the URL `inventory`. Only
    addresses are changed in the shipped file.
    """
    port = reserved_port()
    text = CONFIGURATION.read_text()
    for shipped, here in (
        ("server 127.0.0.1:7480;", f"server {urlsplit(store).netloc};"),
        ("server 127.0.0.1:8170 ", f"server {urlsplit(inventory).netloc} "),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert text.count(shipped) == 1
        text = text.replace(shipped, here)
    folder.mkdir()
    (folder / "stocktake.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
    program = nginx_program()
    assert program
    command = [
        program,
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(process, port, folder / "error.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=START_S_MAX)


def wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until somebody listens there; what `process` says is in `log`."""
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody listens: {log.read_text()}")

"""nginx with the project's own configuration, before a store and a service of a test."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stocktake.model.access import AccessKey, Grant, Role
from stocktake.service.access_keys import add_keys
from stocktake.service.server_settings import Site
from tests.api.serving import Answer, Api, running_api, signed
from tests.servers.nginx import running_nginx
from tests.servers.server import Server

ANSWER_S_MAX = 60


@dataclass(frozen=True, slots=True)
class Front:
    """nginx before a store and a service; `server` is the store under nginx's address, `api` what listens behind it."""

    server: Server
    behind: Server
    api: Api
    stop_service: Callable[[], None]

    @property
    def client(self) -> Any:
        """boto3 with the store's own keys."""
        return self.server.client(retries={"total_max_attempts": 1})

    def ask(self, method: str, target: str, body: bytes = b"", *, at: str | None = None) -> Answer:
        """A signed request, sent as it stands; to nginx, or straight to the URL `at`."""
        url = at or self.server.endpoint_url
        key = AccessKey(
            self.server.access_key, Grant(Role.ADMIN, ("*",)), "", self.server.secret_key
        )
        said = signed(method, target, body, {"Host": urlsplit(url).netloc}, key)
        return Api(url, Path(), Path()).send(method, target, body, said)

    def knock(self, method: str, target: str, *, at: str | None = None) -> tuple[int, bytes]:
        """Status and body of what a request without a signature is answered; its target is sent as it stands, a
        character a byte.
        """
        host = urlsplit(at or self.server.endpoint_url)
        assert host.hostname
        said = f"{method} {target} HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: close\r\n\r\n"
        with socket.create_connection((host.hostname, host.port or 80), ANSWER_S_MAX) as line:
            line.sendall(said.encode("latin-1"))
            answer = http.client.HTTPResponse(line, method=method)
            answer.begin()
            return answer.status, answer.read()


@contextmanager
def running_front(behind: Server, sites: tuple[Site, ...], folder: Path) -> Iterator[Front]:
    """nginx before `behind`, and before a service of it, which is of the `sites` and to which its keys are known."""
    with ExitStack() as ending, ExitStack() as service:
        api = service.enter_context(running_api(folder / "state", sites))
        everything = Grant(Role.ADMIN, ("*",))
        add_keys(api.keys_file, [AccessKey(behind.access_key, everything, "", behind.secret_key)])
        url = ending.enter_context(
            running_nginx(folder / "nginx", behind.endpoint_url, api.endpoint_url)
        )
        names = (
            behind.access_key,
            behind.secret_key,
            behind.other_access_key,
            behind.other_secret_key,
        )
        yield Front(Server(url, *names), behind, api, service.close)

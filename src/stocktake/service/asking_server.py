"""A server that a user asks instead of their own ledger: with a token where they have one, else with their keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from stocktake.model.errors import CredentialsError, ServerError, UsageError
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.private_files import read_private
from stocktake.service.setting_table import BY_KEY
from stocktake.store.connection import Connection
from stocktake.store.server_api import ServerApi

TOKEN = BY_KEY["client.token"]
T = TypeVar("T")
_TOKEN_BYTES_MAX = 4096


def asked_server(server: str | None, store: Store, ledger_url: str | None = None) -> str | None:
    """The URL of the server that is to be asked: `server`, which an option names, else the one of the settings; None
    where there is none, or where options name the store itself or a ledger, and that is what is asked.

    Raises:
        UsageError: options name two places.
    """
    other = "--endpoint-url" if store.endpoint_url else "--ledger" if ledger_url else None
    if server is None:
        return None if other else house.settings().server
    if other is not None:
        raise UsageError(
            f"--server and {other} name two places to ask", hint="leave one of them away"
        )
    return server


@contextmanager
def asking_server(server: str, store: Store, token_file: Path | None = None) -> Iterator[ServerApi]:
    """The JSON API of the server at the URL `server`, reached as `store` says. Who asks is told by the token in
    `token_file`, else by that of the settings, else by the user's own keys.

    Raises:
        UsageError: the server cannot be as described, the token is none, or would be seen on its way.
        CredentialsError: there is nothing to ask with.
    """
    if not server.startswith(("http://", "https://")):
        raise UsageError(
            f"`{server}` is no server; expected http://HOST[:PORT] or https://HOST[:PORT]"
        )
    token = _token(token_file)
    if token is None:
        connection = Connection.open(replace(store, endpoint_url=server))
    else:
        _check_unseen(server)
        connection = Connection.open(replace(store, endpoint_url=server, sign_requests=False))
    with closing(ServerApi(connection, token)) as api:
        yield api


def understood(said: Any, read: Callable[[Any], T]) -> T:
    """What `read` makes of an answer.

    Raises:
        ServerError: it is none that this version of stocktake knows.
    """
    try:
        return read(said)
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(
            f"the server's answer is not one of this version of stocktake: {error}"
        ) from error


def _token(file: Path | None) -> str | None:
    if file is not None:
        text = read_private(file, _TOKEN_BYTES_MAX, what="token")
        where = str(file)
        if text is None:
            raise UsageError(f"there is no token in {where}: there is no such file")
        said = text.decode("latin-1").strip()
    else:
        where = str(TOKEN.variable)
        said = (house.settings().token or "").strip()
        if not said:
            return None
    if not said or not said.isascii() or not said.isprintable() or " " in said:
        raise CredentialsError(
            f"what is in {where} is no token",
            hint="`stocktake keys token create` prints one, in one line",
        )
    return said


def _check_unseen(server: str) -> None:
    """Check that the token is not sent unencrypted to another machine: unlike a signature, it can be used by whoever
    sees it.
    """
    parts = urlsplit(server)
    host = parts.hostname or ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if parts.scheme == "http" and not near:
        raise UsageError(
            f"the token would be seen on its way to {host}, which is not encrypted",
            hint="ask by https://, or with a pair of keys, which signs and is not sent",
        )

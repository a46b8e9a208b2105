"""What `stocktake serve` and `stocktake worker` are told, in a TOML file: where to listen, which stores there are, by
which names requests for them arrive, and what each of them bears.

[server]
listen = "127.0.0.1:8170"

[stores.ceph]
endpoint_url = "http://127.0.0.1:7480"
domains = ["s3.example.com"]
requests_per_second = 500
runs_at_a_time = 2
quiet_hours = "08:00-18:00"
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.model.scheduled import LIMIT_KEYS, StoreLimits, parse_store_limits
from stocktake.model.store import Store
from stocktake.service.options import StoreKeywords, make_store

LISTEN = "127.0.0.1:8170"
STORE = "default"  # what the store is called that options describe
FILE_BYTES_MAX = 2**20
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*")
_ACCOUNT = re.compile(r"\d{12}")
_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:]+):(?P<port>\d{1,5})")

# Every key of the file: what it is, of which type, and why.
SERVER_KEYS: Mapping[str, str] = {
    "listen": "the address and port to listen on; 127.0.0.1:8170 by default"
}
SITE_KEYS: Mapping[str, str] = {
    **dict.fromkeys(StoreKeywords.__annotations__, "as the command line's option of that name"),
    "domains": "the host names under which requests for this store arrive, so that bucket.NAME is a bucket of it",
    **LIMIT_KEYS,
    "account": "the 12 digits of the account that owns its buckets, which x-amz-expected-bucket-owner must name",
}


@dataclass(frozen=True, slots=True)
class Site:
    """A store, how requests for it are told, by `domains`, lower-case, and what it bears. `account` is who owns its
    buckets.
    """

    name: str
    store: Store
    domains: tuple[str, ...] = ()
    account: str | None = None
    limits: StoreLimits = field(default_factory=StoreLimits)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the server is told. `sites` is not empty; `port` 0 is any free one."""

    host: str
    port: int
    sites: tuple[Site, ...] = field(default_factory=tuple)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach it."""
        try:
            return not ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host != "localhost"


def server_settings(
    file: Path | None,
    *,
    listen: str | None = None,
    store_name: str | None = None,
    domains: Sequence[str] = (),
    store_words: StoreKeywords | None = None,
) -> ServerSettings:
    """The settings in `file`, or of the one store that the words describe; `listen` comes before the file's.

    Raises:
        UsageError: the file cannot be read, holds an unknown key or a value that makes no sense; or stores are
            described both ways.
    """
    document = {} if file is None else _read(file)
    _check_keys(document, ("server", "stores"), str(file))
    server = _table(document, "server", str(file))
    _check_keys(server, SERVER_KEYS, f"[server] of {file}")
    sites = tuple(
        _site(name, _table(document["stores"], name, str(file)), str(file))
        for name in _table(document, "stores", str(file))
    )
    words = {name: value for name, value in (store_words or {}).items() if value}
    if sites and (words or domains or store_name):
        raise UsageError(
            f"the stores are described in {file}, and by options, too",
            hint="leave the options away, or the stores in the file",
        )
    host, port = _address(str(listen or server.get("listen", LISTEN)))
    if file is not None and not (sites or words or domains or store_name):
        raise UsageError(f"{file} describes no store", hint="expected [stores.NAME]")
    if not sites:
        name = store_name or STORE
        sites = (_site(name, {**words, "domains": list(domains)}, "the command line"),)
    _check_domains(sites)
    return ServerSettings(host, port, sites)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            return tomllib.loads(opened.read(FILE_BYTES_MAX).decode())
    except OSError as error:
        raise UsageError(
            f"the settings {file} cannot be read: {error.strerror or error}"
        ) from error
    except ValueError as error:
        raise UsageError(f"the settings {file} are no TOML: {error}") from error


def _table(document: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"`{name}` in {where} is no table; expected [{name}]")
    return found


def _check_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            meant = f"; did you mean `{near[0]}`?" if near else ""
            raise UsageError(
                f"unknown key `{key}` in {where}{meant}", hint=f"expected {', '.join(names)}"
            )


def _site(name: str, table: Mapping[str, Any], where: str) -> Site:
    place = f"the store `{name}` of {where}"
    _check_keys(table, SITE_KEYS, place)
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` cannot be a store's name; expected 1 to 64 of letters, digits, `.`, `_`, `-`"
        )
    flags = {"no_sign_request", "request_payer", "no_verify_ssl"}
    for key, value in table.items():
        if key in LIMIT_KEYS:
            continue
        wanted: type = list if key == "domains" else bool if key in flags else str
        if not isinstance(value, wanted) and not isinstance(value, Path):
            raise UsageError(f"`{key}` of {place} is `{value}`; expected a {wanted.__name__}")
    domains = tuple(str(domain).lower() for domain in table.get("domains", ()))
    if wrong := next((each for each in domains if _DOMAIN.fullmatch(each) is None), None):
        raise UsageError(
            f"`{wrong}` of {place} is no host name; expected one without port, such as s3.example.com"
        )
    account = table.get("account")
    if account is not None and _ACCOUNT.fullmatch(account) is None:
        raise UsageError(f"`{account}` of {place} is no account; expected 12 digits")
    words: Any = {
        key: value for key, value in table.items() if key in StoreKeywords.__annotations__
    }
    return Site(name, make_store(**words), domains, account, parse_store_limits(table, place))


def _check_domains(sites: Sequence[Site]) -> None:
    seen: dict[str, str] = {}
    for site in sites:
        for domain in site.domains:
            if domain in seen:
                raise UsageError(f"the stores `{seen[domain]}` and `{site.name}` both are {domain}")
            seen[domain] = site.name


def _address(text: str) -> tuple[str, int]:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:  # noqa: PLR2004 - of TCP
        raise UsageError(f"`{text}` is nowhere to listen; expected HOST:PORT, such as {LISTEN}")
    return match["host"].strip("[]"), int(match["port"])

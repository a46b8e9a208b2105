"""What `stocktake serve` and `stocktake worker` are told: where to listen, which stores there are, by which names
requests for them arrive, and what each of them bears. `setting_table.py` has all there is to say.

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

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.model.store_limits import StoreLimits, parse_store_limits
from stocktake.service.options import StoreKeywords, make_store
from stocktake.service.setting_table import BY_KEY
from stocktake.service.settings import Settings, read_settings
from stocktake.store.connection import check_setup

STORE = "default"  # what the store is called that options describe
LISTEN = BY_KEY["server.listen"].default
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*")
_ACCOUNT = re.compile(r"\d{12}")
_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:]+):(?P<port>\d{1,5})")


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
    """The settings in `file`, else in the file that the environment names, or of the one store that the words describe;
    `listen` comes before what they say.

    Raises:
        UsageError: the file cannot be read, holds an unknown key or a value that makes no sense; or stores are
            described both ways.
    """
    settings = read_settings(file=file)
    sites = _sites(settings)
    words = {name: value for name, value in (store_words or {}).items() if value}
    path = None if settings.file is None else settings.file.path
    if sites and (words or domains or store_name):
        raise UsageError(
            f"the stores are described in {path}, and by options, too",
            hint="leave the options away, or the stores in the file",
        )
    host, port = _address(listen or settings.listen)
    if path is not None and not (sites or words or domains or store_name):
        raise UsageError(f"{path} describes no store", hint="expected [stores.NAME]")
    if not sites:
        name = store_name or STORE
        sites = (_site(name, {**words, "domains": list(domains)}, "the command line"),)
    _check_domains(sites)
    return ServerSettings(host, port, sites)


def check_sites(sites: Sequence[Site]) -> None:
    """Check that every store can be asked as it is described: all who serve it would fail by that, again and again.

    Raises:
        UsageError: a store's profile, endpoint, region or CA bundle is none.
    """
    for site in sites:
        try:
            check_setup(site.store)
        except UsageError as error:
            raise UsageError(
                f"the store `{site.name}` cannot be asked: {error.message}", hint=error.hint
            ) from error


def _sites(settings: Settings) -> tuple[Site, ...]:
    said = settings.file
    if said is None:
        return ()
    return tuple(_site(name, table, str(said.path)) for name, table in said.stores.items())


def _site(name: str, table: Mapping[str, Any], where: str) -> Site:
    place = f"the store `{name}` of {where}"
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` cannot be a store's name; expected 1 to 64 of letters, digits, `.`, `_`, `-`"
        )
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
    try:
        store = make_store(**words)
    except UsageError as error:
        raise UsageError(f"{place} cannot be: {error.message}", hint=error.hint) from error
    return Site(name, store, domains, account, parse_store_limits(table, place))


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

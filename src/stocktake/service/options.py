"""What a user asks of stocktake, by name: the words of the command line and of the Python API. Pure.

Each word is declared once here; what the words mean together is `planning.py`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack, cast

from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.errors import UsageError
from stocktake.model.store import Addressing, Store, check_endpoint_url

_Choice = TypeVar("_Choice", bound=StrEnum)


class StoreKeywords(TypedDict, total=False):
    """A store in the AWS CLI's words."""

    endpoint_url: str | None
    profile: str | None
    region: str | None
    addressing_style: str | None  # auto, path or virtual
    no_sign_request: bool
    request_payer: bool
    ca_bundle: str | Path | None
    no_verify_ssl: bool


class RunKeywords(StoreKeywords, total=False):
    """All that can be asked of a run, but for its two addresses. What is absent or None is not said."""

    id: str | None
    format: str | None
    fields: str | Sequence[str] | None
    versions: str | None
    encryption: str | None
    configuration: str | Path | InventoryConfiguration | None
    destination_bucket: str | None
    owner_full_control: bool
    strict: bool
    usage: bool
    destination_endpoint_url: str | None
    destination_profile: str | None
    destination_region: str | None
    destination_addressing_style: str | None
    destination_no_sign_request: bool
    destination_request_payer: bool
    destination_ca_bundle: str | Path | None
    destination_no_verify_ssl: bool
    concurrency: int | None
    processes: int | None
    rate: float | None
    nice: bool
    spool_folder: str | Path | None
    remember: str | Path | None
    no_remember: bool
    revisit: str | None
    remember_for: str | None
    head_budget: int | None
    deadline: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What was asked for. None is not said: the configuration decides, without one the default.

    `destination_store` None means that the report goes to the store the objects are on.
    """

    source: str
    destination: str | None = None
    id: str | None = None
    format: str | None = None
    fields: str | Sequence[str] | None = None
    versions: str | None = None
    encryption: str | None = None
    configuration: Path | InventoryConfiguration | None = None
    store: Store = field(default_factory=Store)
    destination_store: Store | None = None
    destination_bucket: str | None = None
    owner_full_control: bool = False
    concurrency: int | None = None
    processes: int | None = None
    rate: float | None = None
    nice: bool = False
    strict: bool = False
    usage: bool = False
    spool_folder: Path | None = None
    remember: str | None = None
    no_remember: bool = False
    revisit: str | None = None
    remember_for: str | None = None
    head_budget: int | None = None
    deadline: str | None = None


_STORE_WORDS = tuple(StoreKeywords.__annotations__)
_PATHS = ("configuration", "spool_folder")
_TWIN = "destination_"


def make_options(
    source: str, destination: str | Path | None, **keywords: Unpack[RunKeywords]
) -> RunOptions:
    """The options that the words mean.

    Raises:
        UsageError: a store cannot be as described.
    """
    words: dict[str, Any] = dict(keywords)
    store = make_store(**_store_words(words, ""))
    twin = _store_words(words, _TWIN)
    for name in _PATHS:
        if isinstance(words.get(name), str):
            words[name] = Path(words[name])
    if isinstance(words.get("remember"), Path):
        words["remember"] = str(words["remember"])
    return RunOptions(
        source=source,
        destination=None if destination is None else str(destination),
        store=store,
        destination_store=make_store(**twin) if any(twin.values()) else None,
        **words,
    )


def _store_words(words: dict[str, Any], prefix: str) -> StoreKeywords:
    """The words about one store, taken out of `words`."""
    found = {name: words.pop(f"{prefix}{name}", None) for name in _STORE_WORDS}
    return cast(
        "StoreKeywords", {name: value for name, value in found.items() if value is not None}
    )


def make_store(**keywords: Unpack[StoreKeywords]) -> Store:
    """The store that the words describe.

    Raises:
        UsageError: an endpoint that is no URL, or an addressing style nobody knows.
    """
    endpoint_url, ca_bundle = keywords.get("endpoint_url"), keywords.get("ca_bundle")
    if endpoint_url is not None:
        check_endpoint_url(endpoint_url)
    style = keywords.get("addressing_style") or Addressing.AUTO
    return Store(
        endpoint_url=endpoint_url,
        profile=keywords.get("profile"),
        region=keywords.get("region"),
        addressing=choose(Addressing, style, "addressing style"),
        sign_requests=not keywords.get("no_sign_request", False),
        request_payer=keywords.get("request_payer", False),
        ca_bundle=None if ca_bundle is None else str(ca_bundle),
        verify_tls=not keywords.get("no_verify_ssl", False),
    )


def choose(kind: Iterable[_Choice], text: str, what: str) -> _Choice:
    """The member of `kind`, all of an enumeration or some, that is called `text`, in any letter case.

    Raises:
        UsageError: there is none of that name.
    """
    for member in kind:
        if member.value.lower() == text.strip().lower():
            return member
    raise UsageError(
        f"unknown {what} `{text}`; expected {', '.join(member.value for member in kind)}"
    )

"""Whom to tell what became of runs: the targets in the file of settings, which admins alone write."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stocktake.model.errors import UsageError
from stocktake.model.notifications import SECRET_PREFIX, EventKind, Webhook, parse_secret
from stocktake.service.settings import secret_variable
from stocktake.service.settings_file import SettingsFile

WEBHOOKS_MAX = 16  # each has a thread of every worker
SECRET_FILE_BYTES_MAX = 4096
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def read_webhooks(said: SettingsFile | None, stores: Collection[str]) -> tuple[Webhook, ...]:
    """The webhooks in a file of settings, with their secrets; `stores` are all there are.

    Raises:
        UsageError: one cannot be as it is described, or its secret cannot be read.
    """
    tables = said.webhooks if said is not None else {}
    if len(tables) > WEBHOOKS_MAX:
        raise UsageError(f"there are {len(tables)} webhooks; expected {WEBHOOKS_MAX} at most")
    return tuple(_webhook(name, table, stores) for name, table in tables.items())


def _webhook(name: str, table: Mapping[str, Any], stores: Collection[str]) -> Webhook:
    where = f"the webhook `{name}`"
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` cannot be a webhook's name; expected 1 to 64 of letters, digits, `.`, `_`, `-`"
        )
    _check_url(table.get("url", ""), where)
    events = table.get("events", list(EventKind))
    _check_among(events, [str(kind) for kind in EventKind], f"`events` of {where}")
    told_of = table.get("stores")
    _check_among(told_of or (), sorted(stores), f"`stores` of {where}")
    bundle = table.get("ca_bundle")
    if bundle is not None and not bundle.is_file():
        raise UsageError(f"there is no `ca_bundle` {bundle} of {where}", hint="expected a PEM file")
    return Webhook(
        name,
        table["url"],
        _secret(table, where),
        tuple(EventKind(each) for each in events),
        None if told_of is None else tuple(told_of),
        table.get("allow_local", False),
        bundle,
    )


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    # A name and password would be sent in a header that is not signed, and stand in errors.
    if not good or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise UsageError(
            f"`url` of {where} is no target; expected https://HOST/PATH or http://HOST/PATH, without a user name"
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(
            f"`url` of {where} holds what no URL may",
            hint="expected ASCII: a host's other letters as xn--..., those of a path as %XX",
        )


def _check_among(found: Collection[str], known: list[str], what: str) -> None:
    for each in found:
        if each not in known:
            raise UsageError(f"{what} has `{each}`; expected of {', '.join(known)}")


def _secret(table: Mapping[str, Any], where: str) -> bytes:
    file, variable = table.get("secret_file"), table.get("secret_variable")
    if (file is None) == (variable is None):
        raise UsageError(
            f"{where} has {'no secret' if file is None else 'two secrets'}",
            hint="expected `secret_file`, or `secret_variable`, which names a variable",
        )
    for key in ("secret_file", "secret_variable"):
        if _holds_secret(str(table.get(key, ""))):
            raise UsageError(
                f"`{key}` of {where} is the secret itself",
                hint="expected where it lies: the path of a file, or the name of a variable",
            )
    if variable is not None:
        text = secret_variable(variable)
        if text is None:
            raise UsageError(
                f"the variable that `secret_variable` of {where} names is not set",
                hint="expected the name of one that the server's environment has",
            )
        return parse_secret(text, f"the variable {variable}")
    return parse_secret(_read(Path(str(file)), where), str(file))


def _holds_secret(text: str) -> bool:
    """Whether it ends in a secret: paths begin with the folder of the settings."""
    begins = text.find(SECRET_PREFIX)
    try:
        return begins >= 0 and bool(parse_secret(text[begins:], ""))
    except UsageError:
        return False


def _read(file: Path, where: str) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(SECRET_FILE_BYTES_MAX).decode()
    except OSError as error:
        # What is no file may be the secret itself.
        shown = f"{file}: " if os.path.exists(file) else ""  # noqa: PTH110 - takes any text
        raise UsageError(
            f"the secret of {where} cannot be read: {shown}{error.strerror}",
            hint="expected the path of a file as `secret_file`",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the secret of {where} cannot be read: {file} is no text") from error

"""More actions: stores that take start-after for something else than it is, or sort by something else than UTF-8; and
proxies that give what somebody else asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tests.servers.fault_pages import Row
from tests.servers.fault_rules import Action, Exchange

_TOKEN = re.compile(rb"<NextContinuationToken>[^<]*</NextContinuationToken>")


def _start(name: str, change: Callable[[str], str]) -> Action:
    def before(exchange: Exchange) -> None:
        query = dict(exchange.request.query)
        if "start-after" in query:
            query["start-after"] = change(query["start-after"])
            exchange.request = replace(exchange.request, query=query)

    return Action(name, before=before)


def include_start_after() -> Action:
    """The key that start-after names comes too, where it exists."""
    return _start("start included", lambda key: key[:-1] + chr(ord(key[-1]) - 1) + "\U0010fffd")


def start_behind_all() -> Action:
    """A page that begins behind all keys, whatever it was to begin behind."""

    def before(exchange: Exchange) -> None:
        query = {**exchange.request.query, "start-after": "~"}
        exchange.request = replace(exchange.request, query=query)

    return Action("starts behind all", before=before)


def misread_start_after() -> Action:
    """start-after is read as Latin-1, although it is UTF-8."""
    return _start("start misread", lambda key: key.encode().decode("latin-1"))


def utf16_order() -> Action:
    """The rows of a page in the order of UTF-16, in which characters beyond U+FFFF come before U+E000."""

    def arrange(rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: row.key.encode("utf-16-be"))

    def before(exchange: Exchange) -> None:
        exchange.quirks.arrange = arrange

    return Action("order of UTF-16", before=before)


def of_bucket(name: str, *, named: str | None = None) -> Action:
    """The answer is that of the bucket `name`; its Name says so, or is `named`."""

    def before(exchange: Exchange) -> None:
        exchange.request = replace(exchange.request, bucket=name)

    def after(exchange: Exchange) -> None:
        if named is not None:
            old, new = (f"<Name>{each}</Name>".encode() for each in (name, named))
            exchange.answer.body = bytes(exchange.answer.body[:]).replace(old, new)

    return Action(f"of the bucket {name}", before=before, after=after)


def no_tokens() -> Action:
    """A page with more to come names no continuation token, as in the first version of LIST."""

    def after(exchange: Exchange) -> None:
        exchange.answer.body = _TOKEN.sub(b"", bytes(exchange.answer.body[:]))

    return Action("no tokens", after=after)

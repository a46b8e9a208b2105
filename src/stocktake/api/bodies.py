"""The body of a request, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from stocktake.api.failures import RequestError

BODY_BYTES_MAX = 1_000_000
BODY_S_MAX = 20.0

Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]


class GoneError(Exception):
    """Whoever asked is no longer there, and nobody waits for an answer."""


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The whole body.

    Raises:
        RequestError: it is too large, or comes too slowly.
        GoneError: the rest will not come.
    """
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        raise RequestError("MaxMessageLengthExceeded")
    try:
        async with asyncio.timeout(BODY_S_MAX):
            return await _whole(receive)
    except TimeoutError as error:
        raise RequestError("RequestTimeout") from error


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES_MAX:
            raise RequestError("MaxMessageLengthExceeded")
        if not message.get("more_body", False):
            return b"".join(parts)

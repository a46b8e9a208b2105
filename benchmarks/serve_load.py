"""Clients of the service, many at once and cheap: a few lines of asyncio, because what they use the server cannot."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ANSWER_S_MAX = 60
HEAD_BYTES_MAX = 65_536
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed request as it goes over the wire, and the status that answers it."""

    kind: str
    raw: bytes
    status: int


@dataclass(slots=True)
class Observed:
    """What came of requests: how long each took from the moment at which it was due, by kind, and what went wrong."""

    seconds: list[tuple[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def quantile_s(self, share: float, kind: str | None = None) -> float:
        """So many seconds the given share of requests took at most."""
        found = sorted(seconds for name, seconds in self.seconds if kind in (None, name))
        return found[min(len(found) - 1, int(share * len(found)))]


def prepare(
    kind: str,
    method: str,
    url: str,
    key: tuple[str, str],
    *,
    status: int = 200,
    body: bytes = b"",
) -> Prepared:
    """A request signed with `key`, access key and secret; it can be sent for a quarter of an hour."""
    request = AWSRequest(method, url, {"Host": urlsplit(url).netloc}, body)
    S3SigV4Auth(Credentials(*key), "s3", "us-east-1").add_auth(request)
    parts = urlsplit(url)
    lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return Prepared(kind, "\r\n".join([*lines, "", ""]).encode() + body, status)


async def load(
    address: tuple[str, int],
    requests: Sequence[Prepared],
    *,
    clients: int,
    seconds: float,
    every_s: float = 1.0,
) -> Observed:
    """Have so many clients send one request `every_s` each, for so long, each over a connection of its own. A request
    is due whether or not the one before it is answered, and its time counts from then.
    """
    observed = Observed()
    turn = itertools.cycle(random.Random(1).sample(requests, len(requests)))
    begin = asyncio.get_running_loop().time()

    async def client(number: int) -> None:
        first = begin + every_s * number / clients
        reader, writer = await asyncio.open_connection(*address, limit=HEAD_BYTES_MAX)
        for count in range(round(seconds / every_s)):
            due = first + every_s * count
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            asked = next(turn)
            try:
                async with asyncio.timeout(ANSWER_S_MAX):
                    writer.write(asked.raw)
                    told = await _answer(reader, asked.status)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                told = repr(error)
            if told:
                observed.errors.append(f"{datetime.now(UTC):%H:%M:%S} {asked.kind}: {told}")
                writer.close()
                reader, writer = await asyncio.open_connection(*address, limit=HEAD_BYTES_MAX)
            observed.seconds.append((asked.kind, asyncio.get_running_loop().time() - due))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number))
    return observed


async def _answer(reader: asyncio.StreamReader, status: int) -> str:
    """Read an answer; what is wrong with it, if anything."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    found = int(head.split(b" ", 2)[1])
    return "" if found == status else f"status {found}: {body[:300].decode(errors='replace')}"

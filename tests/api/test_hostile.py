"""Hostile requests: whatever is sent, the answer is a refusal or an answer, and never a failure of ours."""

from __future__ import annotations

import random
import socket
from urllib.parse import quote_from_bytes, urlsplit

from tests.api.serving import ADMIN, READER, WRITER, Api, destination, document, signed

REQUESTS = 1000
# Pieces that break readers of XML, URLs, numbers and texts; requests are put together of them.
PIECES = [
    b"", b"\x00", b"\xff\xfe", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"%", b"%00", b"%zz", b"../", b"..\\", b"'", b'"',
    b";--", b"&amp;", b"&#0;", b"&#xD800;", b"&x;", b"<![CDATA[]]>", b"<!--", b"-->", b"<?xml version='1.0'?>", b"]]>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<Id>", b"</Id>", b"<Id/>", b"<a xmlns:x='y' x:z=''/>", b"xmlns=''",
    b"\r\n\r\n", b"-1", b"9" * 400, b"1e308", b"NaN", b"true", b"null", b"{}", b"[]", b"A" * 70_000, b"\x1b[2J",
    "\u202e\ufeff".encode(),
]  # fmt: skip
METHODS = ("GET", "PUT", "DELETE", "GET", "PUT", "DELETE", "HEAD", "POST", "OPTIONS", "PROPFIND")
PATHS = ("//", "/..", "/%2e%2e/x", "/a/", "/a/b", "/\u00c3\u00a9", "/%00", "http://x/", "*")


def spoiled(rng: random.Random, body: bytes) -> bytes:
    """`body` with a few pieces put in, taken out or repeated."""
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        at, upto = sorted((rng.randint(0, len(body)), rng.randint(0, len(body))))
        upto = min(upto, at + rng.randint(0, 40))
        piece = rng.choice([*PIECES, body[at:upto] * 3, bytes(rng.randbytes(5))])
        body = body[:at] + piece + body[upto:]
    return body


def query(rng: random.Random) -> str:
    """A query that mostly asks for inventories."""
    parts = [rng.choice(["inventory", "inventory=", "%69nventory", "inventory=%00"])]
    for name in ("id", "continuation-token", "x-id", "X-Amz-Algorithm", "X-Amz-Expires", "policy"):
        if rng.random() < 0.4:
            value = rng.choice(
                ["report1", "a" * 65, *(quote_from_bytes(piece[:2000]) for piece in PIECES)]
            )
            parts.append(f"{name}={value}")
    rng.shuffle(parts)
    return "&".join(parts)


def headers(rng: random.Random) -> dict[str, str]:
    """A few headers, most of them odd."""
    names = ["Content-MD5", "x-amz-expected-bucket-owner", "x-amz-meta-a", "Date", "Range", "Expect",
             "X-Forwarded-Host", "x-amz-security-token", "x-amz-content-sha256", "Accept-Encoding"]  # fmt: skip
    chosen = rng.sample(names, rng.randint(0, 3))
    values = [
        "",
        "x" * 500,
        "é",
        "*",
        "bytes=0-",
        "111122223333",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "gzip",
    ]
    return {name: rng.choice(values) for name in chosen}


def exchange(api: Api, method: str, target: str, said: dict[str, str], body: bytes) -> int:
    """Send it as raw bytes, as no library would, and return the status; 0 where the connection just ends."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    length = f"Content-Length: {len(body)}\r\nConnection: close\r\n"
    head = f"{method} {target} HTTP/1.1\r\n{lines}{length}\r\n".encode("latin-1", "replace")
    with socket.create_connection(api.address, timeout=30) as line:
        try:
            line.sendall(head + body)
            answer = line.makefile("rb").readline()
        except ConnectionError:
            return 0
    return int(answer.split()[1]) if answer else 0


def test_a_thousand_hostile_requests_and_no_failure(api: Api, bucket: str) -> None:
    rng = random.Random(20261126)
    whole = document(
        OptionalFields="<OptionalFields><Field>Size</Field></OptionalFields>",
        Filter="<Filter><Prefix>a</Prefix></Filter>",
        Destination=destination(more="<Encryption><SSE-S3/></Encryption>"),
    )
    seen: dict[int, int] = {}
    for number in range(REQUESTS):
        method, target = rng.choice(METHODS), f"/{bucket}?inventory&id=report1"
        body = spoiled(rng, whole) if rng.random() < 0.8 else b""
        said = {"Host": urlsplit(api.endpoint_url).netloc}
        if rng.random() < 0.7:  # else it is the document alone that is hostile
            target = f"{rng.choice([f'/{bucket}', f'/{bucket}', *PATHS])}?{query(rng)}"
            said |= headers(rng)
        else:
            method = "PUT"
        key = rng.choice([ADMIN, ADMIN, ADMIN, WRITER, READER, None])
        if key is not None:
            said = signed(method, target, body, said, key)
        if rng.random() < 0.1:
            name = rng.choice([*said])
            said[name] = rng.choice(["", "x", said[name] * 2, said[name][:-1]])
        status = exchange(api, method, target, said, body)
        assert status < 500, (number, method, target, said, body)
        seen[status] = seen.get(status, 0) + 1
    # It went deep: many were known, and some documents were well.
    assert seen.get(204, 0) > 20, seen
    assert seen.get(400, 0) > 200, seen
    assert seen.get(403, 0) > 50, seen
    api.worker_beats()
    assert api.ask("GET", "/readyz", key=None).status == 200
    assert api.ask("GET", f"/{bucket}?inventory").status == 200

"""However a request about inventories is put on the wire, nginx gives it to no store while stocktake is down.

Each is sent byte by byte, to the shipped file; the bucket is everybody's, so that no signature keeps it from going.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.api.front import ANSWER_S_MAX, Front
from tests.api.test_nginx_spellings import STORES, everybodys

BODY = "<InventoryConfiguration/>"
CHUNKED = f"Transfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
WITH_BODY = f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
# `@` stands for the bucket, `host` for nginx's own name.
FORMS = {
    "as it is": "DELETE /@?inventory&id=a HTTP/1.1\r\nHost: host\r\n\r\n",
    "with a value": "DELETE /@?inventory=&id=a HTTP/1.1\r\nHost: host\r\n\r\n",
    "behind others": "DELETE /@?x-id=DeleteBucket&id=a&inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "encoded": "DELETE /@?%69nventor%79 HTTP/1.1\r\nHost: host\r\n\r\n",
    "with a slash": "DELETE /@/?inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "with two": "DELETE //@?inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "round about": "DELETE /x/../@?inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "the oldest": "DELETE /@?inventory\r\n",
    "old": "DELETE /@?inventory HTTP/1.0\r\n\r\n",
    "old, with a host": "DELETE /@?inventory HTTP/1.0\r\nHost: host\r\nConnection: keep-alive\r\n\r\n",
    "absolute": "DELETE http://host/@?inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "absolute, of another": "DELETE http://other/@?inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "in the name of the host": "DELETE /?inventory HTTP/1.1\r\nHost: @.s3.example.com\r\n\r\n",
    "of no host that is known": "DELETE /@?inventory HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    "with a body": f"DELETE /@?inventory HTTP/1.1\r\nHost: host\r\n{WITH_BODY}",
    "in chunks": f"DELETE /@?inventory HTTP/1.1\r\nHost: host\r\n{CHUNKED}",
    "with both lengths": f"DELETE /@?inventory HTTP/1.1\r\nHost: host\r\nContent-Length: 3\r\n{CHUNKED}",
    "expecting": f"DELETE /@?inventory HTTP/1.1\r\nHost: host\r\nExpect: 100-continue\r\n{WITH_BODY}",
    "upgrading": "DELETE /@?inventory HTTP/1.1\r\nHost: host\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "overridden": f"POST /@?inventory HTTP/1.1\r\nHost: host\r\nX-HTTP-Method-Override: DELETE\r\n{WITH_BODY}",
    "rewritten": "DELETE /@?inventory HTTP/1.1\r\nHost: host\r\nX-Original-URL: /@\r\nX-Rewrite-URL: /@\r\n\r\n",
    "behind another": "GET /healthz?a HTTP/1.1\r\nHost: host\r\n\r\nDELETE /@?inventory HTTP/1.1\r\nHost: host\r\n\r\n",
    "with line feeds alone": "DELETE /@?inventory HTTP/1.1\nHost: host\n\n",
    **{
        f"as {method}": f"{method} /@?inventory&id=a HTTP/1.1\r\nHost: host\r\nContent-Length: 0\r\n\r\n"
        for method in ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "GET", "delete", "Delete")
    },
}
BEHIND = "behind another"


def answers(url: str, said: bytes, count: int) -> list[int]:
    """The statuses of so many answers to what is sent, or of fewer where the other side closes before."""
    parts = urlsplit(url)
    assert parts.hostname
    found = b""
    with socket.create_connection((parts.hostname, parts.port or 80), ANSWER_S_MAX) as line:
        line.sendall(said)
        while len(final(found)) < count and (more := line.recv(65536)):
            found += more
    return final(found)


def final(found: bytes) -> list[int]:
    """The statuses in what came, but those that more is to follow; the oldest protocol has no such line."""
    if not found.startswith(b"HTTP/"):
        return [int(each) for each in re.findall(rb"<title>(\d{3}) ", found)]
    lines = re.findall(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n", found)
    return [int(each) for each in lines if not each.startswith(b"1")]


@pytest.mark.server
@pytest.mark.parametrize("front", STORES, indirect=True)
def test_in_no_form_it_reaches_the_store_while_the_service_is_down(
    front: Front, buckets: Callable[..., str]
) -> None:
    bucket = buckets("form")
    everybodys(front.behind, bucket)
    front.stop_service()
    host = urlsplit(front.server.endpoint_url).netloc
    for name, form in FORMS.items():
        said = form.replace("@", bucket).replace("host/", f"{host}/").replace(": host", f": {host}")
        found = answers(front.server.endpoint_url, said.encode(), 1 + (name == BEHIND))
        assert found, name
        assert found[-1] in (400, 405, 411, 501, 502), (name, found)
        assert len(found) == 1 + (name == BEHIND), (name, found)
    front.behind.client().head_bucket(Bucket=bucket)
    # It is there because nothing came through, not because nobody may delete it.
    status, _ = front.knock("DELETE", f"/{bucket}?inventory", at=front.behind.endpoint_url)
    assert status == 204
    with pytest.raises(ClientError, match="404"):
        front.behind.client().head_bucket(Bucket=bucket)

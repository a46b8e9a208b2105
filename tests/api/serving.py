"""What tests of the API share: a service that runs in a thread, and requests signed by botocore, sent as they stand."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

import boto3
import pytest
from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from lxml import etree

from stocktake.api.server import Room, listening_socket, serve
from stocktake.model.access import AccessKey, Grant, Role
from stocktake.service import house
from stocktake.service.access_keys import add_keys
from stocktake.service.server_settings import Site
from stocktake.service.serving import opened_service
from stocktake.service.settings import read_settings
from stocktake.state.ledger import Ledger
from tests.servers.server import REGION

ADMIN = AccessKey("ADMINKEY", Grant(Role.ADMIN, ("*",)), "admin", "admin-secret+/=")
WRITER = AccessKey("WRITERKEY", Grant(Role.WRITER, ("team-*",), ("Size", "ETag")), "w", "w-secret")
READER = AccessKey("READERKEY", Grant(Role.READER, ("*",)), "r", "r-secret")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        root = etree.fromstring(self.body)
        assert root.tag == "Error"
        assert root.findtext("RequestId") == self.headers["x-amz-request-id"]
        assert self.headers["content-type"] == "application/xml"
        return self.status, root.findtext("Code") or "", root.findtext("Message") or ""


@dataclass(slots=True)
class Api:
    """A running service."""

    endpoint_url: str
    state_folder: Path
    keys_file: Path

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        parts = urlsplit(self.endpoint_url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def client(self, key: AccessKey = ADMIN, **config: Any) -> Any:
        """A boto3 client, path style, that tries once."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            region_name=REGION,
            config=Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **config
            ),
        )

    def worker_beats(self) -> None:
        """Have a worker be there, for a minute."""
        with Ledger.open(self.state_folder, now=house.now) as ledger:
            ledger.workers.beat("w", "host", 4711, "9.9")

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: AccessKey | None = ADMIN,
        headers: Mapping[str, str] | None = None,
        late: Mapping[str, str] | None = None,
        moment: datetime | None = None,
        sent: bytes | None = None,
    ) -> Answer:
        """Sign a request, with `headers`, and send it; `late` headers and the body `sent` come in after signing."""
        said = {"Host": urlsplit(self.endpoint_url).netloc} | dict(headers or {})
        if key is not None:
            said = signed(method, target, body, said, key, moment=moment)
        return self.send(method, target, body if sent is None else sent, said | dict(late or {}))

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request as it stands."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body and not {"content-length", "transfer-encoding"} & {
                each.lower() for each in headers
            }:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


def signed(
    method: str,
    target: str,
    body: bytes,
    headers: Mapping[str, str],
    key: AccessKey,
    *,
    moment: datetime | None = None,
) -> dict[str, str]:
    """`headers`, and those that sign the request as of `moment`."""
    url = f"http://{headers['Host']}{canonical(target)}"
    request = AWSRequest(method, url, dict(headers), body)
    signer = S3SigV4Auth(Credentials(key.access_key, key.secret_key), "s3", REGION)
    _sign(signer, request, moment)
    return dict(request.headers.items())


def canonical(target: str) -> str:
    """Path and query as AWS says they are to be signed, however they are sent."""
    path, _, query = target.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    said = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, _, value in pairs)
    return f"{_encoded(path, safe='/')}?{said}"


def _encoded(text: str, safe: str = "") -> str:
    return quote(unquote_to_bytes(text), safe=f"{safe}-_.~")


def presigned(
    url: str, method: str, key: AccessKey, *, moment: datetime | None = None, expires: int = 60
) -> str:
    """Path and query of a presigned URL."""
    request = AWSRequest(method, url)
    signer = S3SigV4QueryAuth(Credentials(key.access_key, key.secret_key), "s3", REGION, expires)
    _sign(signer, request, moment)
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


def _sign(signer: Any, request: AWSRequest, moment: datetime | None) -> None:
    request.context["timestamp"] = (moment or datetime.now(UTC)).strftime(SIGV4_TIMESTAMP)
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))


@contextmanager
def running_api(
    folder: Path,
    sites: tuple[Site, ...],
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    room: Room | None = None,
) -> Iterator[Api]:
    """A service for `sites`, in a thread, with a ledger and the keys of this module in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOCKTAKE_STATE_FOLDER", str(folder))
        keys_file = read_settings().keys_file
        add_keys(keys_file, (ADMIN, WRITER, READER))
        ending = threading.Event()
        with opened_service(sites) as service, listening_socket(host, port) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            thread = threading.Thread(target=serve, args=(service, listener, ending.is_set, room))
            thread.start()
            try:
                yield Api(url, folder, keys_file)
            finally:
                ending.set()
                thread.join(timeout=30)
                assert not thread.is_alive()


def document(name: str = "report1", **more: str) -> bytes:
    """A configuration as XML; each of `more` replaces the element of that name, or follows the others."""
    parts = {
        "Id": f"<Id>{name}</Id>",
        "IsEnabled": "<IsEnabled>true</IsEnabled>",
        "Destination": destination(),
        "Schedule": "<Schedule><Frequency>Daily</Frequency></Schedule>",
        "IncludedObjectVersions": "<IncludedObjectVersions>Current</IncludedObjectVersions>",
    } | more
    inside = "".join(parts.values())
    return f'<InventoryConfiguration xmlns="{NAMESPACE}">{inside}</InventoryConfiguration>'.encode()


def destination(arn: str = "arn:aws:s3:::dest", *, form: str = "CSV", more: str = "") -> str:
    """A destination as XML."""
    inside = f"<Bucket>{arn}</Bucket><Format>{form}</Format>{more}"
    return f"<Destination><S3BucketDestination>{inside}</S3BucketDestination></Destination>"

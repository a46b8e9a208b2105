"""The JSON API of a stocktake server, asked with the user's own keys, or a token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from stocktake.model.errors import CredentialsError, ServerError
from stocktake.store.connection import USER_AGENT, Connection
from stocktake.store.failures import from_botocore, from_problem

TIMEOUT_S = 60
_ROOT = "/api/v1"


class ServerApi:
    """The API of the server that the connection's endpoint is. `token` is who asks; without one the connection's
    credentials are. Not for several threads at once.
    """

    def __init__(self, connection: Connection, token: str | None = None) -> None:
        self._connection = connection
        self._token = token
        self._url = (connection.store.endpoint_url or "").rstrip("/")
        self._session = URLLib3Session(
            verify=connection.verify,  # type: ignore[arg-type]  # a path, too
            proxies=get_environ_proxies(self._url),
            timeout=TIMEOUT_S,
        )

    def ask(
        self,
        method: str,
        *path: str,
        query: Sequence[tuple[str, str]] = (),
        document: str | None = None,
    ) -> Any:
        """What the server answers to a request: a JSON value, None where there is nothing to say.

        Raises:
            StoreError: it cannot be reached, or refuses; `code` is S3's.
        """
        where = "/".join(quote(part, safe="") for part in path)
        said = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
        url = f"{self._url}{_ROOT}/{where}{f'?{said}' if said else ''}"
        what = f"{self._url} refuses" if self._url else "the server refuses"
        request = AWSRequest(method, url, {"User-Agent": USER_AGENT}, (document or "").encode())
        self._identify(request)
        try:
            answer = self._session.send(request.prepare())
        except BotoCoreError as error:
            raise from_botocore(error, f"cannot reach {self._url}") from error
        return _read(answer.status_code, answer.content, what)

    def _identify(self, request: AWSRequest) -> None:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
            return
        credentials = self._connection.credentials()
        if credentials is None:
            raise CredentialsError("the server answers signed requests alone")
        signer = ReadOnlyCredentials(
            credentials.access_key, credentials.secret_key, credentials.token or None
        )
        S3SigV4Auth(signer, "s3", self._connection.region).add_auth(request)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(status: int, body: bytes, what: str) -> Any:
    if not body:
        return None
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"{what}: it is no stocktake server, as its answer is no JSON") from error
    if status >= 400:  # noqa: PLR2004 - of HTTP
        raise from_problem(what, status, said)
    return said

"""Our own API is for the same senders as AWS's, and for tokens: a request says who sends it, and is read only then."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from stocktake.api.answered import log_answer
from stocktake.api.bodies import GoneError, read_body
from stocktake.api.problems import problem_of
from stocktake.api.requests import received
from stocktake.model.errors import InventoryError
from stocktake.service.access import Sender, authenticate_script, check_body
from stocktake.service.serving import Service

OPEN = "/openapi.json"  # the one document for everybody
REQUEST_ID = b"x-request-id"


class Guard:
    """An ASGI application before another: it lets through requests of senders that the service knows, with
    `state.grant` saying what they may do and `state.sender` who they are.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] != "http" or scope["path"] == scope.get("root_path", "") + OPEN:
            await self._app(scope, receive, send)
            return
        request_id, who = secrets.token_hex(8).upper(), "-"

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                log_answer(request_id, scope, message["status"], who)
                headers = [*message.get("headers", ()), (REQUEST_ID, request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            sender, body = await self._known(scope, receive)
        except GoneError:
            return
        except InventoryError as error:
            await problem_of(error)(scope, receive, answer)
            return
        who = sender.key.access_key
        scope.setdefault("state", {}).update(grant=sender.key.grant, sender=who)
        await self._app(scope, _again(body, receive), answer)

    async def _known(self, scope: Scope, receive: Receive) -> tuple[Sender, bytes]:
        request, service = received(scope), self._service
        sender = authenticate_script(request, service.keys(), service.tokens, service.now())
        body = await read_body(receive, request.headers)
        check_body(sender, body, request.headers.get("content-md5"))
        return sender, body


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives the body, which was read, once more, and then whatever is still to come: that somebody is gone."""
    whole = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return whole.pop() if whole else await receive()

    return again

"""Our own API is for the same senders as AWS's: requests are signed, and read when they are."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from stocktake.api.bodies import GoneError, read_body
from stocktake.api.problems import problem_of
from stocktake.api.requests import received
from stocktake.model.errors import InventoryError
from stocktake.service.access import authenticate, check_body
from stocktake.service.serving import Service

OPEN = "/openapi.json"  # the one document for everybody


class Guard:
    """An ASGI application before another: it lets signed requests through, with `state.grant` saying what they may."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] != "http" or scope["path"].endswith(OPEN):
            await self._app(scope, receive, send)
            return
        try:
            request = received(scope)
            sender = authenticate(request, self._service.keys(), self._service.now())
            body = await read_body(receive, request.headers)
            check_body(sender, body, request.headers.get("content-md5"))
        except GoneError:
            return
        except InventoryError as error:
            await problem_of(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["grant"] = sender.key.grant

        async def again() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

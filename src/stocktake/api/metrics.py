"""Metrics: who may read them, and what is counted of each answer."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from fastapi import Request
from fastapi.responses import Response

from stocktake.api.bodies import Message, Send
from stocktake.api.problems import problem
from stocktake.service.serving import Service

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
INVENTORIES, INVENTORY = "/{bucket}?inventory", "/{bucket}?inventory&id"
_SCHEME = "bearer"


async def answer_metrics(service: Service, request: Request, *, public: bool) -> Response:
    """The metrics, for whoever has the token; without one, for this machine alone, if no other can ask."""
    token = service.metrics_token
    if token is None and public:
        return problem(
            HTTPStatus.FORBIDDEN,
            "AccessDenied",
            "others than this machine can ask, so metrics need a token",
            hint="the setting server.metrics_token, or STOCKTAKE_METRICS_TOKEN, says which",
        )
    if token is not None and not _has(request, token):
        refused = problem(
            HTTPStatus.UNAUTHORIZED, "AccessDenied", "metrics are for who has the token"
        )
        refused.headers["www-authenticate"] = "Bearer"
        return refused
    return Response(await to_thread.run_sync(service.telemetry.text), media_type=MEDIA_TYPE)


def _has(request: Request, token: str) -> bool:
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    # Compared as bytes: a header may hold any.
    same = hmac.compare_digest(said.strip().encode("utf-8", "replace"), token.encode())
    return scheme.lower() == _SCHEME and same


class Counting:
    """What is noted of one request: its answer is sent through `send`."""

    def __init__(self, service: Service, scope: Message, send: Send, *, inventory: bool) -> None:
        self._service = service
        self._scope = scope
        self._send = send
        self._inventory = inventory
        self._begun_s = service.monotonic()
        self._status, self._seconds = 0, 0.0

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._seconds = self._service.monotonic() - self._begun_s
        await self._send(message)

    def end(self) -> None:
        """Count the answer; whoever was gone before there was one is not counted."""
        if self._status:
            method = self._scope["method"]
            self._service.telemetry.answered(
                self._route(),
                method if method in METHODS else OTHER,
                self._status,
                self._seconds,
            )

    def _route(self) -> str:
        """The route as it is described, without what stands in its places: there are few."""
        if self._inventory:
            query: bytes = self._scope["query_string"]
            return INVENTORY if b"id=" in query.replace(b"x-id=", b"") else INVENTORIES
        path = getattr(self._scope.get("route"), "path", None)
        return OTHER if path is None else f"{self._scope.get('root_path', '')}{path}"

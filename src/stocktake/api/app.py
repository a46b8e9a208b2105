"""The application: what is about inventory configurations goes to AWS's API, the rest to our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from stocktake import __version__
from stocktake.api.bodies import Message, Receive, Send
from stocktake.api.inventory import answer_inventory
from stocktake.api.metrics import Counting, answer_metrics
from stocktake.api.problems import problem
from stocktake.api.requests import is_about_inventory
from stocktake.api.v1 import make_v1
from stocktake.model.errors import InventoryError
from stocktake.service.serving import Service


def make_app(
    service: Service, *, public: bool, stopping: Callable[[], bool]
) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """The ASGI application for `service`, which others than this machine can ask where it is `public`. A bucket may be
    called `healthz`, so the query decides first. Streams of events end once `stopping` says so.
    """
    own = _own(service, public=public, stopping=stopping)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await own(scope, receive, send)  # type: ignore[arg-type]  # scopes are dicts
            return
        inventory = is_about_inventory(scope)
        counting = Counting(service, scope, send, inventory=inventory)
        try:
            if inventory:
                await answer_inventory(service, scope, receive, counting.send)
            else:
                await own(scope, receive, counting.send)  # type: ignore[arg-type]
        finally:
            counting.end()

    return app


def _own(service: Service, *, public: bool, stopping: Callable[[], bool]) -> FastAPI:
    api = FastAPI(
        title="stocktake", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    api.add_exception_handler(HTTPException, _problem)

    @api.get("/healthz")
    async def healthz() -> Any:
        """Whether the server answers."""
        return PlainTextResponse("ok\n")

    @api.get("/readyz")
    async def readyz() -> Any:
        """Whether it can do its work: the ledger is read, the keys are, and a worker is there."""
        try:
            await to_thread.run_sync(service.check)
        except InventoryError as error:
            return problem(503, "ServiceUnavailable", error.message)
        return PlainTextResponse("ready\n")

    @api.get("/metrics")
    async def metrics(request: Request) -> Response:
        """What Prometheus asks for."""
        return await answer_metrics(service, request, public=public)

    api.mount("/api/v1", make_v1(service, stopping))
    return api


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:  # noqa: PLR2004
        detail = "there is nothing here; of S3, only requests with ?inventory are answered"
    return problem(error.status_code, "NoSuchResource", detail)

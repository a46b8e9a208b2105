"""Our own API about scheduled runs: which there are, when the next are due, run now, cancel, retry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, FastAPI, Header, Query, Request, Response

from stocktake.api.events import MEDIA_TYPE, RunEvents, Streams, is_over
from stocktake.api.v1_parts import (
    LIMIT,
    Bucket,
    Identity,
    Limit,
    Part,
    Run,
    StoreName,
    Token,
    grant_of,
    key_maker,
)
from stocktake.model.run_documents import RunDocument, UpcomingDocument
from stocktake.model.scheduled import RunFilter, ScheduledState
from stocktake.service.commands import scheduled as commands
from stocktake.service.serving import Service

_Name = Annotated[str | None, Query(max_length=255)]
_States = Annotated[
    list[ScheduledState] | None,
    Query(alias="state", max_length=len(ScheduledState), description="runs in one of these"),
]


def _configurations(
    store: _Name = None, bucket: _Name = None, identity: Annotated[_Name, Query(alias="id")] = None
) -> RunFilter:
    return RunFilter(store, bucket, identity)


_Wanted = Annotated[RunFilter, Depends(_configurations)]


_EVENT = {name: {"type": "string"} for name in ("event", "id", "data")}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "events `progress`, and `end` for the last; the data of each is the run",
        "content": {MEDIA_TYPE: {"schema": {"type": "object", "properties": _EVENT}}},
    },
    204: {"description": "the run is over, and its last event was had"},
}


class RunPage(Part):
    """Scheduled runs, the newest first. `next_token` asks for those behind; absent for the last page. A page may be
    short, and not the last.
    """

    runs: list[RunDocument]
    next_token: str | None = None


class UpcomingPage(Part):
    """When configurations run next, ascending by store, bucket and Id."""

    upcoming: list[UpcomingDocument]
    next_token: str | None = None


def add_runs(api: FastAPI, service: Service) -> None:
    """Have `api` answer about runs."""
    schedule, key = service.schedule, key_maker(service)

    @api.get("/runs")
    def list_runs(
        request: Request,
        wanted: _Wanted,
        states: _States = None,
        token: Token = None,
        limit: Limit = LIMIT,
    ) -> RunPage:
        """List a page of the scheduled runs, all or those of a store, a bucket, a configuration, in some states."""
        wanted = replace(wanted, states=tuple(states or ()))
        page = commands.list_runs(schedule, grant_of(request), wanted, token=token, rows_max=limit)
        runs = [RunDocument.of(run) for run in page.rows]
        return RunPage(runs=runs, next_token=page.next_token)

    @api.get("/upcoming")
    def list_upcoming(
        request: Request, wanted: _Wanted, token: Token = None, limit: Limit = LIMIT
    ) -> UpcomingPage:
        """List when the enabled configurations run next."""
        page = commands.list_upcoming(
            schedule, grant_of(request), wanted, token=token, rows_max=limit
        )
        upcoming = [
            UpcomingDocument(
                store=each.key.store, bucket=each.key.bucket, id=each.key.id, due=each.due
            )
            for each in page.rows
        ]
        return UpcomingPage(upcoming=upcoming, next_token=page.next_token)

    @api.get("/runs/{run}")
    def get_run(request: Request, run: Run) -> RunDocument:
        """Read a run."""
        return RunDocument.of(commands.get_run(schedule, grant_of(request), run))

    @api.post("/configurations/{store}/{bucket}/{id}/runs", status_code=201)
    def run_now(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> RunDocument:
        """Have a configuration run as soon as a worker is free."""
        place = key(store, bucket, identity)
        return RunDocument.of(commands.run_now(schedule, grant_of(request), place))

    @api.post("/runs/{run}/cancel")
    def cancel_run(request: Request, run: Run) -> RunDocument:
        """Cancel a run: writers what somebody asked for, admins the schedule's own, too."""
        return RunDocument.of(commands.cancel_run(schedule, grant_of(request), run))

    @api.post("/runs/{run}/retry")
    def retry_run(request: Request, run: Run) -> RunDocument:
        """Have a run that failed be tried again at once."""
        return RunDocument.of(commands.retry_run(schedule, grant_of(request), run))


def add_events(api: FastAPI, service: Service, stopping: Callable[[], bool]) -> None:
    """Have `api` tell how far runs are, until `stopping`."""
    streams = Streams(stopping)

    @api.get("/runs/{run}/events", response_class=Response, responses=_STREAM)
    async def follow_run(
        request: Request,
        run: Run,
        last: Annotated[
            str | None, Header(alias="last-event-id", max_length=64, description="the id of it")
        ] = None,
    ) -> Response:
        """Follow a run: an event whenever it is further, until it is over. Answers 204 to who has had the last one."""
        grant, sender = grant_of(request), request.state.sender

        def look() -> RunDocument:
            return RunDocument.of(commands.get_run(service.schedule, grant, run))

        if is_over(await to_thread.run_sync(look), last):
            return Response(status_code=204)
        return RunEvents(look, streams, sender=sender, last=last)

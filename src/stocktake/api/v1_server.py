"""Our own API about the server: its stores and their buckets, its workers and settings, the tokens of scripts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response

from stocktake.api.v1_parts import (
    LIMIT,
    Limit,
    Part,
    StoreName,
    Token,
    grant_of,
    key_maker,
)
from stocktake.model.access import Role
from stocktake.model.run_documents import WorkerDocument
from stocktake.service.commands import server as commands
from stocktake.service.serving import Service

Every = Annotated[
    bool, Query(description="all that the store lists for the service's own credentials")
]


class KnownStore(Part):
    """A store that is served, and the host names under which requests for it come. `endpoint_url` and `limits`, what it
    is to bear, are told to admins of the whole server.
    """

    name: str
    domains: list[str]
    endpoint_url: str | None = None
    limits: dict[str, Any] | None = None


class KnownStores(Part):
    """The stores that are served."""

    stores: list[KnownStore]


class KnownBucket(Part):
    """A bucket, and how many configurations it has."""

    name: str
    configurations: int


class BucketPage(Part):
    """Buckets, ascending by name."""

    buckets: list[KnownBucket]
    next_token: str | None = None


class KnownToken(Part):
    """A token of a script, but for what it is."""

    id: str
    name: str
    role: Role
    buckets: list[str]
    fields: list[str] | None
    created: datetime
    expires: datetime


class KnownTokens(Part):
    """The tokens, the newest first."""

    tokens: list[KnownToken]


class WorkerList(Part):
    """The workers that have not ended, those heard of last first; a thousand at most."""

    workers: list[WorkerDocument]


class KnownSetting(Part):
    """A setting as it holds; a secret is masked. `origin` says who says so."""

    key: str
    value: Any
    origin: str
    meaning: str


class KnownSettings(Part):
    """All settings."""

    settings: list[KnownSetting]


def add_server(api: FastAPI, service: Service) -> None:
    """Have `api` answer about the server."""
    key = key_maker(service)

    @api.get("/stores", response_model_exclude_none=True)
    def list_stores(request: Request) -> KnownStores:
        """List the stores that are served."""
        told = commands.list_stores(service.sites, grant_of(request))
        return KnownStores(stores=[KnownStore(**each) for each in told])

    @api.get("/stores/{store}/buckets")
    def list_buckets(
        request: Request,
        store: StoreName,
        *,
        every: Every = False,
        token: Token = None,
        limit: Limit = LIMIT,
    ) -> BucketPage:
        """List the buckets that have configurations, of those that the key covers; with `every`, those that the store
        has beside them, too.
        """
        name = key(store, "any", "").store
        there = service.bucket_names(name) if every else ()
        page = commands.list_buckets(
            service.desk.kept, grant_of(request), name, there=there, token=token, rows_max=limit
        )
        buckets = [KnownBucket(name=bucket, configurations=count) for bucket, count in page.rows]
        return BucketPage(buckets=buckets, next_token=page.next_token)

    @api.get("/workers")
    def list_workers(request: Request) -> WorkerList:
        """List the workers, wherever they are, with a run or without; for admins of the whole server."""
        found = commands.list_workers(service.workers, grant_of(request))
        return WorkerList(workers=[WorkerDocument.of(each) for each in found])

    @api.get("/settings")
    def list_settings(request: Request) -> KnownSettings:
        """List the server's settings, without secrets; for admins of the whole server."""
        found = commands.list_settings(grant_of(request), service.settings_file)
        told = [
            KnownSetting(
                key=each.key, value=each.value, origin=each.origin, meaning=each.setting.meaning
            )
            for each in found
        ]
        return KnownSettings(settings=told)

    @api.get("/tokens")
    def list_tokens(request: Request) -> KnownTokens:
        """List the tokens of scripts; for admins of the whole server."""
        found = commands.list_tokens(service.tokens.path, grant_of(request))
        told = [KnownToken.model_validate(each.model_dump(exclude={"sha256"})) for each in found]
        return KnownTokens(tokens=told)

    @api.delete("/tokens/{token}", status_code=204)
    def revoke_token(
        request: Request, token: Annotated[str, Path(description="the token's Id")]
    ) -> Response:
        """End a token; for admins of the whole server. New ones are made on its machine alone."""
        commands.revoke_token(service.tokens.path, grant_of(request), token)
        return Response(status_code=204)

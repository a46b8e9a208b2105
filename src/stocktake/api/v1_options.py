"""Our own API about the options beside a configuration: what AWS's document cannot say."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request

from stocktake.api.v1_parts import Bucket, Identity, StoreName, grant_of, key_maker
from stocktake.model.report_options import ReportOptions
from stocktake.service.commands import options as commands
from stocktake.service.serving import Service

_SCHEMA = {"schema": {"$ref": "#/components/schemas/ReportOptions"}}
_DOCUMENT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": _SCHEMA}}
}
# https://www.rfc-editor.org/rfc/rfc7396
_CHANGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/merge-patch+json": {"schema": {"type": "object"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


def add_options(api: FastAPI, service: Service) -> None:
    """Have `api` answer about options."""
    path, key = "/configurations/{store}/{bucket}/{id}/options", key_maker(service)

    @api.get(path)
    def get_options(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> ReportOptions:
        """Read the options beside a configuration, with those that nobody has said as they are then."""
        place = key(store, bucket, identity)
        return commands.get_options(service.desk.kept, grant_of(request), place)

    @api.put(path, openapi_extra=_DOCUMENT)
    async def put_options(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> ReportOptions:
        """Put all options beside a configuration, in place of those that are there. Admins alone change whither its
        reports go: `destination_store`, `owner_full_control`.
        """
        place, body = key(store, bucket, identity), await request.body()
        return await to_thread.run_sync(
            commands.put_options, service.desk.kept, grant_of(request), place, body
        )

    @api.patch(path, openapi_extra=_CHANGE)
    async def change_options(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> ReportOptions:
        """Change the options beside a configuration that are named; null takes one back. Admins alone change whither
        its reports go.
        """
        place = key(store, bucket, identity)
        change = commands.read_object(await request.body(), place.id)
        return await to_thread.run_sync(
            commands.change_options, service.desk.kept, grant_of(request), place, change
        )

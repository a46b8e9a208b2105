"""Our own API, JSON: the same configurations by the same use cases, with what AWS's document does not show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from stocktake import __version__
from stocktake.api.guard import OPEN, Guard
from stocktake.api.problems import problem, problem_of
from stocktake.api.v1_options import add_options
from stocktake.api.v1_parts import (
    REFUSALS,
    Bucket,
    Identity,
    StoreName,
    Token,
    grant_of,
    key_maker,
)
from stocktake.api.v1_reports import add_reports
from stocktake.api.v1_runs import add_events, add_runs
from stocktake.api.v1_server import add_server
from stocktake.model.checks import CheckResult, StoredCheck
from stocktake.model.configuration import InventoryConfiguration, parse_put_json
from stocktake.model.errors import InventoryError
from stocktake.model.report_options import ReportOptions
from stocktake.model.stored import StoredConfiguration, Suspension
from stocktake.service.commands import configurations as commands
from stocktake.service.serving import Service


class KeptCheck(CheckResult):
    """What trying a configuration out has shown, and when."""

    checked: datetime


class KeptSuspension(BaseModel):
    """That a configuration runs no more until it is put again."""

    since: datetime
    reason: str


class KeptConfiguration(BaseModel):
    """A configuration as it was put last. A greater version was put later. `options` are those beside it; `check` is
    absent until it was tried out, `suspended` as long as it has runs.
    """

    store: str
    bucket: str
    id: str
    created: datetime
    changed: datetime
    version: int
    configuration: InventoryConfiguration
    suspended: KeptSuspension | None = None
    options: ReportOptions | None = None
    check: KeptCheck | None = None


class ConfigurationPage(BaseModel):
    """Configurations of a bucket, ascending by Id. `next_token` asks for those behind; absent for the last."""

    configurations: list[KeptConfiguration]
    next_token: str | None = None


# What FastAPI calls the schemas of the documents that answers hold.
_CONFIGURATION = {"$ref": "#/components/schemas/InventoryConfiguration"}
_BOTH = {
    "type": "object",
    "required": ["configuration"],
    "properties": {"configuration": _CONFIGURATION, "options": {"type": "object"}},
    "additionalProperties": False,
}
_SCHEMA = {"schema": {"anyOf": [_CONFIGURATION, _BOTH]}}
_DOCUMENT = {"requestBody": {"required": True, "content": {"application/json": _SCHEMA}}}


def make_v1(service: Service, stopping: Callable[[], bool]) -> Guard:
    """The application behind /api/v1."""
    api = FastAPI(
        title="stocktake",
        version=__version__,
        summary="S3 Inventory for every S3-compatible store",
        description="Requests are signed with Signature Version 4 for the service s3, as those to the store are,"
        " or hold a token: `Authorization: Bearer`.",
        openapi_url=OPEN,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
    )
    api.add_exception_handler(InventoryError, _told)
    api.add_exception_handler(Exception, _told)
    api.add_exception_handler(RequestValidationError, _told)
    api.add_exception_handler(HTTPException, _unknown)
    _add_configurations(api, service)
    add_options(api, service)
    add_runs(api, service)
    add_events(api, service, stopping)
    add_reports(api, service)
    add_server(api, service)
    return Guard(api, service)


def _add_configurations(api: FastAPI, service: Service) -> None:
    one = "/configurations/{store}/{bucket}/{id}"
    key = key_maker(service)

    @api.get("/configurations/{store}/{bucket}", response_model_exclude_none=True)
    def list_configurations(
        request: Request,
        store: StoreName,
        bucket: Bucket,
        token: Token = None,
    ) -> ConfigurationPage:
        """List a page of a bucket's configurations."""
        place = key(store, bucket, "")
        page = commands.list_configurations(
            service.desk, grant_of(request), place.store, place.bucket, token
        )
        kept = [
            _kept(stored) for stored in commands.with_all_known(service.desk, page.configurations)
        ]
        return ConfigurationPage(configurations=kept, next_token=page.next_token)

    @api.get(one, response_model_exclude_none=True)
    def get_configuration(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> KeptConfiguration:
        """Read a configuration."""
        place = key(store, bucket, identity)
        found = commands.get_configuration(service.desk, grant_of(request), place)
        return _kept(commands.with_all_known(service.desk, [found])[0])

    @api.put(one, response_model_exclude_none=True, openapi_extra=_DOCUMENT)
    async def put_configuration(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> KeptConfiguration:
        """Put a configuration, in place of any with its Id: the document, or that as `configuration` with the `options`
        beside it that are to change; null takes one back. Both are put, or neither.
        """
        place = key(store, bucket, identity)
        configuration, options = parse_put_json(await request.body())
        stored = await to_thread.run_sync(
            commands.put_configuration,
            service.desk,
            grant_of(request),
            place,
            configuration,
            options,
        )
        return _kept(stored)

    @api.post(f"{one}/check", status_code=202, response_class=Response)
    def check_configuration(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> Response:
        """Have a configuration be tried out anew, by a worker; its `check` is absent until then."""
        commands.want_check(service.desk, grant_of(request), key(store, bucket, identity))
        return Response(status_code=202)

    @api.delete(one, status_code=204)
    def delete_configuration(
        request: Request, store: StoreName, bucket: Bucket, identity: Identity
    ) -> Response:
        """Delete a configuration, and the options beside it."""
        commands.delete_configuration(service.desk, grant_of(request), key(store, bucket, identity))
        return Response(status_code=204)


def _kept(stored: StoredConfiguration) -> KeptConfiguration:
    return KeptConfiguration(
        store=stored.key.store,
        bucket=stored.key.bucket,
        id=stored.key.id,
        created=stored.created,
        changed=stored.changed,
        version=stored.version,
        configuration=stored.configuration,
        suspended=_kept_suspension(stored.suspension),
        options=stored.options,
        check=_kept_check(stored.check),
    )


def _kept_suspension(suspension: Suspension | None) -> KeptSuspension | None:
    if suspension is None:
        return None
    return KeptSuspension(since=suspension.since, reason=suspension.reason)


def _kept_check(check: StoredCheck | None) -> KeptCheck | None:
    if check is None:
        return None
    return KeptCheck(**check.result.model_dump(exclude={"verdict"}), checked=check.checked)


async def _told(_request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return problem(
            400, "InvalidArgument", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        )
    return problem_of(error)


async def _unknown(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, "NoSuchResource", str(error.detail))

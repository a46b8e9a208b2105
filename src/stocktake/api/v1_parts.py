"""What all parts of our own API are made of: who asks, of which store and bucket, and how refusals are described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict

from stocktake.api.failures import RequestError
from stocktake.api.problems import MEDIA_TYPE
from stocktake.model.access import Grant
from stocktake.model.configuration import valid_bucket_name
from stocktake.model.stored import ConfigurationKey
from stocktake.service.commands.pages import ROWS_MAX
from stocktake.service.commands.scheduled import PAGE_ROWS
from stocktake.service.serving import Service

MakeKey = Callable[[str, str, str], ConfigurationKey]


class Problem(BaseModel):
    """RFC 9457; the title is the code that S3 has for it, where it has one."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    hint: str | None = None


class Part(BaseModel):
    """What answers are made of."""

    model_config = ConfigDict(frozen=True)


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {MEDIA_TYPE: {}}}
    for status in (400, 401, 403, 404, 405, 409, 503)
}
StoreName = Annotated[str, Path(description="what the settings call the store")]
Bucket = Annotated[str, Path(description="the source bucket")]
Identity = Annotated[str, Path(alias="id", description="the configuration's Id")]
Run = Annotated[str, Path(description="what the run is called")]
Token = Annotated[
    str | None, Query(max_length=4096, description="the next_token of the page before")
]
Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description="how many a page has, at most")]
LIMIT = PAGE_ROWS


def grant_of(request: Request) -> Grant:
    """What who asks may do."""
    grant: Grant = request.state.grant
    return grant


def key_maker(service: Service) -> MakeKey:
    """What makes a key of a store's name, a bucket's, and an Id.

    It raises RequestError where no such store is served, or no bucket can be called so.
    """
    stores = {site.name for site in service.sites}

    def key(store: str, bucket: str, identity: str) -> ConfigurationKey:
        if store not in stores:
            raise RequestError(
                "InvalidArgument", f"no store is called `{store}`; `/stores` lists them"
            )
        if not valid_bucket_name(bucket):
            raise RequestError("InvalidBucketName", f"`{bucket}` is no bucket's name")
        return ConfigurationKey(store, bucket, identity)

    return key

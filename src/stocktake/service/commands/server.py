"""The use cases about a server as a whole: its stores and their buckets, its settings, the tokens of scripts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stocktake.model.access import Grant
from stocktake.model.errors import NotAllowedError
from stocktake.model.scheduled import KnownWorker
from stocktake.model.secrets import without_secrets
from stocktake.model.store_limits import StoreLimits
from stocktake.service.access_tokens import AccessToken
from stocktake.service.access_tokens import list_tokens as read_tokens
from stocktake.service.access_tokens import revoke_token as end_token
from stocktake.service.commands.pages import Page, Position, read_page
from stocktake.service.server_settings import Site
from stocktake.service.settings import Effective, effective_settings
from stocktake.state.configurations import Configurations
from stocktake.state.workers import Workers


def list_stores(sites: Sequence[Site], grant: Grant) -> list[dict[str, Any]]:
    """The stores, by the names of what `Site` has; to admins of the whole server how each is reached, and what it is to
    bear.
    """
    try:
        grant.check_server()
    except NotAllowedError:
        return [{"name": site.name, "domains": list(site.domains)} for site in sites]
    return [
        {
            "name": site.name,
            "domains": list(site.domains),
            "endpoint_url": without_secrets(site.store.endpoint_url or "") or None,
            "limits": _limits(site.limits),
        }
        for site in sites
    ]


def _limits(limits: StoreLimits) -> dict[str, Any]:
    told = {name: value for name, value in asdict(limits).items() if value is not None}
    if (hours := limits.quiet_hours) is not None:
        told["quiet_hours"] = f"{hours.begin:%H:%M}-{hours.end:%H:%M}"
    return told


def list_buckets(
    kept: Configurations,
    grant: Grant,
    store: str,
    *,
    there: Sequence[str] = (),
    token: str | None,
    rows_max: int,
) -> Page[tuple[str, int]]:
    """A page of the buckets of a store that have configurations, and of those that are `there`, ascending; those that
    the grant covers, ascending by name, with how many configurations they have.

    Raises:
        ContinuationTokenError: the token is none of ours.
    """

    def read(after: Position | None, count: int) -> Sequence[tuple[str, int]]:
        last = after[0] if after else ""
        configured = dict(kept.buckets(store, after=last, rows_max=count))
        begin = bisect_right(there, last)
        names = sorted(configured.keys() | set(there[begin : begin + count]))
        return [(name, configured.get(name, 0)) for name in names[:count]]

    return read_page(
        read,
        lambda row: (row[0],),
        lambda row: grant.covers(row[0]),
        token=token,
        rows_max=rows_max,
    )


def list_settings(grant: Grant, file: Path | None) -> Sequence[Effective]:
    """Every setting as it holds by the environment and `file`, secrets masked.

    Raises:
        NotAllowedError: the grant is not for the whole server.
        UsageError: the file can no longer be read.
    """
    grant.check_server()
    return effective_settings(file=file)


def list_workers(workers: Workers, grant: Grant) -> Sequence[KnownWorker]:
    """The workers that have not ended, those heard of last first.

    Raises:
        NotAllowedError: the grant is not for the whole server.
    """
    grant.check_server()
    return workers.all()


def list_tokens(path: Path, grant: Grant) -> Sequence[AccessToken]:
    """The tokens, the newest first.

    Raises:
        NotAllowedError: the grant is not for the whole server.
        AccessKeysError: they cannot be read.
    """
    grant.check_server()
    return read_tokens(path)


def revoke_token(path: Path, grant: Grant, identity: str) -> AccessToken:
    """End a token.

    Raises:
        NotAllowedError: the grant is not for the whole server.
        NoSuchTokenError: there is no such token.
        AccessKeysError: they cannot be written.
    """
    grant.check_server()
    return end_token(path, identity)

"""Our own API about published reports: which a configuration has, and what came of each."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from fastapi import FastAPI, Request

from stocktake.api.v1_parts import (
    LIMIT,
    Bucket,
    Identity,
    Limit,
    Part,
    StoreName,
    Token,
    grant_of,
    key_maker,
)
from stocktake.service.commands import scheduled as commands
from stocktake.service.serving import Service


class Report(Part):
    """A report that was published. `file_bytes` are those of its data files, null where an older version of the server
    published it, and `object_bytes` those of the objects it lists; `problems` counts, by kind, values that are unknown.
    """

    run: str
    period: datetime | None
    published: datetime
    manifest: str
    rows: int
    file_bytes: int | None
    object_bytes: int | None
    problems: dict[str, int]


class ReportPage(Part):
    """Published reports of a configuration, the newest first."""

    reports: list[Report]
    next_token: str | None = None


def add_reports(api: FastAPI, service: Service) -> None:
    """Have `api` answer about reports."""
    key = key_maker(service)

    @api.get("/configurations/{store}/{bucket}/{id}/reports")
    def list_reports(
        request: Request,
        store: StoreName,
        bucket: Bucket,
        identity: Identity,
        *,
        token: Token = None,
        limit: Limit = LIMIT,
    ) -> ReportPage:
        """List the reports that a configuration's runs have published, but for those that its retention removed."""
        place = key(store, bucket, identity)
        page = commands.list_reports(
            service.reports, grant_of(request), place, token=token, rows_max=limit
        )
        reports = [Report(**asdict(each)) for each in page.rows]
        return ReportPage(reports=reports, next_token=page.next_token)

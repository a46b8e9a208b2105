"""Which versions of its objects the run of a report wrote, so that these go and no others when it does.

They are kept by the report's place, and not by the run, which is forgotten sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, insert, select, update

from stocktake.state.tables import report_versions, runs

# Longer than almost all reports stay; some are removed by others than us, and would be known for ever. Of one that
# stays longer, all versions are looked for.
KNOWN_FOR = timedelta(days=1100)
_TABLE = report_versions.c


def insert_version(connection: Connection, run: str, key: str, version: str, now: datetime) -> None:
    """Note a version that the run wrote; nothing where that is known, or where the run has no report folder."""
    place = _place_of(connection, run)
    this = and_(_TABLE.place == place, _TABLE.key == key, _TABLE.version == version)
    if place is None or connection.scalar(select(_TABLE.key).where(this)) is not None:
        return
    values = {"place": place, "key": key, "version": version, "noted": now}
    connection.execute(insert(report_versions).values(values))


def move_versions(connection: Connection, run: str, place: str) -> None:
    """Have what is known of the run be known of another place, which it is about to choose."""
    before = _TABLE.place == _place_of(connection, run)
    connection.execute(update(report_versions).where(before).values(place=place))


def forget_versions(connection: Connection, run: str, keys: Iterable[str] | None = None) -> None:
    """Forget what a run wrote; under these keys, or all of it."""
    place = _place_of(connection, run)
    if place is not None and keys is None:
        delete_versions(connection, place)
    for key in keys or ():
        connection.execute(delete(report_versions).where(_TABLE.place == place, _TABLE.key == key))


def delete_versions(connection: Connection, place: str) -> None:
    """Forget what was written of the report at `place`."""
    connection.execute(delete(report_versions).where(_TABLE.place == place))


def forget_old_versions(connection: Connection, now: datetime) -> None:
    """Forget what was noted so long ago that the report is gone, most likely."""
    connection.execute(delete(report_versions).where(_TABLE.noted < now - KNOWN_FOR))


def select_versions(connection: Connection, place: str) -> Mapping[str, frozenset[str]]:
    """What the run of the report at `place` wrote: by key, which versions; empty where that is not known."""
    rows = connection.execute(select(_TABLE.key, _TABLE.version).where(_TABLE.place == place))
    found: dict[str, set[str]] = {}
    for key, version in rows:
        found.setdefault(key, set()).add(version)
    return {key: frozenset(versions) for key, versions in found.items()}


def select_versions_of(connection: Connection, run: str) -> Mapping[str, frozenset[str]]:
    """The same of a run that has chosen its report folder; empty where it has none."""
    place = _place_of(connection, run)
    return {} if place is None else select_versions(connection, place)


def _place_of(connection: Connection, run: str) -> str | None:
    place: str | None = connection.scalar(select(runs.c.place).where(runs.c.id == run))
    return place

"""What all scheduled runs together have done: numbers that only grow, whatever becomes of the runs."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from stocktake.state.tables import counters

_OURS = "total:"  # before their names, in the table of numbers that only grow
_NAME_LETTERS_MAX = 32  # of that table
NAMES_MAX = 1000
_ADD = (
    update(counters)
    .where(counters.c.name == bindparam("of_name"))
    .values(value=counters.c.value + bindparam("more"))
)


def add_totals(connection: Connection, counts: Mapping[str, int]) -> None:
    """Add `counts`, within a transaction that writes. Names are added in their order, so that no two who add wait for
    each other; one that is too long for the table is left out.
    """
    for name in sorted(counts):
        whole = f"{_OURS}{name}"
        if len(whole) > _NAME_LETTERS_MAX or not counts[name]:
            continue
        more = {"of_name": whole, "more": counts[name]}
        if connection.execute(_ADD, more).rowcount:
            continue
        try:
            with connection.begin_nested():
                connection.execute(insert(counters).values(name=whole, value=counts[name]))
        except IntegrityError:  # another process was first
            connection.execute(_ADD, more)


def read_totals(connection: Connection) -> dict[str, int]:
    """All that was added, by name."""
    found = select(counters.c.name, counters.c.value).where(counters.c.name.startswith(_OURS))
    rows = connection.execute(found.order_by(counters.c.name).limit(NAMES_MAX))
    return {row.name.removeprefix(_OURS): row.value for row in rows}

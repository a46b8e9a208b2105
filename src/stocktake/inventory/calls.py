"""Which calls a report's fields cost: the call plan, derived from the table of fields and from nothing else.

With it, what a row lacks where a call told nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stocktake.model.fields import Field, Source
from stocktake.model.runs import Problem
from stocktake.store.requests import PUT_OFF

# By the status of the answer; any other is FAILED.
PROBLEM_OF_STATUS = {403: Problem.REFUSED, 404: Problem.VANISHED, PUT_OFF: Problem.POSTPONED}


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What is asked per page and per object. Everything False: LIST alone, the cheapest inventory there is.

    `checksums` are the chosen checksum columns: HEAD is asked for checksums only where listing lacks one of them,
    because some permissions forbid that. `tagging` costs a call only for objects that HEAD says have tags, or for all
    where no HEAD is made.
    """

    owner: bool = False
    restore: bool = False
    head: bool = False
    checksums: tuple[str, ...] = ()
    acl: bool = False
    tagging: bool = False

    @property
    def asks(self) -> bool:
        """Whether objects are asked about one by one."""
        return self.head or self.acl or self.tagging


def call_plan(fields: Iterable[Field]) -> CallPlan:
    """The cheapest calls that yield `fields`. A HEAD made for one field serves all that HEAD knows."""
    chosen = tuple(fields)
    sources = {field.source for field in chosen}
    head = bool(sources & {Source.HEAD, Source.HEAD_CHECKSUM})
    return CallPlan(
        owner=Source.LIST_OWNER in sources,
        restore=Source.LIST_RESTORE in sources,
        head=head,
        checksums=tuple(field.column for field in chosen if field.column.startswith("checksum_"))
        if head
        else (),
        acl=Source.ACL in sources,
        tagging=Source.TAGGING in sources,
    )

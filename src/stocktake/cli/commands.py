"""The commands: ONE table, by which each is imported when it is wanted. `stocktake --help` tells them by it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import takewhile
from typing import Any, cast

import typer
from typer.core import TyperGroup

from stocktake.cli.outcome import refusals_told
from stocktake.cli.panels import PanelCommand


@dataclass(frozen=True, slots=True)
class Declared:
    """Where a command is: in `module`, as the function of its name, with its examples; a group is the module's `app`,
    to which the modules `added` add commands. `summary` is the first sentence of its help.
    """

    module: str
    summary: str
    examples: str = "EXAMPLES"
    group: bool = False
    added: tuple[str, ...] = ()


COMMANDS: dict[str, Declared] = {
    "run": Declared("run", "Take an inventory of SOURCE now, into DESTINATION."),
    "show": Declared(
        "read", "Say what a report is and what is in it, in a few lines.", "SHOW_EXAMPLES"
    ),
    "query": Declared("query", "Ask reports a question in SQL."),
    "audit": Declared("audit", "Ask a report what is wrong; exit 1 if something is."),
    "usage": Declared("usage", "Say how much of what a report holds, where, and what it costs."),
    "export": Declared("export", "Write the objects that a condition holds for to a file."),
    "diff": Declared("diff", "Say what differs between two reports."),
    "verify": Declared(
        "read", "Check every file of a report; exit 1 if one is wrong.", "VERIFY_EXAMPLES"
    ),
    "ddl": Declared("read", "Print the statement that makes a report a table.", "DDL_EXAMPLES"),
    "plan": Declared("plan", "Tell beforehand what a run would ask, take and cost."),
    "probe": Declared("probe", "Find out what a store can do, by requests that only read."),
    "check": Declared("check", "Try whether a run can do what it is to do."),
    "policy": Declared(
        "policy", "Print the policy that lets reports be written.", "POLICY_EXAMPLES"
    ),
    "lifecycle": Declared(
        "policy", "Print the lifecycle rule that removes old reports.", "LIFECYCLE_EXAMPLES"
    ),
    "worker": Declared("worker", "Take the inventories that are due, by and by."),
    "serve": Declared("serve", "Answer AWS's S3 Inventory API for a store that lacks it."),
    "settings": Declared("settings", "Show the settings as they hold, and who says so."),
    "demo": Declared(
        "demonstrate", "See it work: an embedded S3 store, three reports, one question."
    ),
    "runs": Declared(
        "runs", "List runs and what to do about each.", group=True, added=("scheduled", "notices")
    ),
    "reports": Declared(
        "orphans", "Look after the reports in a destination.", group=True, added=("retention",)
    ),
    "config": Declared("config", "Keep inventory configurations, here or on a server.", group=True),
    "keys": Declared("keys", "Say who may ask `stocktake serve`, and for what.", group=True),
}


_AS_JSON = "stocktake.json"  # in what the context of a command line holds


class CommandTable(TyperGroup):
    """The group of all commands, of which only those are imported that are asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast("Any", _Commands())

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        """Read the words ahead of the command's name; what is wrong with them is told."""
        as_json = "--json" in takewhile("--".__ne__, args)  # whoever says so expects nothing else
        with refusals_told(as_json=as_json):
            context = super().make_context(info_name, args, *rest, **more)
        context.meta[_AS_JSON] = as_json
        return context

    def invoke(self, ctx: Any) -> Any:
        """Read the command's own words and run it; what is wrong with them is told."""
        with refusals_told(as_json=ctx.meta[_AS_JSON]):
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - its form
        """Their names, in the order of the table."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - its form
        """Write what each command is for."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in COMMANDS.items()])


class _Commands(Mapping[str, Any]):
    """Typer's commands by name, imported at the first look."""

    def __getitem__(self, name: str) -> Any:
        return _imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _imported(name: str) -> Any:
    declared = COMMANDS[name]
    module = _module(declared.module)
    if declared.group:
        for added in declared.added:
            _module(added).add_to(module.app)
        group = typer.main.get_group(module.app)
        group.name = name
        return group
    holder = typer.Typer(add_completion=False, rich_markup_mode=None)
    epilog = getattr(module, declared.examples)
    holder.command(name, cls=PanelCommand, epilog=epilog)(getattr(module, name))
    return typer.main.get_command(holder)


def _module(name: str) -> Any:
    return import_module(f"stocktake.cli.{name}")

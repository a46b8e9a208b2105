"""Help that is grouped by panel, in plain text: it costs no import and survives a pipe."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

STORE = "The store"
DESTINATION = "The destination's store, where it is another one"
REPORT = "The report"
MEMORY = "What earlier reports know"
PACE = "Pace and room"
LIMITS = "What it may use"
OUTPUT = "Output"
OPTIONS = "Options"


class PanelCommand(TyperCommand):
    """A command whose options are listed panel by panel, in the order of their first option."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, a section for each panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            panel = getattr(parameter, "rich_help_panel", None)
            name = "Arguments" if parameter.param_type_name == "argument" else panel or OPTIONS
            panels.setdefault(name, []).append(record)
        for name, records in panels.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - its form
        """Write the examples as they stand: a command line that is wrapped cannot be pasted."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

"""A group of commands whose help looks like that of the commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class ExamplesGroup(TyperGroup):
    """A group with examples, which are shown as they stand: a command line that is wrapped cannot be pasted."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - its form
        """Write the examples."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

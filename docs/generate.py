"""Renew the tables in docs/fields.md from `model/fields.py`: `make docs`. The tests compare."""

from __future__ import annotations

from pathlib import Path

from stocktake.model.fields import FIELDS, Field, Kind

PAGE = Path(__file__).with_name("fields.md")
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"

TITLES = {
    Kind.ALWAYS: "In every report",
    Kind.VERSIONS: "In reports of all versions",
    Kind.OPTIONAL: "AWS's OptionalFields",
    Kind.EXTENSION: "Extensions, which come after AWS's columns and only when they are named",
}
HEADING = """\
| field | column | type | call | permission | changes without a new version |
| --- | --- | --- | --- | --- | --- |
"""


def _row(field: Field) -> str:
    withheld = ", else silently absent" if field.withheld else ""
    return (
        f"| {field.name} | `{field.column}` | {field.type} | {field.source} |"
        f" `{field.permission}`{withheld} | {'yes' if field.mutable else ''} |\n"
    )


def tables() -> str:
    """Every field, one table for each kind, in the order of a report's columns."""
    return "\n".join(
        f"## {title}\n\n{HEADING}{''.join(_row(field) for field in FIELDS if field.kind is kind)}"
        for kind, title in TITLES.items()
    )


def renewed(page: str) -> str:
    """The page with its generated part as the code has it now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

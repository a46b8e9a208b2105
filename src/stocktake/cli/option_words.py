"""The words for options beside a configuration, of `stocktake config put` and of whatever else changes some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from stocktake.model.report_options import ReportOptions
    from stocktake.service.option_words import OptionWords

Hour = Annotated[
    int | None,
    typer.Option(
        metavar="HOUR",
        help="The hour, UTC, at which periods begin: 0 to 23. Default: 1.",
    ),
]
ExtensionFields = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Columns of stocktake's own behind AWS's, such as ObjectTags; an empty text: none.",
    ),
]
DestinationStore = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The store that holds the destination, as the settings call it; an empty text: the source's.",
    ),
]
OwnerFullControl = Annotated[
    bool | None,
    typer.Option(
        "--owner-full-control/--no-owner-full-control",
        help="Whether reports are written with the ACL bucket-owner-full-control.",
        show_default=False,
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict",
        help="Whether a row that cannot be completed fails the run.",
        show_default=False,
    ),
]
Remember = Annotated[
    bool | None,
    typer.Option(
        "--remember/--no-remember",
        help="Whether answers of the report before are taken over. Default: yes.",
        show_default=False,
    ),
]
Revisit = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="The share of objects to ask about again in each run; an empty text: 10%.",
    ),
]
RememberFor = Annotated[
    str | None,
    typer.Option(
        metavar="DAYS",
        help="How old an answer may become, such as 7d, or `ever`; an empty text: 30d.",
    ),
]
HeadBudget = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Ask about at most so many objects in each run; an empty text: no bound.",
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Ask for so long at most in each run, such as 2h; an empty text: no bound.",
    ),
]
KeepLast = Annotated[
    int | None,
    typer.Option(metavar="N", help="Keep the last N reports.", show_default=False),
]
KeepDays = Annotated[
    int | None,
    typer.Option(
        metavar="D",
        help="Keep reports of the last D days.",
        show_default=False,
    ),
]
Forever = Annotated[bool, typer.Option("--forever", help="Keep all reports.")]


def option_words(asked: dict[str, Any]) -> OptionWords:
    """What a command's options say of those beside a configuration."""
    from stocktake.service.option_words import OptionWords

    names = [name for name in OptionWords.__annotations__ if name in asked]
    return cast("OptionWords", {name: asked[name] for name in names})


def options_document(options: ReportOptions | None) -> dict[str, Any]:
    """The options that somebody has said, as JSON."""
    return {} if options is None else options.model_dump(mode="json", exclude_defaults=True)


def options_line(options: ReportOptions | None) -> str:
    """The same in a few words; empty where there are none."""
    return ", ".join(_told(name, value) for name, value in options_document(options).items())


def _told(name: str, value: object) -> str:
    if value is True:
        return name
    return f"{name} {'+'.join(value) if isinstance(value, list) else value}"

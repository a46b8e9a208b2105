"""The options that only `stocktake run` has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stocktake.cli.panels import DESTINATION, MEMORY, OUTPUT, PACE, REPORT

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        help="s3://bucket[/prefix]; with --resume the run to go on with.",
        show_default=False,
    ),
]
Destination = Annotated[
    str | None,
    typer.Argument(
        metavar="DESTINATION",
        help="s3://bucket[/prefix], file:///folder or a path. A --configuration may name it.",
        show_default=False,
    ),
]
Id = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The inventory's name, a folder in the destination. Default: stocktake.",
        rich_help_panel=REPORT,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(metavar="CSV|ORC|Parquet", help="Default: Parquet.", rich_help_panel=REPORT),
]
Fields = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD,...",
        help="AWS's OptionalFields, stocktake's extensions, or a set: `default` is what a plain LIST"
        " yields, `free` also what LIST's options yield, `all` all of AWS's.",
        rich_help_panel=REPORT,
    ),
]
Versions = Annotated[
    str | None,
    typer.Option(metavar="Current|All", help="Default: Current.", rich_help_panel=REPORT),
]
Encryption = Annotated[
    str | None,
    typer.Option(
        metavar="SSE-S3|SSE-KMS=KEY",
        help="How the report itself is encrypted. Confirmed on the first file.",
        rich_help_panel=REPORT,
    ),
]
Configuration = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="An InventoryConfiguration as `aws s3api` takes it, JSON or XML. It decides id,"
        " destination, format, fields, prefix and versions.",
        rich_help_panel=REPORT,
    ),
]
DestinationBucket = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The bucket that a local folder stands for in the manifest. Default: its own name.",
        rich_help_panel=REPORT,
    ),
]
OwnerFullControl = Annotated[
    bool,
    typer.Option(
        "--owner-full-control",
        help="Give the destination bucket's owner full control over the report's files.",
        rich_help_panel=REPORT,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Publish nothing if anything was refused, failed, vanished, changed or unknowable.",
        rich_help_panel=REPORT,
    ),
]
Usage = Annotated[
    bool,
    typer.Option(
        "--usage",
        help="Read the report once it is published, and write usage.parquet beside it, from which"
        " `stocktake usage` answers at once.",
        rich_help_panel=REPORT,
    ),
]
DestinationEndpointUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="One option of this group makes the destination another store, which this group alone"
        " describes. What they mean stands above.",
        rich_help_panel=DESTINATION,
    ),
]
DestinationName = Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=DESTINATION)]
DestinationAddressingStyle = Annotated[
    str | None, typer.Option(metavar="auto|path|virtual", rich_help_panel=DESTINATION)
]
DestinationNoSignRequest = Annotated[
    bool, typer.Option("--destination-no-sign-request", rich_help_panel=DESTINATION)
]
DestinationRequestPayer = Annotated[
    bool, typer.Option("--destination-request-payer", rich_help_panel=DESTINATION)
]
DestinationCaBundle = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=DESTINATION)
]
DestinationNoVerifySsl = Annotated[
    bool, typer.Option("--destination-no-verify-ssl", rich_help_panel=DESTINATION)
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Requests in flight, over all processes, at most. Default: 64.",
        rich_help_panel=PACE,
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes that list and write. Default: one for each core.",
        rich_help_panel=PACE,
    ),
]
SpoolFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Local room for rows under way. Default: `spool` in the state folder.",
        rich_help_panel=PACE,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        help="Requests a second, over all processes, at most. Default: as the store keeps up.",
        rich_help_panel=PACE,
    ),
]
Nice = Annotated[
    bool,
    typer.Option(
        "--nice",
        help="For a store on spinning disks: few requests in flight, and fewer as soon as it slows down.",
        rich_help_panel=PACE,
    ),
]
Remember = Annotated[
    str | None,
    typer.Option(
        metavar="REPORT",
        help="Take over what this report knows of objects that have not changed. Default: the newest of this id that"
        " has the fields.",
        rich_help_panel=MEMORY,
    ),
]
NoRemember = Annotated[
    bool, typer.Option("--no-remember", help="Ask about every object.", rich_help_panel=MEMORY)
]
Revisit = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="The share of objects to ask about again, of what can change in place. Default: 10%.",
        rich_help_panel=MEMORY,
    ),
]
RememberFor = Annotated[
    str | None,
    typer.Option(
        metavar="DAYS",
        help="How old an answer may become, such as 7d; `ever` for no bound. Default: 30d.",
        rich_help_panel=MEMORY,
    ),
]
HeadBudget = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Ask about at most so many objects: new and changed ones first, then the oldest answers.",
        rich_help_panel=MEMORY,
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Ask for so long at most, such as 2h; in the same order.",
        rich_help_panel=MEMORY,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the run in place of SOURCE, or with the newest that can be gone on with, as"
        " it was asked for.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=OUTPUT)
]

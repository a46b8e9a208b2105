"""The options that several commands share, declared once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from stocktake.cli.outcome import say
from stocktake.cli.panels import LIMITS, OPTIONS, OUTPUT, REPORT, STORE

if TYPE_CHECKING:
    from stocktake.model.store import Store
    from stocktake.service.limits import GuardedLimits, QueryLimits
    from stocktake.service.options import StoreKeywords

EndpointUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The store's endpoint, such as http://127.0.0.1:8100. Default: as in the AWS CLI.",
        rich_help_panel=STORE,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A profile of ~/.aws.", rich_help_panel=STORE),
]
Region = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The region to sign for.", rich_help_panel=STORE),
]
AddressingStyle = Annotated[
    str | None,
    typer.Option(
        metavar="auto|path|virtual",
        help="Where the bucket stands in a request: in the path or in the host name.",
        rich_help_panel=STORE,
    ),
]
NoSignRequest = Annotated[
    bool,
    typer.Option("--no-sign-request", help="Ask anonymously.", rich_help_panel=STORE),
]
RequestPayer = Annotated[
    bool,
    typer.Option(
        "--request-payer",
        help="Pay for the requests oneself, not the owner.",
        rich_help_panel=STORE,
    ),
]
CaBundle = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Certificates to trust, as a PEM file.", rich_help_panel=STORE
    ),
]
NoVerifySsl = Annotated[
    bool,
    typer.Option(
        "--no-verify-ssl", help="Do not check the store's certificate.", rich_help_panel=STORE
    ),
]

Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print exactly one JSON object on stdout; words go to stderr.",
        rich_help_panel=OUTPUT,
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Say more; -vv shows tracebacks too.",
        rich_help_panel=OUTPUT,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="What the question may take, such as 4GiB; the rest spills to disk. Default: 2GiB.",
        rich_help_panel=LIMITS,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="How many threads. Default: the cores there are.", rich_help_panel=LIMITS
    ),
]
SpillFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where what does not fit the memory goes. Default: the system's, for temporary files.",
        rich_help_panel=LIMITS,
    ),
]
PriceTable = Annotated[
    str | None,
    typer.Option(
        metavar="aws|free|FILE",
        help="What storage costs; a FILE is TOML. Default: aws.",
        rich_help_panel=OPTIONS,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a page that stands alone, too; it appears when it is whole.",
        rich_help_panel=OUTPUT,
    ),
]
StoreName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What the ledger calls the store. Default: default.",
        rich_help_panel=STORE,
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="The file of settings, stocktake.toml. Default: STOCKTAKE_SETTINGS, else none.",
    ),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        metavar="text|json",
        help="How the log is written, on stderr. Default: text.",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Ask this `stocktake serve`, with your own keys or a token, instead of this machine's ledger."
        " Default: STOCKTAKE_SERVER.",
        rich_help_panel=STORE,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Ask the server with the token in this file, yours alone. Default: STOCKTAKE_TOKEN, else your keys.",
        rich_help_panel=STORE,
    ),
]
Dates = Annotated[
    str | None,
    typer.Option(
        metavar="FROM..TO",
        help="All reports of the configuration folder from these days, in UTC; a column `dt` says"
        " which.",
        rich_help_panel=REPORT,
    ),
]
SourceBucket = Annotated[
    str, typer.Argument(metavar="BUCKET", help="The source bucket: s3://NAME.", show_default=False)
]
ConfigurationId = Annotated[
    str, typer.Argument(metavar="ID", help="The configuration's Id.", show_default=False)
]
REPORT_HELP = (
    "A manifest.json, a report folder or a configuration folder (then its newest report):"
    " s3://bucket/key, file:///folder or a path."
)
ReportAddress = Annotated[
    str,
    typer.Argument(
        metavar="REPORT",
        help=REPORT_HELP,
        show_default=False,
    ),
]


def speak_up(verbose: int, log_format: str = "text") -> None:
    """Let stocktake's own log speak on stderr. Libraries stay silent: theirs may quote requests."""
    if verbose == 0:
        return
    # Nobody is shown these, and finding them out is half of what a line costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    from stocktake.cli.log_lines import JsonLines, TextLines

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    own = logging.getLogger("stocktake")
    own.handlers = [handler]
    if logging.lastResort is not None:  # by which libraries say what is worse than usual
        logging.lastResort.setFormatter(TextLines())
    own.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)


def announce(text: str) -> None:
    """Say something about the service itself: in its log, where that is for programs, else as it stands."""
    own = logging.getLogger("stocktake")
    if any(type(each.formatter).__name__ == "JsonLines" for each in own.handlers):
        own.info("%s", text)
    else:
        say(text)


def chosen_log_format(asked: str | None) -> str:
    """How a service writes its log: as asked for, else as the settings say.

    Raises:
        UsageError: nobody knows that format.
    """
    from stocktake.service import house
    from stocktake.service.setting_table import BY_KEY, checked

    setting = BY_KEY["log.format"]
    said = house.settings().log_format if asked is None else asked
    return str(checked(setting, said, "the format of the log"))


def store_of(asked: dict[str, Any]) -> Store:
    """The store that a command's options describe."""
    from stocktake.service.options import make_store

    return make_store(**store_words(asked))


def store_words(asked: dict[str, Any]) -> StoreKeywords:
    """What a command's options say of a store."""
    from stocktake.service.options import StoreKeywords

    names = [name for name in StoreKeywords.__annotations__ if name in asked]
    return cast("StoreKeywords", {name: asked[name] for name in names})


def limits_of(asked: dict[str, Any]) -> QueryLimits:
    """What a command's question may use."""
    from stocktake.service.limits import query_limits

    return query_limits(
        memory=asked["memory"], threads=asked["threads"], spill_folder=asked["spill_folder"]
    )


def guarded_limits_of(asked: dict[str, Any]) -> GuardedLimits:
    """What a question that somebody else wrote may use."""
    from stocktake.service.limits import guarded_limits

    return guarded_limits(
        limits_of(asked), time_s_max=asked["time_max"], rows_max=asked["rows_max"]
    )

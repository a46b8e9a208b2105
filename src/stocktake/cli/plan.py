"""`stocktake plan`: what a run would ask, take, write and cost."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, log10
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.borrowing import takes_the_words_of_run
from stocktake.cli.outcome import failures_told, print_json, say, visible
from stocktake.cli.panels import OPTIONS
from stocktake.cli.sinks import print_text
from stocktake.cli.words import bytes_text, count, counted, duration

if TYPE_CHECKING:
    from stocktake.model.estimate import Estimate
    from stocktake.model.figures import Figure

EXAMPLES = """\
stocktake plan s3://photos ./reports
stocktake plan s3://photos s3://audit/inventory --fields all --versions All --prices free
stocktake plan s3://photos ./reports --objects 1000000000 --json
"""
# Words of `run` that change nothing of what it will come to, or are about a run that was begun.
_OF_RUN_ALONE = ("quiet", "resume")
_LABEL_WIDTH = 12
MONEY_SHOWN_MIN, UNDER = 0.0001, "under "


def _own(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="s3://bucket[/prefix]", show_default=False)
    ],
    *,
    objects: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="How many objects there are. Default: what the last report says, or a guess from about"
            " 20 requests.",
            rich_help_panel=OPTIONS,
        ),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option(
            metavar="aws|free|FILE",
            help="What requests and storage cost. A FILE is TOML; --json shows the names it may hold."
            " Default: aws.",
            rich_help_panel=OPTIONS,
        ),
    ] = None,
) -> None:
    """The parameters that only `plan` has, or has otherwise than `run`."""


@takes_the_words_of_run(_own, without=_OF_RUN_ALONE)
def plan(**asked: Any) -> None:
    """Tell beforehand what a run would ask, take and cost.

    SOURCE, DESTINATION and the options are those of `stocktake run`. About 25 requests at most are sent, which only
    read. Every figure says how sure it is.
    """
    json, verbose = asked.pop("json"), asked.pop("verbose")
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.model.addresses import parse_s3_address
        from stocktake.service.commands.run import plan as plan_run
        from stocktake.service.estimating import estimate_run
        from stocktake.service.options import make_options
        from stocktake.service.tables import load_prices

        objects, table = asked.pop("objects"), load_prices(asked.pop("prices"))
        source, destination = asked.pop("source"), asked.pop("destination")
        if destination is None and asked["configuration"] is None:
            destination = f"s3://{parse_s3_address(source).bucket}"
            say(f"note: no DESTINATION is given; planned as if the report went to {destination}")
        planned = plan_run(make_options(source, destination, **asked))
        found = estimate_run(planned, prices=table, objects=objects)
        if json:
            print_json(
                {
                    "source": f"s3://{planned.bucket}/{planned.configuration.prefix}",
                    **found.to_json(),
                }
            )
        else:
            print_text("\n".join(estimate_lines(found)))
        for note in found.notes:
            say(f"note: {note}")


def estimate_lines(found: Estimate) -> list[str]:
    """A plan in a few lines: a figure, how sure it is, what it rests on."""
    once = found.total
    shares = ", ".join(
        f"{name} {_money(figure.value)}" for name, figure in found.money.items() if figure.value
    )
    files = counted(round(found.report_files.value), "file")
    rows = [
        ("objects", _bounded(found.objects, _whole), found.objects.rests_on),
        *(
            (str(call), _bounded(figure, _whole, "request"), figure.rests_on)
            for call, figure in found.requests.items()
        ),
        ("time", _bounded(found.seconds, duration), found.seconds.rests_on),
        ("received", _bounded(found.received_bytes, _bytes), found.received_bytes.rests_on),
        (
            "report",
            f"{_bounded(found.report_bytes, _bytes)} in {files}",
            found.report_bytes.rests_on,
        ),
        ("money", f"{_bounded(once, _money)} {found.prices.currency}", shares),
        (
            "a month",
            f"{_bounded(found.storage, _money)} {found.prices.currency}",
            "to keep the report",
        ),
    ]
    width = max(len(value) for _, value, _ in rows) + 2
    lines = [
        f"{name:<{_LABEL_WIDTH}}{value:<{width}}{visible(why)}".rstrip()
        for name, value, why in rows
    ]
    as_of = f", as of {found.prices.as_of}" if found.prices.as_of else ""
    prices = visible(f"prices      {found.prices.name}{as_of}")
    return [
        *lines,
        prices,
        f"asked       {counted(found.asked, 'request')} of the source to find this out",
    ]


def _bounded(figure: Figure, text: Callable[[float], str], noun: str = "") -> str:
    if not figure.value:
        return f"no {noun}s" if noun else text(0)
    shown = text(figure.value)
    bound = "" if shown.startswith(UNDER) else figure.bound
    plural = "" if round(figure.value) == 1 else "s"
    return f"{bound}{shown} {noun}{plural}" if noun else f"{bound}{shown}"


def _whole(value: float) -> str:
    return count(round(value))


def _bytes(value: float) -> str:
    return bytes_text(round(value))


def _money(value: float) -> str:
    """An amount: two places, or where it is small as many as show two digits of it."""
    if 0 < value < MONEY_SHOWN_MIN:
        return f"{UNDER}{MONEY_SHOWN_MIN}"
    places = 2 if value >= 1 or not value else 1 - floor(log10(value))
    return f"{value:,.{max(2, places)}f}"

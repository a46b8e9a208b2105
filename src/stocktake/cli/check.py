"""`stocktake check`: does it all work, before the first report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.borrowing import takes_the_words_of_run
from stocktake.cli.outcome import failures_told, print_json, visible
from stocktake.cli.panels import PACE
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from rich.table import Table

    from stocktake.model.checks import CheckResult

EXAMPLES = """\
stocktake check s3://photos s3://audit/inventory
stocktake check s3://photos s3://audit --fields all --versions All --encryption SSE-S3 --json
stocktake check s3://photos --configuration daily.json --endpoint-url http://rgw:8000
"""
WIDTH_IN_PIPES = 160
EXIT_CODES = {"ok": 0, "failed": 1, "unknown": 3}
_STYLES = {"ok": "green", "failed": "bold red", "unknown": "yellow"}
_VERDICTS = {
    "ok": "a run can do all that it is to do",
    "failed": "a run would fail, or its report lack something",
    "unknown": "nothing is known to be wrong, but not all could be tried",
}
# Words of `run` that change nothing of what is tried.
_OF_RUN_ALONE = (
    "format", "strict", "usage", "concurrency", "processes", "rate", "nice", "spool_folder", "remember",
    "no_remember", "revisit", "remember_for", "head_budget", "deadline", "quiet", "resume",
)  # fmt: skip


def _own(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="s3://bucket[/prefix]", show_default=False)
    ],
    *,
    time_max: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Try for so long at most; what is not known by then is unknown. Default: 60.",
            rich_help_panel=PACE,
        ),
    ] = None,
) -> None:
    """The parameters that only `check` has, or has otherwise than `run`."""


@takes_the_words_of_run(_own, without=_OF_RUN_ALONE)
def check(**asked: Any) -> None:
    """Try whether a run can do what it is to do.

    The source is listed for a page, and a few of its objects are asked about, as the fields need it. At the destination
    a small object is written, read and removed, with the encryption and ACL that reports have; nothing stays there.
    Exit code 0: all works. 1: something does not, and what to change stands beside it. 3: not all could be tried.
    """
    json, verbose = asked.pop("json"), asked.pop("verbose")
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.check import check as try_out
        from stocktake.service.options import make_options

        time_s_max = asked.pop("time_max")
        source, destination = asked.pop("source"), asked.pop("destination")
        options = make_options(source, destination, **asked)
        with ended_by_signals():
            found = try_out(options, time_s_max=time_s_max)
        if json:
            print_json(found.to_json())
        else:
            print_text(text_of(found))
        if exit_code := EXIT_CODES[found.verdict]:
            raise typer.Exit(exit_code)


def text_of(found: CheckResult) -> str:
    """What was found, as a table between a few lines."""
    from rich.console import Console

    in_pipe = sys.stdout is None or not sys.stdout.isatty()
    console = Console(highlight=False, width=WIDTH_IN_PIPES if in_pipe else None)
    with console.capture() as captured:
        console.print(_table(found))
    table = "\n".join(line.rstrip() for line in captured.get().splitlines())
    head = visible(f"{found.source} to {found.destination}")
    remedies = [f"{each.check}: {visible(each.remedy)}" for each in found.checks if each.remedy]
    left = [f"left behind: {visible(each)}" for each in found.left]
    verdict = f"{found.requests} requests; {_VERDICTS[found.verdict]}"
    return "\n".join([head, "", table, "", *remedies, *left, verdict])


def _table(found: CheckResult) -> Table:
    from rich.table import Table
    from rich.text import Text

    from stocktake.model.checks import CHECKS

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, ratio in (("", 2), ("question", 5), ("", 1), ("what was seen", 8)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for each in found.checks:
        answer = Text(str(each.outcome), style=_STYLES[each.outcome])
        fact = CHECKS[each.check]
        seen = Text(visible(each.evidence))
        table.add_row(Text(str(fact.side)), Text(fact.question), answer, seen)
    return table

"""`stocktake runs`: what was begun, what became of it, and clearing away what will not be finished."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli.groups import ExamplesGroup
from stocktake.cli.outcome import failures_told, print_json, say
from stocktake.cli.panels import OUTPUT, PanelCommand
from stocktake.cli.sinks import print_text

RUNS_EXAMPLES = """\
stocktake runs
stocktake runs --all --json
stocktake runs show 7k3m9q2x
stocktake runs abandon 7k3m9q2x
stocktake runs scheduled
stocktake runs now s3://photos daily
"""
SHOW_EXAMPLES = """\
stocktake runs show 7k3m9q2x
stocktake runs show 7k3m9q2x --json
"""
ABANDON_EXAMPLES = """\
stocktake runs abandon 7k3m9q2x --dry-run
stocktake runs abandon 7k3m9q2x --yes
"""
Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run, as `stocktake runs` calls it.", show_default=False),
]

app = typer.Typer(cls=ExamplesGroup, invoke_without_command=True, rich_markup_mode=None)


@app.callback(epilog=RUNS_EXAMPLES)
def runs(
    context: typer.Context,
    *,
    everything: Annotated[
        bool,
        typer.Option("--all", help="List finished runs of long ago, too.", rich_help_panel=OUTPUT),
    ] = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """List runs and what to do about each."""
    if context.invoked_subcommand is not None:
        return
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.cli.ledger import run_document, run_lines
        from stocktake.service.runs import list_runs

        records = list_runs(_state_folder(), everything=everything)
        if json:
            print_json({"runs": [run_document(record) for record in records]})
        else:
            print_text("\n".join(run_lines(records)))


@app.command(cls=PanelCommand, epilog=SHOW_EXAMPLES)
def show(run: Run, *, json: opt.Json = False, verbose: opt.Verbose = 0) -> None:
    """Say what became of a run and what it has."""
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.cli.ledger import details_document, details_lines
        from stocktake.service.runs import show_run

        details = show_run(_state_folder(), run)
        if json:
            print_json(details_document(details))
        else:
            print_text("\n".join(details_lines(details)))


@app.command(cls=PanelCommand, epilog=ABANDON_EXAMPLES)
def abandon(
    run: Run,
    *,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be removed.", rich_help_panel=OUTPUT),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=OUTPUT)
    ] = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Give a run up and remove what it left.

    That is every object that the run named and no manifest names, its open multipart uploads, and
    its rows on this machine. A run that is being worked on is refused.
    """
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.cli.ledger import leftovers_document, leftovers_lines
        from stocktake.service.abandoning import abandon_run, find_left

        folder = _state_folder()
        left = find_left(folder, run)
        if not json:
            print_text("\n".join(leftovers_lines(left)))
        if not dry_run:
            _ask(run, yes=yes)
            left = abandon_run(folder, run)
        if left.untold:
            say("note: the store does not say which multipart uploads are open; these were noted")
        if json:
            print_json(leftovers_document(run, left, removed=not dry_run))
        elif not dry_run:
            print_text(f"the run {run} is abandoned, and nothing of it is left")


def _ask(run: str, *, yes: bool) -> None:
    """Have the user confirm it.

    Raises:
        UsageError: there is nobody to ask.
        typer.Exit: the answer is no.
    """
    from stocktake.model.errors import UsageError

    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"nobody can be asked whether to abandon the run {run}",
            hint="--yes does not ask; --dry-run only shows what would be removed",
        )
    if not typer.confirm("remove all of this?", err=True):
        say("nothing was removed")
        raise typer.Exit(1)


def _state_folder() -> Path:
    from stocktake.service.settings import read_settings

    return read_settings().state_folder

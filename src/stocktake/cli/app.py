"""The application: its commands, its version, and what happens when it ends.

`stocktake --help` must answer at once, so only Typer and the standard library are imported here and
in the modules that declare commands; what a command needs, it imports when it runs.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Annotated

import typer

from stocktake.cli import (
    audit,
    check,
    config,
    demonstrate,
    diff,
    export,
    keys,
    notices,
    orphans,
    plan,
    policy,
    probe,
    query,
    read,
    retention,
    run,
    runs,
    scheduled,
    serve,
    settings,
    usage,
    worker,
)
from stocktake.cli.outcome import failures_told, say
from stocktake.cli.panels import PanelCommand
from stocktake.cli.sinks import give_up, print_text

# New objects. Imports make very many that stay, and looking for garbage among them is a tenth of a short command.
GARBAGE_LOOKED_FOR_AFTER = 250_000

app = typer.Typer(
    name="stocktake",
    help="S3 Inventory for every S3-compatible store.",
    epilog="`stocktake COMMAND --help` shows a command's options and examples.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=PanelCommand, epilog=run.EXAMPLES)(run.run)
app.command(cls=PanelCommand, epilog=read.SHOW_EXAMPLES)(read.show)
app.command(cls=PanelCommand, epilog=query.EXAMPLES)(query.query)
app.command(cls=PanelCommand, epilog=audit.EXAMPLES)(audit.audit)
app.command(cls=PanelCommand, epilog=usage.EXAMPLES)(usage.usage)
app.command(cls=PanelCommand, epilog=export.EXAMPLES)(export.export)
app.command(cls=PanelCommand, epilog=diff.EXAMPLES)(diff.diff)
app.command(cls=PanelCommand, epilog=read.VERIFY_EXAMPLES)(read.verify)
app.command(cls=PanelCommand, epilog=read.DDL_EXAMPLES)(read.ddl)
app.command(cls=PanelCommand, epilog=plan.EXAMPLES)(plan.plan)
app.command(cls=PanelCommand, epilog=probe.EXAMPLES)(probe.probe)
app.command(cls=PanelCommand, epilog=check.EXAMPLES)(check.check)
app.command(cls=PanelCommand, epilog=policy.POLICY_EXAMPLES)(policy.policy)
app.command(cls=PanelCommand, epilog=policy.LIFECYCLE_EXAMPLES)(policy.lifecycle)
app.command(cls=PanelCommand, epilog=worker.EXAMPLES)(worker.worker)
scheduled.add_to(runs.app)
notices.add_to(runs.app)
app.add_typer(runs.app, name="runs")
retention.add_to(orphans.app)
app.add_typer(orphans.app, name="reports")
app.add_typer(config.app, name="config")
app.add_typer(keys.app, name="keys")
app.command(cls=PanelCommand, epilog=serve.EXAMPLES)(serve.serve)
app.command(cls=PanelCommand, epilog=settings.EXAMPLES)(settings.settings)
app.command(cls=PanelCommand, epilog=demonstrate.EXAMPLES)(demonstrate.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        from stocktake import __version__

        with failures_told(as_json=False, verbose=0):
            print_text(f"stocktake {__version__}")
        raise typer.Exit


@app.callback()
def _stocktake(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def _leave_garbage() -> None:
    """Have the interpreter end without looking for garbage, a fifth of what a small run costs. DuckDB would tell of all
    that is never freed.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()


def main() -> None:
    """Run the command line; never returns."""
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    atexit.register(_leave_garbage)
    try:
        app(prog_name="stocktake")
    except OSError as error:
        # Commands tell their failures themselves; what is left is help that nobody can be given.
        say(f"error: stdout cannot be written: {error.strerror or error}")
        give_up(sys.stdout)
        raise SystemExit(1) from error

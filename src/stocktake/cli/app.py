"""The application: its version, and what happens when it ends.

`stocktake --help` must answer at once: a command is imported when it is asked for (`commands.py`), and
what it needs, when it runs.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Annotated

import typer

from stocktake.cli.commands import CommandTable
from stocktake.cli.outcome import failures_told, say
from stocktake.cli.sinks import give_up, print_text

# New objects. Imports make very many that stay, and looking for garbage among them is a tenth of a short command.
GARBAGE_LOOKED_FOR_AFTER = 250_000

app = typer.Typer(
    name="stocktake",
    cls=CommandTable,
    help="S3 Inventory for every S3-compatible store.",
    epilog="`stocktake COMMAND --help` shows a command's options and examples.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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

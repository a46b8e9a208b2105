"""The application: its version, and what happens when it ends.

`stocktake --help` must answer at once: a command is imported when it is asked for (`commands.py`), and
what it needs, when it runs.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Annotated

import typer

from stocktake.cli.commands import CommandTable
from stocktake.cli.outcome import failures_told, say
from stocktake.cli.sinks import give_up, print_text
from stocktake.startup import start_lean

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


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: always; it says with which code the command ended.
    """
    try:
        app(prog_name="stocktake")
    except OSError as error:
        # Commands tell their failures themselves; what is left is help that nobody can be given.
        say(f"error: stdout cannot be written: {error.strerror or error}")
        give_up(sys.stdout)
        raise SystemExit(1) from error


def program() -> None:
    """The program `stocktake`: the command line, and then this process ends."""
    start_lean()
    try:
        main()
    except SystemExit as ended:
        _leave(ended.code)
        raise


def _leave(code: object) -> None:
    """End the process with `code` at once, where nothing else goes on in it. The interpreter would take all its objects
    apart one by one before it ends, a tenth of what a small question costs.
    """
    if threading.active_count() > 1 or not isinstance(code, int):
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no other name for it
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except OSError:
        return  # the interpreter tells of it, by an exit code of its own
    os._exit(code)

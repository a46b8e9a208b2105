"""How a command fails: one `error:` line and its `hint:`, never a traceback nobody asked for."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from stocktake.cli.sinks import give_up, print_text


@contextmanager
def failures_told(*, as_json: bool, verbose: int) -> Iterator[None]:
    """Turn what goes wrong inside into words on stderr and an exit code.

    With `as_json` the failure is also the one JSON object on stdout:
    `{"error": {"kind", "message", "hint"}}`.

    Raises:
        typer.Exit: something went wrong and was told.
    """
    # The tree of errors imports next to nothing.
    from stocktake.model.errors import InventoryError

    try:
        yield
    except (typer.Exit, typer.Abort, typer.TyperException, KeyboardInterrupt):
        raise
    except InventoryError as error:
        _tell(type(error).__name__, error.message, error.hint, as_json=as_json)
        _trace(verbose)
        raise typer.Exit(error.exit_code) from error
    except Exception as error:
        message = f"internal error: {type(error).__name__}: {error}"
        hint = "this should not happen; run it again with -vv and report what it prints"
        _tell("InternalError", message, hint, as_json=as_json)
        _trace(verbose)
        raise typer.Exit(1) from error


@contextmanager
def refusals_told(*, as_json: bool) -> Iterator[None]:
    """Tell words that no command knows as every other failure is told: Typer's own way takes three lines. `as_json` is
    as `failures_told` has it.

    Raises:
        typer.Exit: they were told.
        typer.TyperException: one that holds help, for who has asked for nothing.
    """
    try:
        yield
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if context is not None and error.message == context.get_help():
            raise
        said = " ".join(error.format_message().split()).rstrip(".")
        asked = "stocktake COMMAND" if context is None else context.command_path
        hint = f"`{asked} --help` shows what it knows"
        _tell("UsageError", said[:1].lower() + said[1:], hint, as_json=as_json)
        raise typer.Exit(error.exit_code) from error


def visible(text: str) -> str:
    r"""`text` fit for a terminal: control characters, which could command it, become `\xNN`."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def on_one_line(text: str) -> str:
    r"""`visible`, and line breaks, which keys may hold, become `\n`, too."""
    return visible(text).replace("\n", "\\n")


def say(text: str) -> None:
    """Words for whoever watches, on stderr; data goes to stdout. Where nobody can, they are lost."""
    try:
        typer.echo(visible(text), err=True)
    except OSError:
        give_up(sys.stderr)  # a run is worth more than what is said of it


def print_json(document: object) -> None:
    """The one JSON object of a command, on stdout."""
    print_text(json.dumps(document, indent=2, ensure_ascii=not _utf8()))


def _utf8() -> bool:
    encoding = "" if sys.stdout is None else sys.stdout.encoding or ""
    return encoding.lower().replace("-", "") == "utf8"


def _tell(kind: str, message: str, hint: str, *, as_json: bool) -> None:
    from stocktake.model.errors import DestinationError
    from stocktake.model.secrets import without_secrets

    message = without_secrets(message)  # it may be a library's
    say(f"error: {message}")
    if hint:
        say(f"hint: {hint}")
    if as_json:
        try:
            print_json({"error": {"kind": kind, "message": message, "hint": hint}})
        except DestinationError as error:
            if error.message != message:
                say(f"error: {error.message}")


def _trace(verbose: int) -> None:
    from stocktake.model.secrets import without_secrets
    from stocktake.service.settings import wants_tracebacks

    if verbose >= 2 or wants_tracebacks():  # noqa: PLR2004
        say(without_secrets(traceback.format_exc()))

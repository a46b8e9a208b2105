"""`stocktake keys token`: tokens with which scripts ask the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.groups import ExamplesGroup
from stocktake.cli.outcome import failures_told, print_json, say, visible
from stocktake.cli.panels import PanelCommand
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.service.access_tokens import AccessToken

GRANT = "What the token may do"
GROUP_EXAMPLES = """\
stocktake keys token create --role writer --bucket 'team-a-*' --days 30
stocktake keys token list
stocktake keys token revoke k3m9q2x7ab
"""
CREATE_EXAMPLES = """\
stocktake keys token create --role writer --bucket 'team-a-*' --days 30
stocktake keys token create --role reader --bucket '*' --name dashboard --json
"""
LIST_EXAMPLES = """\
stocktake keys token list
stocktake keys token list --json
"""
REVOKE_EXAMPLES = """\
stocktake keys token revoke k3m9q2x7ab
"""

app = typer.Typer(cls=ExamplesGroup, no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=GROUP_EXAMPLES)
def token() -> None:
    """Make and end tokens, for scripts that ask `stocktake serve` by its JSON API.

    They lie, as hashes, in tokens.json beside the access keys. A server sees changes at once.
    """


@app.command(cls=PanelCommand, epilog=CREATE_EXAMPLES)
def create(
    *,
    role: Annotated[
        str,
        typer.Option(
            metavar="admin|writer|reader",
            help="As for keys: docs/api.md says what each may do.",
            rich_help_panel=GRANT,
            show_default=False,
        ),
    ],
    bucket: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Buckets that it is for, sources and destinations alike; `*` stands for anything.",
            rich_help_panel=GRANT,
            show_default=False,
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An optional field that it may ask for; more than once for more. Default: all.",
            rich_help_panel=GRANT,
        ),
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="For how long it holds, 1 to 3650 days. Default: 90.",
            rich_help_panel=GRANT,
            show_default=False,
        ),
    ] = 90,
    name: Annotated[str, typer.Option(metavar="TEXT", help="Whose it is, for people.")] = "",
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Make a token and print it, this once."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.model.access import Role
        from stocktake.service import house
        from stocktake.service.access_keys import made_grant
        from stocktake.service.access_tokens import create_token
        from stocktake.service.options import choose

        grant = made_grant(choose(Role, role, "role"), bucket or (), field)
        made, shown = create_token(_file(), grant, name, days=days, now=house.now())
        if json:
            print_json({**_document(made), "token": shown})
        else:
            print_text(shown)
            say(f"note: it holds until {made.expires:%Y-%m-%d %H:%M} UTC, and is not shown again")


@app.command("list", cls=PanelCommand, epilog=LIST_EXAMPLES)
def list_(*, json: opt.Json = False, verbose: opt.Verbose = 0) -> None:
    """List the tokens, the newest first; what they are is kept nowhere."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service import house
        from stocktake.service.access_tokens import list_tokens

        found = list_tokens(_file())
        if json:
            print_json({"tokens": [_document(each) for each in found]})
        else:
            now = house.now()
            lines = [_line(each, over=each.expires <= now) for each in found]
            print_text("\n".join(lines) or "there are no tokens")


@app.command(cls=PanelCommand, epilog=REVOKE_EXAMPLES)
def revoke(
    id: Annotated[  # noqa: A002 - what it is called everywhere
        str, typer.Argument(metavar="ID", help="The token's Id.", show_default=False)
    ],
    *,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """End a token. A running server knows at once."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service.access_tokens import revoke_token

        gone = revoke_token(_file(), id)
        if json:
            print_json({"revoked": gone.id})
        else:
            print_text(f"revoked {gone.id}")


def _document(each: AccessToken) -> dict[str, Any]:
    return each.model_dump(mode="json", exclude={"sha256"})


def _line(each: AccessToken, *, over: bool) -> str:
    end = f"{'over since' if over else 'until'} {each.expires:%Y-%m-%d %H:%M}"
    fields = "" if each.fields is None else f"  fields {', '.join(each.fields)}"
    name = f"  ({visible(each.name)})" if each.name else ""
    return f"{each.id}  {each.role:6}  {', '.join(each.buckets)}{fields}  {end}{name}"


def _file() -> Path:
    from stocktake.service import house
    from stocktake.service.access_tokens import tokens_file

    return tokens_file(house.settings().keys_file)

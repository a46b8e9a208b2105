"""`stocktake keys`: who may ask the service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli import tokens
from stocktake.cli.groups import ExamplesGroup
from stocktake.cli.outcome import failures_told, print_json
from stocktake.cli.panels import PanelCommand
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.model.access import Grant
    from stocktake.service.access_keys import ListedKey

GRANT = "What the key may do"
GROUP_EXAMPLES = """\
stocktake keys create --role admin --bucket '*'
stocktake keys import user.json --role writer --bucket 'team-a-*'
stocktake keys list
stocktake keys delete AKIAIOSFODNN7EXAMPLE
stocktake keys token create --role reader --bucket '*'
"""
CREATE_EXAMPLES = """\
stocktake keys create --role admin --bucket '*'
stocktake keys create --role reader --bucket 'team-a-*' --name auditors --json
"""
IMPORT_EXAMPLES = """\
radosgw-admin user info --uid alice | stocktake keys import - --role writer --bucket 'alice-*'
stocktake keys import ~/.aws/credentials --role admin --bucket '*'
"""
LIST_EXAMPLES = """\
stocktake keys list
stocktake keys list --json
"""
DELETE_EXAMPLES = """\
stocktake keys delete AKIAIOSFODNN7EXAMPLE
"""

Role = Annotated[
    str,
    typer.Option(
        metavar="admin|writer|reader",
        help="Readers look, writers put, delete and run, too, admins all: docs/api.md has a table.",
        rich_help_panel=GRANT,
        show_default=False,
    ),
]
Buckets = Annotated[
    list[str] | None,
    typer.Option(
        "--bucket",
        metavar="PATTERN",
        help="Buckets that it is for, sources and destinations alike; `*` stands for anything.",
        rich_help_panel=GRANT,
        show_default=False,
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME",
        help="An optional field that it may ask for; more than once for more. Default: all.",
        rich_help_panel=GRANT,
    ),
]
AccessKey = Annotated[
    str, typer.Argument(metavar="ACCESS_KEY", help="The access key.", show_default=False)
]

app = typer.Typer(cls=ExamplesGroup, no_args_is_help=True, rich_markup_mode=None)


app.add_typer(tokens.app, name="token")


@app.callback(epilog=GROUP_EXAMPLES)
def keys() -> None:
    """Say who may ask `stocktake serve`, and for what.

    The keys lie in a file of this user's alone; STOCKTAKE_KEYS_FILE says which. A server sees changes at once.
    """


@app.command(cls=PanelCommand, epilog=CREATE_EXAMPLES)
def create(
    *,
    role: Role,
    bucket: Buckets = None,
    field: Fields = None,
    name: Annotated[str, typer.Option(metavar="TEXT", help="Whose it is, for people.")] = "",
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Make a new pair of keys and print it, this once."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service.access_keys import create_key

        made = create_key(_file(), _grant(role, bucket, field), name)
        if json:
            print_json({"access_key": made.access_key, "secret_key": made.secret_key})
        else:
            print_text(f"access key  {made.access_key}\nsecret key  {made.secret_key}")


@app.command("import", cls=PanelCommand, epilog=IMPORT_EXAMPLES)
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="What `radosgw-admin user info` prints, or an AWS credentials file; - is stdin.",
            show_default=False,
        ),
    ],
    *,
    role: Role,
    bucket: Buckets = None,
    field: Fields = None,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Take over the pairs of keys that users of the store have, so that they sign as ever."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service.importing_keys import import_keys

        given = sys.stdin.buffer if source == "-" else Path(source)
        found = import_keys(_file(), given, _grant(role, bucket, field))
        if json:
            print_json({"imported": [key.access_key for key in found]})
        else:
            print_text("\n".join(f"imported {key.access_key} of {key.name}" for key in found))


@app.command("list", cls=PanelCommand, epilog=LIST_EXAMPLES)
def list_(*, json: opt.Json = False, verbose: opt.Verbose = 0) -> None:
    """List the keys, without their secrets."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service.access_keys import list_keys

        found = list_keys(_file())
        if json:
            print_json({"keys": [_document(key) for key in found]})
        else:
            print_text(_lines(found))


@app.command(cls=PanelCommand, epilog=DELETE_EXAMPLES)
def delete(key: AccessKey, *, json: opt.Json = False, verbose: opt.Verbose = 0) -> None:
    """Take a key away; whoever has it is refused from then on."""
    with failures_told(as_json=json, verbose=verbose):
        from stocktake.service.access_keys import delete_key

        delete_key(_file(), key)
        if json:
            print_json({"deleted": key})
        else:
            print_text(f"deleted {key}")


def _grant(role: str, buckets: Sequence[str] | None, fields: Sequence[str] | None) -> Grant:
    from stocktake.model.access import Role as Roles
    from stocktake.service.access_keys import made_grant
    from stocktake.service.options import choose

    return made_grant(choose(Roles, role, "role"), buckets or (), fields)


def _document(key: ListedKey) -> dict[str, object]:
    return {
        "access_key": key.access_key,
        "name": key.name,
        "role": key.grant.role,
        "buckets": list(key.grant.buckets),
        "fields": None if key.grant.fields is None else list(key.grant.fields),
        "secret": key.secret,
    }


def _lines(found: Sequence[ListedKey]) -> str:
    if not found:
        return "nobody has a key"
    width = max(len(key.access_key) for key in found)
    return "\n".join(
        f"{key.access_key:{width}}  {key.grant.role:6}  {', '.join(key.grant.buckets)}"
        + (f"  fields {', '.join(key.grant.fields)}" if key.grant.fields is not None else "")
        + (f"  ({key.name})" if key.name else "")
        for key in found
    )


def _file() -> Path:
    from stocktake.service.settings import read_settings

    return read_settings().keys_file

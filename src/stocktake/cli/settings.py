"""`stocktake settings`: what holds, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json

if TYPE_CHECKING:
    from stocktake.service.settings import Effective

EXAMPLES = """\
stocktake settings
stocktake settings --settings stocktake.toml --json
"""
NOTHING = "-"


def settings(
    *,
    settings: opt.SettingsFile = None,
    as_json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Show the settings as they hold, and who says so.

    That is the default, a variable, or a line of the file. A variable comes before the file, and an option of a
    command before both. Secrets are masked. A file with a mistake is refused, with the way out.
    """
    with failures_told(as_json=as_json, verbose=verbose):
        from stocktake.cli.sinks import print_text
        from stocktake.service.commands.settings import show_settings

        found = show_settings(settings)
        if as_json:
            print_json({"settings": [_document(each) for each in found]})
            return
        width = max(len(each.key) for each in found)
        values = [_told(each) for each in found]
        value_width = min(max(map(len, values)), 40)
        for each, value in zip(found, values, strict=True):
            print_text(f"{each.key:{width}}  {value:{value_width}}  {each.origin}")


def _told(each: Effective) -> str:
    """The value; what is found out only when it is needed, in the words of the table."""
    value = each.value
    if value is None:
        return each.setting.told.replace("`", "") or NOTHING
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _document(each: Effective) -> dict[str, Any]:
    return {
        "key": each.key,
        "value": each.value,
        "origin": each.origin,
        "default": each.setting.default,
        "default_told": each.setting.told or None,
        "unit": each.setting.unit or None,
        "variable": each.setting.variable,
        "meaning": each.setting.meaning,
    }

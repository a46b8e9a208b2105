"""The command line's words for the options beside a configuration, and what they change of those there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from stocktake.model.errors import UsageError
from stocktake.model.report_options import changed_options, parse_report_options

RETENTION = ("keep_last", "keep_days")  # said together: whoever says one of them means no other
# Those that an empty text takes back.
_TAKEN_BACK = ("destination_store", "revisit", "remember_for", "head_budget", "deadline")


class OptionWords(TypedDict, total=False):
    """What a user says of options, in their names. None is not said, and leaves what is there; an empty text takes back
    what was said. `extension_fields` has commas between names; `forever` takes back what says which reports are to go.
    """

    hour: int | None
    extension_fields: str | None
    destination_store: str | None
    owner_full_control: bool | None
    strict: bool | None
    remember: bool | None
    revisit: str | None
    remember_for: str | None
    head_budget: str | None
    deadline: str | None
    keep_last: int | None
    keep_days: int | None
    forever: bool


def option_change(words: OptionWords, where: str) -> Mapping[str, Any]:
    """What `words` change of the options beside the configuration `where`, as `changed_options` takes it; empty where
    they say nothing.

    Raises:
        UsageError: they contradict each other.
        OptionsError: they make no sense, whatever is there.
    """
    said: dict[str, Any] = {name: value for name, value in words.items() if value is not None}
    forever = said.pop("forever", False)
    if forever and any(name in said for name in RETENTION):
        raise UsageError("--forever and --keep-last or --keep-days contradict each other")
    if "extension_fields" in said:
        names = said["extension_fields"].split(",")
        said["extension_fields"] = [name.strip() for name in names if name.strip()]
    said |= {name: None for name in _TAKEN_BACK if said.get(name) == ""}
    if (budget := said.get("head_budget")) is not None:
        said["head_budget"] = _number(budget)
    if forever or any(name in said for name in RETENTION):
        said = dict.fromkeys(RETENTION) | said
    changed_options(parse_report_options({}, where), said, where)
    return said


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(
            f"--head-budget `{text}` is no number; expected 0 or more, or an empty text for no bound"
        )
    return int(text)

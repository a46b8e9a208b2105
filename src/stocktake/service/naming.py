"""Which report is called what in a question over several, and on which store each of them lies. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stocktake.analysis.relation import VIEW
from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.service.options import StoreKeywords, make_store

_TRUE = {"true": True, "false": False}


def named_reports(
    words: Sequence[str | None], names: Sequence[str]
) -> tuple[dict[str, str], str | None]:
    """The addresses of reports by the names of their tables, and the SQL, where there is any.

    `words` are REPORT and SQL as they stood on the command line. One word alone is a report's address, but where
    reports are named by `names` (`NAME=REPORT`) it is the SQL.

    Raises:
        UsageError: a name that is given twice or is none, or no report at all.
    """
    given = [word for word in words if word is not None]
    addresses: dict[str, str] = {}
    if given and (len(given) > 1 or not names):
        addresses[VIEW] = given.pop(0)
    for text in names:
        name, equals, address = text.partition("=")
        if not (name and equals and address):
            raise UsageError(f"`--name {text}` names no report; expected NAME=REPORT")
        if name.lower() in (known.lower() for known in addresses):
            raise UsageError(
                f"two reports are called `{name}`; expected a name of its own for each"
            )
        addresses[name] = address
    if not addresses:
        raise UsageError(
            "of what? REPORT is missing",
            hint="a manifest.json, a report folder or a configuration folder; or --name NAME=REPORT",
        )
    return addresses, given[0] if given else None


def named_stores(
    texts: Sequence[str], names: Mapping[str, str], shared: StoreKeywords
) -> dict[str, Store]:
    """The stores of the reports that `texts` (`NAME:OPTION=VALUE`) say something about, each with what `shared` says
    of all beside its own.

    Raises:
        UsageError: no such name, no such option, or a store that makes no sense.
    """
    words: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, _, option = text.partition(":")
        word, equals, value = option.partition("=")
        if name not in names:
            raise UsageError(
                f"`--store {text}` is of no report; expected one of {', '.join(names)} before the colon"
            )
        known = word.replace("-", "_")
        if not equals or known not in StoreKeywords.__annotations__:
            options = ", ".join(each.replace("_", "-") for each in StoreKeywords.__annotations__)
            raise UsageError(
                f"`--store {text}` says nothing of a store; expected NAME:OPTION=VALUE with one of {options}"
            )
        words.setdefault(name, {**shared})[known] = _TRUE.get(value.lower(), value)
    return {name: make_store(**own) for name, own in words.items()}

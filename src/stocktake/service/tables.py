"""The user's own tables, small TOML files: prices, and the policies of audits."""

from __future__ import annotations

from pathlib import Path

from stocktake.analysis.audits.policy import Policy, parse_policy
from stocktake.model.errors import UsageError
from stocktake.model.prices import AWS, BY_WORD, Prices, parse_prices
from stocktake.service import house

TABLE_BYTES_MAX = 2**16


def load_prices(text: str | None) -> Prices:
    """The price table that the word `aws` or `free`, or a file's path, stands for; AWS's unless one is named.

    Raises:
        UsageError: it cannot be read, or is no price table.
    """
    if text is None or text.lower() in BY_WORD:
        return AWS if text is None else BY_WORD[text.lower()]
    hint = f"give a TOML file, or one of {', '.join(BY_WORD)}"
    return parse_prices(_read(Path(text), "price table", hint), text)


def load_policy(path: str | Path, prices: Prices) -> Policy:
    """The policy in a file, which may name the storage classes of AWS and those of `prices`.

    Raises:
        UsageError: it cannot be read, or is no policy.
    """
    text = _read(Path(path), "policy", "docs/audits.md has an example")
    return parse_policy(text, str(path), prices)


def _read(path: Path, what: str, hint: str) -> str:
    try:
        with (house.settings().working_folder / path.expanduser()).open("rb") as file:
            body = file.read(TABLE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(
            f"the {what} {path} cannot be read: {error.strerror}", hint=hint
        ) from error
    if len(body) > TABLE_BYTES_MAX:
        raise UsageError(f"{path} is larger than a {what} can be")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the {what} {path} is no UTF-8") from error

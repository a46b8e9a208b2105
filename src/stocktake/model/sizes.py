"""Bytes as people write them."""

from __future__ import annotations

import re
from decimal import Decimal

from stocktake.model.errors import UsageError

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "bytes": 1} | {
    f"{letter}{kind}": step ** (power + 1)
    for power, letter in enumerate("kmgt")
    for kind, step in (("", 1024), ("ib", 1024), ("b", 1000))
}


def parse_bytes(text: str, what: str) -> int:
    """The bytes in `2GiB`, `500MB`, `1.5g` or `1000`: a letter alone is a binary unit, `MB` a decimal one.

    Raises:
        UsageError: it is no size; the message says of `what`.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise UsageError(f"{what} `{text}` is no size; expected such as 2GiB or 500MB")
    return int(Decimal(match[1]) * _UNITS[match[2].lower()])

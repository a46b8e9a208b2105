"""The first folders of a key, in SQL: what lies where is told by them."""

from __future__ import annotations

# Up to here, positions of slashes cost two thirds of what a pattern does, and a quarter where names are long.
_BY_POSITION_MAX = 2


def first_folders(text: str, depth: int) -> str:
    """The SQL expression for the first folders of the key that the expression `text` yields, at most `depth` of them,
    each with its slash; empty where it is in none.
    """
    if depth > _BY_POSITION_MAX:
        return f"regexp_extract({text}, '^(?:[^/]*/){{0,{depth}}}')"
    return f"substr({text}, 1, {_end(text, depth)})"


def _end(text: str, depth: int) -> str:
    """Where the last of these folders ends, in characters."""
    if depth == 0:
        return "0"
    if depth == 1:
        return f"instr({text}, '/')"
    before = _end(text, depth - 1)
    return f"{before} + instr(substr({text}, {before} + 1), '/')"

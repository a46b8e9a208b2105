"""Warnings for people who use stocktake from Python, told of the line that is theirs."""

from __future__ import annotations

import inspect
import warnings

# Between a caller and a context manager of ours stands the library's.
_PASSED_BY = ("stocktake", "contextlib")


def warn_caller(text: str) -> None:
    """Warn of `text`, by the line that called into stocktake: Python shows a warning once for each line."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and _package(frame.f_globals) in _PASSED_BY:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]

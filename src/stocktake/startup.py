"""How a program of stocktake begins, before it has loaded anything large."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# New objects. Imports make very many that stay, and looking for garbage among them is a tenth of a short command.
# Afterwards little is made that is ever garbage: batches are counted, not traced.
_GARBAGE_LOOKED_FOR_AFTER = 250_000

# Arrow loads them wherever they are installed, for values that no program of stocktake ever hands it. Both together
# take as long as all else that a small question loads, and 45 MB in every process.
_LEFT_OUT = frozenset({"numpy", "pandas"})


class _LeftOut(MetaPathFinder):
    """Says of some libraries that they are not installed."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - what importlib asks with
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname in _LEFT_OUT:
            raise ModuleNotFoundError(
                f"{fullname} is left out of stocktake's own programs", name=fullname
            )
        return None


def start_lean() -> None:
    """Have this process load and trace no more than it needs. For whole programs: whoever calls stocktake from Python
    has libraries of their own.
    """
    gc.set_threshold(_GARBAGE_LOOKED_FOR_AFTER)
    sys.meta_path.insert(0, _LeftOut())

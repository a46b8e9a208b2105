"""The use case about settings: what holds. It is checked, as `stocktake serve` would check it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stocktake.service.server_settings import check_sites, server_settings
from stocktake.service.settings import Effective, effective_settings, read_settings


def show_settings(file: Path | None) -> Sequence[Effective]:
    """Every setting as it holds by `file`, else by the file that the environment names, in the order of the table.
    Secrets are masked.

    Raises:
        UsageError: the file cannot be read, a key in it is unknown, a value makes no sense, or a store cannot be asked
            as it is described.
    """
    said = read_settings(file=file).file
    if said is not None and said.stores:
        check_sites(server_settings(file).sites)  # with what hangs together, too
    return effective_settings(file=file)

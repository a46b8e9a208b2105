"""What the environment says to stocktake itself; AWS's own variables are read in `store/`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Every variable, with what it means; the documentation and the tests go by this table.
VARIABLES: dict[str, str] = {
    "STOCKTAKE_DEBUG": "1: show tracebacks, as -vv does",
    "STOCKTAKE_SPOOL_FOLDER": "where rows wait for their data file; --spool-folder comes before it",
}

_NO = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole life of the process."""

    debug: bool  # tracebacks are for those who ask
    spool_folder: Path  # on a disk with room for a run's rows, as Arrow: a few hundred bytes a row
    working_folder: Path  # where relative paths start
    cores: int  # that this process may use


def _cores() -> int:
    # Containers are given fewer cores than the machine has; not every system can tell.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environment`, which is the process's own unless given."""
    variables = os.environ if environment is None else environment
    return Settings(
        debug=variables.get("STOCKTAKE_DEBUG", "").strip().lower() not in _NO,
        spool_folder=Path(variables.get("STOCKTAKE_SPOOL_FOLDER") or tempfile.gettempdir()),
        working_folder=Path.cwd(),
        cores=_cores(),
    )

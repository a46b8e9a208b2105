"""What the environment says to stocktake itself; AWS's own variables are read in `store/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Every variable, with what it means; the documentation and the tests go by this table.
VARIABLES: dict[str, str] = {
    "STOCKTAKE_DEBUG": "1: show tracebacks, as -vv does",
    "STOCKTAKE_KEYS_FILE": "where the access keys lie that `stocktake serve` knows; without it `keys.json` in the"
    " state folder",
    "STOCKTAKE_LEDGER": "where the ledger is instead of in the state folder: postgresql://USER[:PASSWORD]@HOST/DATABASE",
    "STOCKTAKE_MEMORY": "what a question about a report may take, such as 4GiB; --memory comes before it; without"
    " either, 2GiB",
    "STOCKTAKE_SPILL_FOLDER": "where what does not fit that memory goes meanwhile; --spill-folder comes before it;"
    " without either, the system's folder for temporary files",
    "STOCKTAKE_SPOOL_FOLDER": "where rows wait for their data file; --spool-folder comes before it;"
    " without either, `spool` in the state folder",
    "STOCKTAKE_STATE_FOLDER": "where the ledger of runs lies; without it $XDG_STATE_HOME/stocktake or"
    " ~/.local/state/stocktake",
    "STOCKTAKE_THREADS": "how many threads a question about a report may use; --threads comes before it; without"
    " either, the cores of this process",
}

SPOOL = "spool"  # in the state folder
KEYS = "keys.json"  # likewise
_NO = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole life of the process."""

    debug: bool  # tracebacks are for those who ask
    spool_folder: Path  # on a disk with room for a run's rows, as Arrow: a few hundred bytes a row
    state_folder: Path  # where the ledger lies, unless it is at `ledger`
    ledger: str | None  # the URL of a PostgreSQL database; it may hold a password
    keys_file: Path  # the access keys of those who may ask the service
    working_folder: Path  # where relative paths start
    cores: int  # that this process may use
    memory: str | None  # of a question, as it is written
    threads: str | None  # of a question, as it is written
    spill_folder: Path | None  # of a question; None: the system's


def _cores() -> int:
    # Containers are given fewer cores than the machine has; not every system can tell.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _state_folder(variables: Mapping[str, str]) -> Path:
    if named := variables.get("STOCKTAKE_STATE_FOLDER"):
        return Path(named).absolute()
    home = Path(variables.get("XDG_STATE_HOME", ""))
    # The XDG specification has relative paths ignored.
    above = home if home.is_absolute() else Path.home() / ".local" / "state"
    return above / "stocktake"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environment`, which is the process's own unless given."""
    variables = os.environ if environment is None else environment
    state_folder = _state_folder(variables)
    spill_folder = variables.get("STOCKTAKE_SPILL_FOLDER")
    return Settings(
        debug=variables.get("STOCKTAKE_DEBUG", "").strip().lower() not in _NO,
        spool_folder=Path(variables.get("STOCKTAKE_SPOOL_FOLDER") or state_folder / SPOOL),
        state_folder=state_folder,
        keys_file=Path(variables.get("STOCKTAKE_KEYS_FILE") or state_folder / KEYS).absolute(),
        ledger=variables.get("STOCKTAKE_LEDGER") or None,
        working_folder=Path.cwd(),
        cores=_cores(),
        memory=variables.get("STOCKTAKE_MEMORY") or None,
        threads=variables.get("STOCKTAKE_THREADS") or None,
        spill_folder=Path(spill_folder) if spill_folder else None,
    )


def secret_variable(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The secret in the variable that a file of access keys names; None where it is not set."""
    return (os.environ if environment is None else environment).get(name)

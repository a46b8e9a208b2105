"""What holds for stocktake itself: by the environment, else by the file of settings, else by default. AWS's own
variables are read in `store/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.model.secrets import without_secrets
from stocktake.service.setting_table import (
    FILE_VARIABLE,
    NAMED_SETTINGS,
    SETTINGS,
    Kind,
    Setting,
    from_text,
)
from stocktake.service.settings_file import SettingsFile, read_settings_file

SPOOL = "spool"  # in the state folder
KEYS = "keys.json"  # likewise
MASK = "********"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole life of the process; `setting_table.py` says what each means."""

    file: SettingsFile | None  # the stores are described there
    debug: bool  # tracebacks are for those who ask
    spool_folder: Path  # on a disk with room for a run's rows, as Arrow: a few hundred bytes a row
    state_folder: Path  # where the ledger lies, unless it is at `ledger`
    ledger: str | None = field(
        repr=False
    )  # the URL of a PostgreSQL database; it may hold a password
    keys_file: Path  # the access keys of those who may ask the service
    working_folder: Path  # where relative paths start
    cores: int  # that this process may use
    file_rows: int  # of a data file, at most
    memory: str | None  # of a question, as it is written
    threads: int | None  # of a question
    spill_folder: Path | None  # of a question; None: the system's
    listen: str  # HOST:PORT
    workers: int  # beside a server
    metrics_token: str | None = field(repr=False)  # who has it may read the metrics
    metrics_configurations: int
    server: str | None  # the URL of the one that commands ask
    token: str | None = field(repr=False)  # to ask it with
    lease_s: float
    log_format: str


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting as it holds: `value` as it may be shown, None where there is none, and who says so: `default`, the file
    with its line, or a variable.
    """

    key: str
    value: Any
    origin: str
    setting: Setting


def _cores() -> int:
    # Containers are given fewer cores than the machine has; not every system can tell.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_state_folder(variables: Mapping[str, str]) -> Path:
    home = Path(variables.get("XDG_STATE_HOME", ""))
    if home.is_absolute():  # the XDG specification has others ignored
        return home / "stocktake"
    try:
        return Path.home() / ".local" / "state" / "stocktake"
    except RuntimeError as error:
        raise UsageError(
            "nobody knows where this user's home is, and so where the state folder is",
            hint="name a folder with STOCKTAKE_STATE_FOLDER, or set HOME",
        ) from error


def read_settings(
    environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """The settings by `environment`, which is the process's own unless given, and by `file`, else the one that the
    environment names.

    Raises:
        UsageError: the file cannot be read, a key in it is unknown, or a value makes no sense.
    """
    variables = os.environ if environment is None else environment
    said = _file(variables, file)
    told: dict[str, Any] = {each.field: _value(each, variables, said) for each in SETTINGS}
    state_folder = told["state_folder"] or _default_state_folder(variables)
    told |= {
        "state_folder": state_folder,
        "spool_folder": told["spool_folder"] or state_folder / SPOOL,
        "keys_file": (told["keys_file"] or state_folder / KEYS).absolute(),
    }
    return Settings(file=said, working_folder=Path.cwd(), cores=_cores(), **told)


def effective_settings(
    environment: Mapping[str, str] | None = None, file: Path | None = None
) -> list[Effective]:
    """Every setting as it holds, in the order of the table, then those of each store and webhook in the file.
    Secrets are masked.

    Raises:
        UsageError: as `read_settings`.
    """
    variables = os.environ if environment is None else environment
    settings = read_settings(variables, file)
    found = [
        Effective(
            each.key,
            _shown(each, getattr(settings, each.field)),
            _origin(each, variables, settings.file),
            each,
        )
        for each in SETTINGS
    ]
    return found + list(_of_named(settings.file, variables))


def _of_named(said: SettingsFile | None, variables: Mapping[str, str]) -> Iterator[Effective]:
    if said is None:
        return
    for section, settings in NAMED_SETTINGS.items():
        for name, table in said.named.get(section, {}).items():
            for each in settings:
                leaf = each.key.rpartition(".")[2]
                key = f"{section}.{name}.{leaf}"
                origin = said.place(key) if leaf in table else DEFAULT
                value = table.get(leaf)
                shown = _shown(each, value)
                if (
                    value is not None
                    and each.names_secret
                    and not _is_there(each, value, variables)
                ):
                    shown = MASK
                yield Effective(key, shown, origin, each)


def _is_there(setting: Setting, value: str | Path, variables: Mapping[str, str]) -> bool:
    """Whether there is such a file, or such a variable."""
    return os.path.isfile(value) if setting.kind is Kind.PATH else value in variables  # noqa: PTH113 - takes any text


def _file(variables: Mapping[str, str], file: Path | None) -> SettingsFile | None:
    named = file or variables.get(FILE_VARIABLE)
    return read_settings_file(Path(named)) if named else None


def _value(setting: Setting, variables: Mapping[str, str], said: SettingsFile | None) -> Any:
    """The value of a setting; None where nobody says it and it has no default."""
    if setting.variable and (text := variables.get(setting.variable)):
        value = from_text(setting, text)
        return Path(value).absolute() if setting.kind is Kind.PATH else value
    return setting.default if said is None else said.values.get(setting.key, setting.default)


def _origin(setting: Setting, variables: Mapping[str, str], said: SettingsFile | None) -> str:
    """Who says so."""
    if setting.variable and variables.get(setting.variable):
        return setting.variable
    return DEFAULT if said is None or setting.key not in said.values else said.place(setting.key)


def _shown(setting: Setting, value: Any) -> Any:
    if not isinstance(value, str):
        return str(value) if isinstance(value, Path) else value
    if not setting.secret:
        return without_secrets(value)
    if "://" not in value:
        return MASK
    scheme, _, rest = without_secrets(value).partition("://")
    if scheme.startswith("postgresql"):
        # A query may hold one, too, by a name that nobody knows.
        return f"{scheme}://{rest.partition('?')[0]}"
    # Webhooks often have theirs in the path.
    host = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
    return f"{scheme}://{host}/{MASK}"


def secret_variable(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The secret in the variable that a file of access keys names; None where it is not set."""
    return (os.environ if environment is None else environment).get(name)


def wants_tracebacks() -> bool:
    """Whether failures show tracebacks; not, where even that cannot be found out."""
    try:
        return read_settings().debug
    except UsageError:
        return False

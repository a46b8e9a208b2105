"""`stocktake.toml`: read by the table of settings, so that a mistake is named with its line and the way out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.service.setting_table import BY_KEY, NAMED, STORES, WEBHOOKS, Kind, checked, nearest

FILE_BYTES_MAX = 2**20
NAME = "NAME"  # what stands in the table of settings where users choose
LINES_MAX = 2000  # of files in which lines are looked for


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file of settings says. `values` are checked, by their whole keys; paths are absolute. `named` are the
    tables of what users name, such as stores: by section and name.
    """

    path: Path
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)  # some are secrets
    named: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)

    @property
    def stores(self) -> Mapping[str, Mapping[str, Any]]:
        """The tables of the stores, by name."""
        return self.named.get(STORES, {})

    @property
    def webhooks(self) -> Mapping[str, Mapping[str, Any]]:
        """The tables of the webhooks, by name."""
        return self.named.get(WEBHOOKS, {})

    def place(self, key: str) -> str:
        """Where a key stands: the file, and its line where that can be told."""
        line = _line_of(self.text, key)
        return f"{self.path}, line {line}" if line else str(self.path)


def read_settings_file(path: Path) -> SettingsFile:
    """The file at `path`, which may be read anew or not where it has not changed.

    Raises:
        UsageError: it cannot be read, or holds an unknown key or a value that makes no sense.
    """
    try:
        seen = path.stat()
    except OSError as error:
        raise UsageError(
            f"the settings {path} cannot be read: {error.strerror or error}"
        ) from error
    return _read(path.absolute(), (seen.st_mtime_ns, seen.st_size, seen.st_ino))


@lru_cache(8)
def _read(path: Path, _stamp: object) -> SettingsFile:
    try:
        with path.open("rb") as opened:
            text = opened.read(FILE_BYTES_MAX + 1).decode()
        if len(text) > FILE_BYTES_MAX:
            raise UsageError(f"the settings {path} are longer than {FILE_BYTES_MAX} bytes")
        document = tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"the settings {path} cannot be read: {error.strerror or error}"
        ) from error
    except RecursionError as error:
        raise UsageError(
            f"the settings {path} are nested too deep; expected tables of keys"
        ) from error
    except ValueError as error:
        raise UsageError(f"the settings {path} are no TOML: {error}") from error
    said = SettingsFile(path, text=text)
    values = dict[str, Any]()
    named: dict[str, dict[str, dict[str, Any]]] = {
        section: {name: {} for name in _table(document.get(section, {}), section, said)}
        for section in NAMED
    }
    for key, name, value in _leaves(document, said):
        setting = BY_KEY[key]
        section, _, leaf = key.rpartition(f".{NAME}.")
        told = f"{section}.{name}.{leaf}" if name is not None else key
        found = checked(setting, value, f"`{told}` in {said.place(told)}")
        if setting.kind is Kind.PATH:
            found = path.parent / _at_home(Path(found), f"`{told}` in {said.place(told)}")
        if name is None:
            values[key] = found
        else:
            named[section][name][leaf] = found
    return SettingsFile(path, values, named, text)


def _at_home(path: Path, where: str) -> Path:
    """`path`, in which `~` is somebody's home.

    Raises:
        UsageError: nobody knows where that is.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{where} is `{path}`, and nobody knows where that home is", hint="write the whole path"
        ) from error


def _leaves(
    document: Mapping[str, Any], said: SettingsFile
) -> Iterator[tuple[str, str | None, Any]]:
    """Each known key with its value; of what users name, with the name.

    Raises:
        UsageError: a key is unknown, or a table is none.
    """
    sections = {key.partition(".")[0] for key in BY_KEY if "." in key}
    for name, value in document.items():
        if name not in sections:
            yield _known(name, name, said), None, value
            continue
        for inner, found in _table(value, name, said).items():
            whole = f"{name}.{inner}"
            if name not in NAMED:
                yield _known(whole, whole, said), None, found
                continue
            for key, each in _table(found, whole, said).items():
                yield _known(f"{name}.{NAME}.{key}", f"{whole}.{key}", said), inner, each


def _table(value: Any, key: str, said: SettingsFile) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"`{key}` in {said.place(key)} is no table; expected [{key}]")
    return value


def _known(key: str, told: str, said: SettingsFile) -> str:
    if key in BY_KEY:
        return key
    near = nearest(told)
    meant = f"; did you mean `{near}`?" if near else ""
    section = f"{key.rpartition('.')[0]}." if "." in key else ""
    names = [each.removeprefix(section) for each in BY_KEY if each.startswith(section)]
    raise UsageError(
        f"unknown key `{told}` in {said.place(told)}{meant}",
        hint=f"expected {', '.join(names)}; docs/settings.md says what each is",
    )


def _line_of(text: str, key: str) -> int | None:
    """The line on which a key is given its value. It is found by parsing more and more of the file: then it does not
    matter which of TOML's ways to write it was chosen. None in a file too long for that.
    """
    lines = text.splitlines(keepends=True)
    if len(lines) > LINES_MAX:
        return None
    begins = 1  # of the statement that is not complete yet
    for number in range(1, len(lines) + 1):
        try:
            document: Any = tomllib.loads("".join(lines[:number]))
        except (ValueError, RecursionError):
            continue
        if _has(document, key):
            return begins
        begins = number + 1
    return None


def _has(document: Any, key: str) -> bool:
    """Whether the key, whose parts may hold dots themselves, is there."""
    if not isinstance(document, dict):
        return False
    if key in document:
        return True
    return any(
        key.startswith(f"{name}.") and _has(inner, key.removeprefix(f"{name}."))
        for name, inner in document.items()
    )

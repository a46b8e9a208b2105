"""The file of access keys: for its owner alone, read anew when it changes, written whole or not at all.

The pairs are copies of the store's own, so that users sign as ever. They never reach the ledger.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stocktake.model.access import AccessKey, Grant, Role
from stocktake.model.errors import AccessKeysError, UsageError
from stocktake.model.fields import OPTIONAL_FIELDS
from stocktake.service.private_files import read_private, seen_now, unusable, write_private
from stocktake.service.settings import secret_variable

FILE_BYTES_MAX = 16 * 2**20  # some hundred thousand keys
SECRET_BYTES_MAX = 4096
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # as AWS makes access keys of
_ACCESS_KEY_LETTERS = 20
_SECRET_BYTES = 30  # 40 characters, as AWS's
_Text = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class _Entry(BaseModel):
    """One key in the file. The secret stands there, or where to find it: `env:NAME` or `file:/path`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_key: Annotated[_Text, Field(pattern=r"^[^/,\s]+$")]
    secret_key: _Text | None = None
    secret_from: Annotated[str, Field(pattern=r"^(env|file):.+$")] | None = None
    name: str = ""
    role: Role
    buckets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    fields: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _complete(self) -> _Entry:
        if (self.secret_key is None) == (self.secret_from is None):
            raise ValueError("expected one of secret_key and secret_from")
        unknown = [name for name in self.fields or () if name not in OPTIONAL_FIELDS]
        if unknown:
            raise ValueError(f"`{unknown[0]}` is not one of AWS's OptionalFields")
        return self


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = 1
    keys: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as it may be shown: `secret` says where the secret is, never what."""

    access_key: str
    name: str
    grant: Grant
    secret: str


def read_keys(path: Path) -> Mapping[str, AccessKey]:
    """The keys in the file at `path` by their access keys, with their secrets; none where there is no file.

    Raises:
        AccessKeysError: others may read the file, it is not what it should be, or a secret is not where it says.
    """
    return {
        entry.access_key: AccessKey(
            entry.access_key, _grant(entry), entry.name, _secret(entry, path)
        )
        for entry in _read(path).keys
    }


def list_keys(path: Path) -> Sequence[ListedKey]:
    """The keys in the file, without their secrets, by access key.

    Raises:
        AccessKeysError: as `read_keys`, but that secrets are not looked for.
    """
    entries = sorted(_read(path).keys, key=lambda each: each.access_key)
    return [
        ListedKey(each.access_key, each.name, _grant(each), each.secret_from or "in the file")
        for each in entries
    ]


def add_keys(path: Path, keys: Iterable[AccessKey]) -> None:
    """Put `keys` into the file, in place of any with the same access key.

    Raises:
        UsageError: as `read_keys`, a key that nobody can have, or the file cannot be written.
    """
    entries = {entry.access_key: entry for entry in _read(path).keys}
    try:
        entries |= {key.access_key: _entry(key) for key in keys}
    except ValidationError as error:
        raise UsageError(
            f"a pair of keys cannot be used: {'.'.join(map(str, error.errors()[0]['loc']))} is not of the form of one",
            hint="expected 1 to 128 visible ASCII characters each, and no `/` or `,` in an access key",
        ) from None
    _write(path, _Document(keys=tuple(entries.values())))


def delete_key(path: Path, access_key: str) -> None:
    """Take a key out of the file.

    Raises:
        UsageError: as `read_keys`, there is no such key, or the file cannot be written.
    """
    entries = {entry.access_key: entry for entry in _read(path).keys}
    if entries.pop(access_key, None) is None:
        raise UsageError(
            f"there is no access key `{access_key}` in {path}",
            hint="`stocktake keys list` shows which there are",
        )
    _write(path, _Document(keys=tuple(entries.values())))


def create_key(path: Path, grant: Grant, name: str) -> AccessKey:
    """A new key, in the file and, with its secret, returned.

    Raises:
        UsageError: as `add_keys`.
    """
    access = "".join(secrets.choice(_LETTERS) for _ in range(_ACCESS_KEY_LETTERS))
    made = AccessKey(access, grant, name, secrets.token_urlsafe(_SECRET_BYTES))
    add_keys(path, [made])
    return made


def made_grant(role: Role, buckets: Iterable[str], fields: Iterable[str] | None) -> Grant:
    """A grant in a user's words.

    Raises:
        UsageError: no bucket is named, or a field that AWS does not have.
    """
    named = tuple(buckets)
    if not named:
        raise UsageError(
            "no bucket is named that the key is for",
            hint="name source and destination buckets, such as --bucket 'team-*'; --bucket '*' is all",
        )
    chosen = None if fields is None else tuple(fields)
    if unknown := [name for name in chosen or () if name not in OPTIONAL_FIELDS]:
        raise UsageError(
            f"`{unknown[0]}` is not one of AWS's OptionalFields: {', '.join(OPTIONAL_FIELDS)}"
        )
    return Grant(role, named, chosen)


class WatchedKeys:
    """The keys in a file as they are now; it is looked at whenever they are asked for, and read when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[object, Mapping[str, AccessKey]] = (object(), {})

    def __call__(self) -> Mapping[str, AccessKey]:
        """The keys by their access keys.

        Raises:
            AccessKeysError: as `read_keys`. Keys of an earlier file are not used then: one of them may be revoked.
        """
        seen = seen_now(self._path, what="key")
        stamp, keys = self._known
        if stamp != seen:
            keys = read_keys(self._path)
            self._known = (seen, keys)
        return keys


def _grant(entry: _Entry) -> Grant:
    return Grant(entry.role, entry.buckets, entry.fields)


def _entry(key: AccessKey) -> _Entry:
    return _Entry(
        access_key=key.access_key,
        secret_key=key.secret_key,
        name=key.name,
        role=key.grant.role,
        buckets=key.grant.buckets,
        fields=key.grant.fields,
    )


def _secret(entry: _Entry, path: Path) -> str:
    if entry.secret_key is not None:
        return entry.secret_key
    assert entry.secret_from is not None
    kind, _, where = entry.secret_from.partition(":")
    if kind == "env":
        found = secret_variable(where)
        if not found:
            raise _unusable(
                path, f"the secret of {entry.access_key}: the variable {where} is not set"
            )
        return found
    try:
        with (path.parent / where).open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise _unusable(
            path, f"the secret of {entry.access_key}: {where} cannot be read"
        ) from error


def _read(path: Path) -> _Document:
    text = read_private(path, FILE_BYTES_MAX, what="key")
    if text is None:
        return _Document()
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise _unusable(path, f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    times = Counter(entry.access_key for entry in document.keys)
    for name in times:
        if times[name] > 1:
            raise _unusable(path, f"the access key {name} stands there {times[name]} times")
    return document


def _write(path: Path, document: _Document) -> None:
    body = json.dumps(document.model_dump(mode="json", exclude_none=True), indent=2) + "\n"
    write_private(path, body, what="key")


def _unusable(path: Path, why: str) -> AccessKeysError:
    return unusable(path, why, what="key")

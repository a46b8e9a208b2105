"""Tokens for scripts: shown once, kept as hashes alone, each with a role, buckets and an end.

They lie in `tokens.json` beside the file of access keys, likewise their owner's alone and read anew when it changes. A
token is `stk_ID_SECRET`: the Id tells which it is, in lists and logs; the secret has 256 bits, so that a plain SHA-256
of it cannot be searched for.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stocktake.model.access import Grant, Role
from stocktake.model.errors import (
    AccessKeysError,
    NoSuchTokenError,
    UnauthenticatedError,
    UsageError,
)
from stocktake.model.fields import OPTIONAL_FIELDS
from stocktake.service.private_files import read_private, seen_now, unusable, write_private

FILE = "tokens.json"
FILE_BYTES_MAX = 2**20
TOKENS_MAX = 1000
DAYS_MAX = 3650
DAYS = 90
_WHAT = "token"
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LETTERS = 10
_SECRET_BYTES = 32
_TOKEN = re.compile(r"stk_(?P<id>[a-z2-7]{10})_(?P<secret>[A-Za-z0-9_-]{43})")
_NOBODYS = hashlib.sha256(b"").hexdigest()  # compared with where there is no such token


class AccessToken(BaseModel):
    """A token as it is kept: `sha256`, in hex, is of the whole of it, which is nowhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[a-z2-7]{10}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    name: Annotated[str, Field(max_length=128)] = ""
    role: Role
    buckets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    fields: tuple[str, ...] | None = None
    created: AwareDatetime
    expires: AwareDatetime

    @model_validator(mode="after")
    def _known(self) -> AccessToken:
        unknown = [name for name in self.fields or () if name not in OPTIONAL_FIELDS]
        if unknown:
            raise ValueError(f"`{unknown[0]}` is not one of AWS's OptionalFields")
        return self

    @property
    def grant(self) -> Grant:
        """What it may do."""
        return Grant(self.role, self.buckets, self.fields)


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Annotated[int, Field(ge=1, le=1)] = 1
    tokens: Annotated[tuple[AccessToken, ...], Field(max_length=TOKENS_MAX)] = ()


def tokens_file(keys_file: Path) -> Path:
    """Where the tokens lie, beside the access keys."""
    return keys_file.with_name(FILE)


def list_tokens(path: Path) -> Sequence[AccessToken]:
    """The tokens in the file at `path`, the newest first; none where there is no file.

    Raises:
        AccessKeysError: others may read the file, or it is not what it should be.
    """
    return sorted(_read(path).tokens, key=lambda each: (each.created, each.id), reverse=True)


def create_token(
    path: Path, grant: Grant, name: str, *, days: int, now: datetime
) -> tuple[AccessToken, str]:
    """A new token that holds for so many days, in the file as a hash and, this once, returned as it is.

    Raises:
        UsageError: the number of days or the name makes no sense, or there are as many tokens as there may be.
        AccessKeysError: as `list_tokens`, or the file cannot be written.
    """
    if not 1 <= days <= DAYS_MAX:
        raise UsageError(f"a token cannot hold for {days} days; expected 1 to {DAYS_MAX}")
    identity = "".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS))
    token = f"stk_{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    try:
        made = AccessToken(
            id=identity,
            sha256=_hash(token),
            name=name,
            role=grant.role,
            buckets=grant.buckets,
            fields=grant.fields,
            created=now.replace(microsecond=0),
            expires=now.replace(microsecond=0) + timedelta(days=days),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(
            f"no token can be made: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    kept = [each for each in _read(path).tokens if each.expires > now]  # those that are over go
    if len(kept) >= TOKENS_MAX:
        raise UsageError(
            f"there are {len(kept)} tokens already, as many as there may be",
            hint="`stocktake keys token revoke` ends those that nobody needs",
        )
    _write(path, [*kept, made])
    return made, token


def revoke_token(path: Path, identity: str) -> AccessToken:
    """End a token; a running server knows at once.

    Raises:
        NoSuchTokenError: there is no such token.
        AccessKeysError: as `list_tokens`, or the file cannot be written.
    """
    tokens = _read(path).tokens
    gone = next((each for each in tokens if each.id == identity), None)
    if gone is None:
        raise NoSuchTokenError(
            f"there is no token `{identity[:64]}`", hint="`stocktake keys token list` shows which"
        )
    _write(path, [each for each in tokens if each is not gone])
    return gone


class WatchedTokens:
    """The tokens in a file as they are now, by their Ids; it is read when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[object, Mapping[str, AccessToken]] = (object(), {})

    def __call__(self) -> Mapping[str, AccessToken]:
        """The tokens.

        Raises:
            AccessKeysError: as `list_tokens`. Tokens of an earlier file are not used then: one may be revoked.
        """
        seen = seen_now(self.path, what=_WHAT)
        stamp, tokens = self._known
        if stamp != seen:
            tokens = {each.id: each for each in _read(self.path).tokens}
            self._known = (seen, tokens)
        return tokens


def check_token(said: str, tokens: Mapping[str, AccessToken], now: datetime) -> AccessToken:
    """The token that `said` is. What is wrong with one that is none is not told.

    Raises:
        UnauthenticatedError: it is none of `tokens`, or over.
    """
    match = _TOKEN.fullmatch(said)
    token = tokens.get(match["id"]) if match else None
    expected = _NOBODYS if token is None else token.sha256
    right = hmac.compare_digest(_hash(said), expected)
    if token is None or not right or now >= token.expires:
        raise UnauthenticatedError("the token is unknown, revoked or over", code="UnknownToken")
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("latin-1", "replace")).hexdigest()


def _read(path: Path) -> _Document:
    text = read_private(path, FILE_BYTES_MAX, what=_WHAT)
    if text is None:
        return _Document()
    try:
        return _Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        why = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        raise unusable(path, why, what=_WHAT) from None


def _write(path: Path, tokens: Sequence[AccessToken]) -> None:
    document = _Document(tokens=tuple(tokens)).model_dump(mode="json", exclude_none=True)
    text = json.dumps(document, indent=2) + "\n"
    if len(text) > FILE_BYTES_MAX:
        raise AccessKeysError(f"the tokens no longer fit into {path}, of {FILE_BYTES_MAX} bytes")
    write_private(path, text, what=_WHAT)

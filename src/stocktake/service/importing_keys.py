"""Pairs of keys that stores and tools have written down, so that users go on signing with them."""

from __future__ import annotations

import configparser
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from stocktake.model.access import AccessKey, Grant
from stocktake.model.errors import UsageError
from stocktake.service.access_keys import FILE_BYTES_MAX, add_keys

_EXPECTED = "expected what `radosgw-admin user info` prints, or an AWS credentials file"

Pair = tuple[str, str, str]  # access key, secret key, whose it is


def import_keys(path: Path, source: Path | BinaryIO, grant: Grant) -> Sequence[AccessKey]:
    """Take the pairs in `source` over into the file of access keys at `path`, to do what `grant` says; those that are
    there already are replaced.

    Raises:
        UsageError: `source` cannot be read or holds none, or the file cannot be used.
    """
    if isinstance(source, Path):
        try:
            with source.open("rb") as file:
                body = file.read(FILE_BYTES_MAX)
        except OSError as error:
            raise UsageError(f"{source} cannot be read: {error.strerror or error}") from error
    else:
        body = source.read(FILE_BYTES_MAX)
    where = source if isinstance(source, Path) else "stdin"
    pairs = read_pairs(body.decode(errors="replace"), where)
    keys = [AccessKey(access, grant, name, secret) for access, secret, name in pairs]
    add_keys(path, keys)
    return keys


def read_pairs(text: str, where: object) -> list[Pair]:
    """The pairs in `text`, which came from `where`: the JSON of `radosgw-admin user info`, of one user or a list of
    them, or an AWS credentials file. Those of suspended users, keys that are not active, and temporary ones are left
    out.

    Raises:
        UsageError: it is neither, or there is no pair in it.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        pairs = _of_aws(text, where)
    else:
        pairs = _of_radosgw(document, where)
    if not pairs:
        raise UsageError(f"there is no pair of keys to import in {where}", hint=_EXPECTED)
    return pairs


def _of_radosgw(document: Any, where: object) -> list[Pair]:
    users = document if isinstance(document, list) else [document]
    try:
        return [
            (key["access_key"], key["secret_key"], key.get("user") or user["user_id"])
            for user in users
            if not user.get("suspended")
            for key in user["keys"]
            if key.get("active", True)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{where} is not what radosgw-admin prints of a user", hint=_EXPECTED
        ) from error


def _of_aws(text: str, where: object) -> list[Pair]:
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        # What is wrong quotes the line, which may be a secret.
        raise UsageError(f"{where} is no file of access keys", hint=_EXPECTED) from None
    return [
        (profile["aws_access_key_id"], profile["aws_secret_access_key"], profile.name)
        for profile in parser.values()
        if "aws_access_key_id" in profile
        and "aws_secret_access_key" in profile
        and "aws_session_token" not in profile
    ]

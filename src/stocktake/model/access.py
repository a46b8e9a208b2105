"""Who may ask the service for what: access keys, their roles, and the buckets and fields they cover."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.errors import NotAllowedError


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came. `path` is as it was sent, without the query; `query` is decoded; the names of `headers` are
    lower-case, and what came several times is joined by commas.
    """

    method: str
    path: bytes
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]


class Right(StrEnum):
    """What may be done with a bucket that a key covers."""

    READ = "read"  # its configurations, their options, their runs and reports
    WRITE = "write"  # put and delete these; have them run, end what somebody asked for, try again
    ADMINISTER = "administer"  # say whither reports go, end runs of the schedule


class Role(StrEnum):
    """What a key may do with the buckets that it covers."""

    ADMIN = "admin"  # with all buckets covered: stores, tokens and settings, too
    WRITER = "writer"
    READER = "reader"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.ADMIN: frozenset(Right),
    Role.WRITER: frozenset({Right.READ, Right.WRITE}),
    Role.READER: frozenset({Right.READ}),
}
# What a role that lacks a right is told.
_LACKING: Mapping[Right, str] = {
    Right.READ: "sees nothing",
    Right.WRITE: "changes nothing",
    Right.ADMINISTER: "administers nothing",
}
EVERY_BUCKET = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, for the buckets that any of `buckets` matches: `*` stands for any characters, `?` for one. `fields` are
    the optional fields that may be asked for, as AWS's s3:InventoryAccessibleOptionalFields; None for all.
    """

    role: Role
    buckets: tuple[str, ...]
    fields: tuple[str, ...] | None = None

    def covers(self, bucket: str) -> bool:
        """Whether `bucket` is one of those it is for."""
        return any(_matcher(pattern).fullmatch(bucket) for pattern in self.buckets)

    def has(self, right: Right, bucket: str) -> bool:
        """Whether a right is had with `bucket`."""
        return self.covers(bucket) and right in RIGHTS[self.role]

    def check(self, right: Right, bucket: str) -> None:
        """Check that a right is had with `bucket`.

        Raises:
            NotAllowedError: it is not.
        """
        if not self.covers(bucket):
            raise NotAllowedError(f"the key does not cover the bucket {bucket}")
        if right not in RIGHTS[self.role]:
            raise NotAllowedError(f"the key's role is {self.role}, which {_LACKING[right]}")

    def check_server(self) -> None:
        """Check that the whole server may be administered: its stores, tokens and settings.

        Raises:
            NotAllowedError: it may not.
        """
        if self.role is not Role.ADMIN or EVERY_BUCKET not in self.buckets:
            raise NotAllowedError(
                f"that takes the role {Role.ADMIN} for all buckets, `{EVERY_BUCKET}`"
            )

    def check_read(self, bucket: str) -> None:
        """Check that configurations of `bucket` may be read.

        Raises:
            NotAllowedError: they may not.
        """
        self.check(Right.READ, bucket)

    def check_write(self, bucket: str) -> None:
        """Check that configurations of `bucket` may be put and deleted.

        Raises:
            NotAllowedError: they may not.
        """
        self.check(Right.WRITE, bucket)

    def check_put(self, bucket: str, configuration: InventoryConfiguration) -> None:
        """Check that this very configuration may be put: we write to its destination with credentials of our own, so
        that nobody may choose one that is not theirs.

        Raises:
            NotAllowedError: its destination or a field is not covered.
        """
        self.check_write(bucket)
        if not self.covers(configuration.delivery.bucket_name):
            raise NotAllowedError(
                f"the key does not cover the destination {configuration.delivery.bucket_name}"
            )
        asked = () if self.fields is None else configuration.optional_fields or ()
        if refused := _first_outside(asked, self.fields or ()):
            raise NotAllowedError(f"the key may not ask for the field {refused}")


# Who calls on this machine may do what the files allow.
EVERYTHING = Grant(Role.ADMIN, ("*",))


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A pair of keys and what it may do. `name` is for people. The secret is never shown."""

    access_key: str
    grant: Grant
    name: str = ""
    secret_key: str = field(default="", repr=False)


def _matcher(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)


def _first_outside(names: Iterable[str], allowed: Iterable[str]) -> str:
    within = set(allowed)
    return next((name for name in names if name not in within), "")

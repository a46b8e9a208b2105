"""What goes to a store and what comes back: the two values the readers and the transport agree on.

There is one of each for every object that is looked at, so they are named tuples, which are made in a third of the
time that frozen dataclasses take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stocktake.model.errors import StoreError
from stocktake.model.runs import Call


class Request(NamedTuple):
    """One request that only reads. Everything is plain text: encoding and signing belong to the transport.

    `key` is empty for calls about the bucket. A query pair with an empty value is a bare sub-resource such as `?acl`.
    Of the body at most `body_bytes_max` bytes are read; what is longer is cut off and the connection dropped.
    """

    call: Call
    method: str
    bucket: str
    key: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body_bytes_max: int = 2**20


class Answer(NamedTuple):
    """What came back; `headers` are the raw header lines, each ended by CRLF.

    With `error` set the request failed for good, and `status` is the last one seen, or 0 when there was none.
    `tries` is how often the request was sent.
    """

    status: int
    headers: bytes
    body: bytes
    cut: bool = False
    error: StoreError | None = None
    tries: int = 1


# The status of an answer to a request that was put off: what the store would say is not known.
PUT_OFF = -2


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How long calls that are few may take, and how often botocore sends one."""

    tries_max: int = 5
    connect_timeout_s: float = 10
    read_timeout_s: float = 60

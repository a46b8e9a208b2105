"""A store: which S3 server, and how to speak to it. Never a secret: credentials are fetched where they are used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Addressing(StrEnum):
    """Where the bucket stands in a request: in the host name, or first in the path."""

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class Store:
    """One S3-compatible store as a user names it; what is None comes from the user's AWS set-up, as in the AWS CLI.

    Picklable and free of secrets, so it may travel to other processes and stand in logs.
    """

    endpoint_url: str | None = None
    profile: str | None = None
    region: str | None = None
    addressing: Addressing = Addressing.AUTO
    sign_requests: bool = True
    request_payer: bool = False
    ca_bundle: str | None = None
    verify_tls: bool = True

"""A store: which S3 server, and how to speak to it. Never a secret: credentials are fetched where they are used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from stocktake.model.errors import UsageError

HINT_ENDPOINT = "expected http://HOST[:PORT] or https://HOST[:PORT], in ASCII"
_SCHEMES = ("http", "https")


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


def check_endpoint_url(url: str) -> None:
    """Check that `url` names a server and nothing else that would get lost, or be shown.

    Raises:
        UsageError: it does not.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    # urlsplit leaves out line breaks, which whoever reads the URL next may not.
    valid = valid and url.isascii() and url.isprintable() and " " not in url
    if valid and "@" in parts.netloc:
        raise UsageError(
            f"the endpoint URL of {parts.hostname} holds a user name or password",
            hint="give credentials as for the AWS CLI, and the URL without them",
        )
    if not valid or parts.query or parts.fragment:
        raise UsageError(f"`{ascii(url)[1:-1]}` is no endpoint URL", hint=HINT_ENDPOINT)


def check_no_secret(store: Store) -> None:
    """Check that a store may be written down.

    Raises:
        UsageError: its endpoint URL is none, or holds a user name or password.
    """
    if store.endpoint_url is not None:
        check_endpoint_url(store.endpoint_url)

"""The user's AWS set-up as botocore knows it: profiles, AWS_ENDPOINT_URL, regions, addressing style, CA bundle,
proxies, and every way to obtain credentials.

It is asked, and nothing is decided twice. That holds for addresses too: botocore builds a request about a
bucket, and its URL is taken before it is sent. Importing botocore costs more CPU time than a small bucket's whole
listing, so only who must ask imports this; see `connection.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import botocore.session
import urllib3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.endpoint import EndpointCreator
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    InvalidConfigError,
    InvalidRegionError,
    ProfileNotFound,
)
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.loaders import Loader, create_loader
from botocore.utils import get_environ_proxies
from urllib3.exceptions import InsecureRequestWarning

from stocktake.model.errors import CredentialsError, UsageError
from stocktake.model.store import HINT_ENDPOINT, Addressing, Store, check_endpoint_url
from stocktake.store.failures import HINT_CREDENTIALS, printable
from stocktake.store.requests import ClientLimits
from stocktake.store.signing import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_REGION = "us-east-1"
CLIENT_CONNECTIONS_MAX = 16

_HEADER_TEXT = re.compile(r"[!-~]*")
# The domains of AWS's own endpoints, partition by partition; botocore keeps them to itself.
_AWS_DOMAINS = (
    "amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu", "c2s.ic.gov", "api.aws.ic.gov", "sc2s.sgov.gov", "api.aws.scloud",
    "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "csp.hci.ic.gov", "api.aws.hci.ic.gov",
)  # fmt: skip
_SET_UP_ERRORS = (ConfigNotFound, ConfigParseError, InvalidConfigError)


class Setup:
    """What the set-up means for one store. Not for several threads at once.

    `region` is the one to sign for where none is known of a bucket; `verify` is False, or the path of a file with
    the certificates to trust.
    """

    def __init__(self, store: Store, region: str | None) -> None:
        self._store = store
        self._session = _session(store)
        self.region = region or store.region or _configured_region(self._session)
        self.verify = _verification(store, self._session)
        self._clients: dict[str, Any] = {}
        self._style: Literal["path", "virtual"] | None = None
        self._held: Any = None
        if store.endpoint_url is not None:
            self._style = self._addressing_style(store.endpoint_url)
        endpoint = self._asked_client(self.region).meta.endpoint_url
        check_endpoint_url(endpoint)
        _check_proxy(self.proxy(endpoint))
        if (style := self._addressing_style(endpoint)) != self._style:
            self._style = style
            self._clients.clear()

    @classmethod
    def read(cls, store: Store, region: str | None = None) -> Setup:
        """The set-up for `store`. `region`, where given, is the one the bucket is known to be in.

        Raises:
            UsageError: an unknown profile, a broken AWS configuration file, an endpoint URL, region or CA
                bundle that is none.
        """
        try:
            return cls(store, region)
        except ProfileNotFound as error:
            raise UsageError(
                f"there is no profile `{store.profile or error.kwargs['profile']}` in the AWS configuration",
                hint="see `aws configure list-profiles`",
            ) from error
        except _SET_UP_ERRORS as error:
            raise UsageError(f"the AWS configuration cannot be read: {error}") from error
        except BotoCoreError as error:
            raise UsageError(
                f"no such store: {error}", hint="check --endpoint-url and --region"
            ) from error

    # -- where -------------------------------------------------------------------------------------

    def bucket_url(self, bucket: str, region: str) -> str:
        """The URL of a request about `bucket`, if that is in `region`.

        Raises:
            UsageError: a name that no bucket can have.
        """
        taken: list[str] = []

        def take(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            taken.append(str(request.url))
            return AWSResponse(taken[0], 200, {}, _Nothing())  # type: ignore[arg-type]

        client = self._asked_client(region)
        client.meta.events.register("before-send.s3.HeadBucket", take, unique_id="take")
        try:
            client.head_bucket(Bucket=bucket)
        except BotoCoreError as error:
            raise UsageError(
                f"`{bucket}` is no bucket of {self._store.endpoint_url or 'AWS'}: {error}"
            ) from error
        finally:
            client.meta.events.unregister("before-send.s3.HeadBucket", unique_id="take")
        return taken[0]

    def proxy(self, origin: str) -> str:
        """The proxy on the way to `origin`, as NO_PROXY and its kin have it; "" for none."""
        return ProxyConfiguration(get_environ_proxies(origin)).proxy_url_for(origin) or ""

    def _asked_client(self, region: str) -> Any:
        """A client that is only asked how it would do it; it has no credentials and sends nothing."""
        if region not in self._clients:
            try:
                self._clients[region] = self._session.create_client(
                    "s3",
                    region_name=region,
                    endpoint_url=self._store.endpoint_url,
                    verify=self.verify,
                    config=Config(
                        signature_version=UNSIGNED,
                        s3={"addressing_style": self._style} if self._style else None,
                    ),
                )
            except InvalidRegionError as error:
                raise UsageError(
                    f"`{printable(region)}` is no region", hint="check --region"
                ) from error
            except ValueError as error:
                raise UsageError(
                    f"no endpoint URL: {printable(str(error))}", hint=HINT_ENDPOINT
                ) from error
        return self._clients[region]

    def _addressing_style(self, endpoint: str) -> Literal["path", "virtual"] | None:
        """None leaves it to the user's AWS configuration."""
        if self._store.addressing is not Addressing.AUTO:
            return "path" if self._store.addressing is Addressing.PATH else "virtual"
        configured = self._session.get_scoped_config().get("s3")
        if isinstance(configured, dict) and configured.get("addressing_style") in (
            "path",
            "virtual",
        ):
            return None
        # Few self-hosted stores have the wildcard DNS entry that buckets in host names need.
        return "virtual" if _is_aws(endpoint) else "path"

    # -- who ---------------------------------------------------------------------------------------

    def credentials(self) -> Credentials:
        """What to sign with now. Credentials that say when they expire are fetched anew in time, by botocore.

        Raises:
            CredentialsError: there are none, or they cannot be fetched.
        """
        try:
            if self._held is None:
                self._held = self._session.get_credentials()
            frozen = self._held.get_frozen_credentials() if self._held is not None else None
        except (BotoCoreError, ClientError, OSError, ValueError, KeyError) as error:
            raise CredentialsError(
                f"credentials cannot be fetched: {printable(str(error))}", hint=HINT_CREDENTIALS
            ) from error
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise CredentialsError("no credentials were found", hint=HINT_CREDENTIALS)
        found = Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")
        for what, text in (("access key", found.access_key), ("session token", found.token)):
            # They stand in headers, where a line break would begin another one.
            if _HEADER_TEXT.fullmatch(text) is None:
                raise CredentialsError(
                    f"the {what} holds a character that none can have",
                    hint="expected visible ASCII; look for line breaks, spaces and quotes that were copied along",
                )
        return found

    def lasting_credentials(self) -> Credentials | None:
        """The same where they do not say when they expire, so that they may be handed on; else None.

        Raises:
            CredentialsError: there are none, or they cannot be fetched.
        """
        credentials = self.credentials()
        return None if isinstance(self._held, RefreshableCredentials) else credentials

    def renew_credentials(self) -> Credentials:
        """Fetch the credentials from where they come from, whatever is known of them here: files are
        read again, programs run again. Clients made from now on have them.

        Raises:
            CredentialsError: there are none, or they cannot be fetched; the old ones stay.
        """
        before = self._session, self._held
        try:
            self._session, self._held = _session(self._store), None
            return self.credentials()
        except CredentialsError:
            self._session, self._held = before
            raise

    # -- control calls -----------------------------------------------------------------------------

    def client(self, user_agent: str, limits: ClientLimits) -> S3Client:
        """A botocore client for calls that are few, with all that holds for this store.

        It sends checksums only where an operation demands one, as many stores refuse others.
        """
        config = Config(
            signature_version="s3v4" if self._store.sign_requests else UNSIGNED,
            s3={"addressing_style": self._style} if self._style else None,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": limits.tries_max},
            connect_timeout=limits.connect_timeout_s,
            read_timeout=limits.read_timeout_s,
            max_pool_connections=CLIENT_CONNECTIONS_MAX,
            tcp_keepalive=True,
            user_agent=user_agent,
        )
        if self.verify is False:
            # Said once, by whoever asked for it, is enough.
            urllib3.disable_warnings(InsecureRequestWarning)
        client = self._session.create_client(
            "s3",
            region_name=self.region,
            endpoint_url=self._store.endpoint_url,
            verify=self.verify,
            config=config,
        )
        return cast("S3Client", client)


class _Nothing:
    """An empty body, as botocore reads bodies."""

    def stream(self, *_: object, **__: object) -> tuple[bytes, ...]:
        return ()


def _session(store: Store) -> botocore.session.Session:
    session = botocore.session.Session(profile=store.profile)
    session.lazy_register_component(
        "data_loader", lambda: _loader(session.get_config_variable("data_path"))
    )
    return session


@lru_cache(maxsize=8)
def _loader(data_path: str | None) -> Loader:
    """What botocore goes by, megabytes of JSON: parsed once for all sessions of this process."""
    return create_loader(data_path)


def _configured_region(session: botocore.session.Session) -> str:
    region: str | None = session.get_config_variable("region")
    return region or DEFAULT_REGION


def _verification(store: Store, session: botocore.session.Session) -> bool | str:
    """False, or the path of a file with the certificates to trust."""
    if not store.verify_tls:
        return False
    bundle = store.ca_bundle or session.get_config_variable("ca_bundle")
    # botocore's own last step, which knows REQUESTS_CA_BUNDLE; it has no public name.
    verify = EndpointCreator(None)._get_verify_value(bundle or None)  # type: ignore[arg-type,attr-defined]  # noqa: SLF001
    path = cast("bool | str", get_cert_path(verify))
    if isinstance(path, str) and not Path(path).is_file():
        raise UsageError(
            f"there is no CA bundle `{path}`", hint="expected a PEM file with certificates"
        )
    return path


def _check_proxy(url: str) -> None:
    """Check that a proxy can be asked; what is wrong with one is told without it, for it may hold a password.

    Raises:
        UsageError: it is no URL of one.
    """
    try:
        parts = urlsplit(url)
        good = not url or (bool(parts.hostname) and parts.port != 0 and "@" not in parts.path)
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            "the proxy that the environment names is no URL; expected http://[USER:PASSWORD@]HOST[:PORT]",
            hint="in a password, signs such as `/`, `@` and `#` are written %2F, %40 and %23",
        )


def _is_aws(endpoint: str) -> bool:
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return False
    return any(host.endswith(f".{domain}") for domain in _AWS_DOMAINS)

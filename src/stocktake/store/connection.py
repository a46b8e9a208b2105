"""Which server, which region, which way there, and who asks: a Store resolved as the AWS CLI would.

What that takes is found out once a run, from the user's AWS set-up (`setup.py`), and handed to the processes that
only go the same way: they ask the set-up themselves when something changes under them, and otherwise never load it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from stocktake import __version__
from stocktake.model.store import Store
from stocktake.store.requests import ClientLimits
from stocktake.store.signing import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from stocktake.store.setup import Setup

USER_AGENT = f"stocktake/{__version__}"

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """Where requests about a bucket go: `origin` is `scheme://host[:port]`, `host` the Host header, and
    `path` what comes before `/key`: "/bucket", or "" where the bucket stands in the host name.
    """

    origin: str
    host: str
    path: str


@dataclass(frozen=True, slots=True)
class Way:
    """All it takes to reach a bucket, as one process found it out, for the others of its run.

    `credentials` are None where requests are not signed, and where they expire: then each process fetches its
    own. Never shown, as `proxy` may hold a password.
    """

    bucket: str
    url: BucketUrl
    region: str
    verify: bool | str
    proxy: str = field(repr=False)
    credentials: Credentials | None = field(repr=False)


class Connection:
    """One store as this process reaches it. Its repr shows no secret. Not for several threads at once.

    `region` is the one to sign for where none is known of a bucket; `verify` is False, or the path of a file with
    the certificates to trust.
    """

    def __init__(self, store: Store, region: str, verify: bool | str) -> None:  # noqa: FBT001 - as libraries have it
        self.store = store
        self.region = region
        self.verify = verify
        self._known_setup: Setup | None = None
        self._lasting: Credentials | None = None
        self._urls: dict[str, BucketUrl] = {}
        self._regions: dict[str, str] = {}
        self._proxies: dict[str, str] = {}

    @classmethod
    def open(cls, store: Store, *, region: str | None = None) -> Connection:
        """The connection to `store`. `region`, where given, is the one the bucket is known to be in.

        Raises:
            UsageError: an unknown profile, a broken AWS configuration file, an endpoint URL, region or CA
                bundle that is none.
            CredentialsError: no credentials are to be found, although requests shall be signed.
        """
        setup = _read_setup(store, region)
        connection = cls(store, setup.region, setup.verify)
        connection._known_setup = setup
        connection.credentials()
        return connection

    @classmethod
    def resume(cls, store: Store, way: Way) -> Connection:
        """The connection to `store` as another process found it. The AWS set-up is not read until it is needed:
        when credentials expire, are refused, or a bucket turns out to be elsewhere.

        Raises:
            UsageError, CredentialsError: as `open`, where the way has no credentials and requests are signed.
        """
        connection = cls(store, way.region, way.verify)
        connection._lasting = way.credentials
        connection._urls[way.bucket] = way.url
        connection._proxies[way.url.origin] = way.proxy
        connection.credentials()
        return connection

    def way(self, bucket: str) -> Way:
        """The way to `bucket`, to be handed to other processes.

        Raises:
            UsageError, CredentialsError: as `open`.
        """
        lasting = self._lasting
        if lasting is None and self.store.sign_requests:
            lasting = self._setup().lasting_credentials()
        return Way(
            bucket=bucket,
            url=self.bucket_url(bucket),
            region=self.region_of(bucket),
            verify=self.verify,
            proxy=self.proxy(bucket),
            credentials=lasting,
        )

    def __repr__(self) -> str:
        return f"Connection({self.store!r}, region={self.region!r})"

    def _setup(self) -> Setup:
        if self._known_setup is None:
            self._known_setup = _read_setup(self.store, self.region)
        return self._known_setup

    # -- where -------------------------------------------------------------------------------------

    def bucket_url(self, bucket: str) -> BucketUrl:
        """Where requests about `bucket` go.

        Raises:
            UsageError: a name that no bucket can have.
        """
        if (url := self._urls.get(bucket)) is None:
            found = self._setup().bucket_url(bucket, self.region_of(bucket))
            url = self._urls[bucket] = _split(found)
        return url

    def endpoint_url(self, bucket: str) -> str:
        """`scheme://host[:port]` of requests about `bucket`."""
        return self.bucket_url(bucket).origin

    def region_of(self, bucket: str) -> str:
        """The region that requests about `bucket` are signed for."""
        return self._regions.get(bucket, self.region)

    def adopt_region(self, bucket: str, region: str) -> None:
        """Believe the store that `bucket` is in `region`; on AWS this changes the host too."""
        self._regions[bucket] = region
        self._urls.pop(bucket, None)

    def proxy(self, bucket: str) -> str:
        """The proxy on the way to `bucket`, as NO_PROXY and its kin have it; "" for none."""
        origin = self.endpoint_url(bucket)
        if origin not in self._proxies:
            self._proxies[origin] = self._setup().proxy(origin)
        return self._proxies[origin]

    # -- who ---------------------------------------------------------------------------------------

    def credentials(self) -> Credentials | None:
        """What to sign with now; None when requests are not signed.

        Credentials that say when they expire are fetched anew in time, by botocore.

        Raises:
            CredentialsError: there are none, or they cannot be fetched.
        """
        if not self.store.sign_requests:
            return None
        return self._lasting or self._setup().credentials()

    def renew_credentials(self) -> Credentials | None:
        """Fetch the credentials from where they come from, whatever is known of them here: files are
        read again, programs run again. Clients made from now on have them.

        Raises:
            CredentialsError: there are none, or they cannot be fetched; the old ones stay.
        """
        if not self.store.sign_requests:
            return None
        renewed = self._setup().renew_credentials()
        self._lasting = None
        return renewed

    # -- control calls -----------------------------------------------------------------------------

    def client(self, limits: ClientLimits | None = None) -> S3Client:
        """A botocore client for calls that are few, with all of this connection's settings.

        It sends checksums only where an operation demands one, as many stores refuse others.
        """
        return self._setup().client(USER_AGENT, limits or ClientLimits())


def check_setup(store: Store) -> None:
    """Check what the AWS set-up says of `store`, without asking anybody, for credentials neither.

    Raises:
        UsageError: an unknown profile, a broken AWS configuration file, an endpoint URL, region or CA
            bundle that is none.
    """
    _read_setup(store, None)


def _read_setup(store: Store, region: str | None) -> Setup:
    from stocktake.store.setup import Setup  # noqa: PLC0415 - see there: most processes never need it

    return Setup.read(store, region)


def _split(url: str) -> BucketUrl:
    parts = urlsplit(url)
    host = _host(parts)
    return BucketUrl(f"{parts.scheme}://{host}", host, parts.path.rstrip("/"))


def _host(parts: SplitResult) -> str:
    """The Host header that libcurl will send: the port only where it is not the scheme's own."""
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{name}:{parts.port}"

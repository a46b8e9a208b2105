"""What requests are signed with at this moment, and how the store's answers correct it.

Three things change in the middle of a run: credentials expire, a clock turns out to be wrong, a bucket
turns out to be in another region. Requests that were under way meanwhile are simply sent again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from stocktake.model.errors import CredentialsError, ExpiredTokenError, StoreError
from stocktake.model.runs import Counters
from stocktake.store.connection import BucketUrl, Connection
from stocktake.store.failures import ErrorDocument
from stocktake.store.requests import Request
from stocktake.store.signing import Credentials, Signer

CREDENTIALS_AGE_S_MAX = 1.0  # asking botocore takes a few microseconds: too much for each HEAD
RENEWAL_INTERVAL_S = 1.0  # renewing may start a program or ask a server
SKEW_S_MIN = 2.0  # a clock corrected by less than that was not the reason

_REGION_STATUSES = frozenset({
    HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT, HTTPStatus.BAD_REQUEST,
})  # fmt: skip
_TOKEN_STATUSES = frozenset({
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN,
})  # fmt: skip
_REGION = re.compile(
    rb"^x-amz-bucket-region:[ \t]*([A-Za-z0-9-]{1,64})", re.IGNORECASE | re.MULTILINE
)
_DATE = re.compile(rb"^date:[ \t]*([^\r\n]{1,64})", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a bucket and for which region to sign."""

    url: BucketUrl
    region: str
    proxy: str


@dataclass(frozen=True, slots=True, eq=False)
class Seal:
    """What the requests of one kind have in common that are sent within one second: their way, how they are
    signed, and which credentials these are.
    """

    route: Route
    signer: Signer
    generation: int


class Identity:
    """The credentials, the clock and the routes of one transport.

    `generation` counts up whenever other credentials are in use, so that a refused request can be told
    from one that only was signed too early.
    """

    def __init__(
        self,
        connection: Connection,
        counters: Counters,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._counters = counters
        self._clock = clock
        self._monotonic = monotonic
        self._routes: dict[str, Route] = {}
        self._seals: dict[tuple[str, str, tuple[tuple[str, str], ...]], Seal] = {}
        self._offset_s = 0.0
        self._second = 0
        self._renewed_at = float("-inf")
        self.credentials: Credentials | None = connection.credentials()
        self._fetched_at = monotonic()
        self.generation = 0

    def now(self) -> float:
        """Seconds since 1970, by the store's clock as far as it is known to differ."""
        return self._clock() + self._offset_s

    def route(self, bucket: str) -> Route:
        """The way to `bucket`."""
        if (route := self._routes.get(bucket)) is None:
            connection = self._connection
            route = self._routes[bucket] = Route(
                connection.bucket_url(bucket),
                connection.region_of(bucket),
                connection.proxy(bucket),
            )
        return route

    def seal(self, request: Request) -> Seal:
        """How `request` goes out, as of the last `keep_fresh`."""
        kind = (request.method, request.bucket, request.headers)
        if (seal := self._seals.get(kind)) is None:
            route = self.route(request.bucket)
            signer = Signer(
                request.method,
                route.url.host,
                request.headers,
                credentials=self.credentials,
                region=route.region,
                second=self._second,
            )
            seal = self._seals[kind] = Seal(route, signer, self.generation)
        return seal

    def keep_fresh(self) -> None:
        """Keep the moment that requests are signed for, and take over what botocore has refreshed by itself, looking
        once a second at most.
        """
        if (second := int(self.now())) != self._second:
            self._second = second
            self._seals.clear()
        if self._monotonic() - self._fetched_at < CREDENTIALS_AGE_S_MAX:
            return
        try:
            self._use(self._connection.credentials())
        except CredentialsError:
            # Those in hand may still do; if not, the store says so and they are renewed.
            self._fetched_at = self._monotonic()

    def _use(self, credentials: Credentials | None) -> None:
        self._fetched_at = self._monotonic()
        if credentials != self.credentials:
            self.credentials = credentials
            self.generation += 1
            self._seals.clear()
            self._counters["renewals"] += 1

    def corrects(
        self,
        error: StoreError,
        said: ErrorDocument,
        headers: bytes,
        *,
        bucket: str,
        generation: int,
        route: Route,
    ) -> bool:
        """Whether a refusal taught something, now or since the request was signed, so that the same
        request, signed anew, may succeed. `generation` and `route` are those it was signed with.
        """
        if not said.code and error.status in _TOKEN_STATUSES and generation != self.generation:
            return True  # a HEAD: what refused it may have been the old credentials
        if isinstance(error, ExpiredTokenError | CredentialsError):
            if said.code == "RequestTimeTooSkewed":
                return self._adopt_clock(headers)
            return self._renew(generation)
        if error.status in _REGION_STATUSES:
            return self._adopt_region(said, headers, bucket, route)
        return False

    def _renew(self, generation: int) -> bool:
        if self.generation != generation:
            return True  # while it was under way, another one's refusal led to new credentials
        if self.credentials is None or self._monotonic() - self._renewed_at < RENEWAL_INTERVAL_S:
            return False
        self._renewed_at = self._monotonic()
        try:
            self._use(self._connection.renew_credentials())
        except CredentialsError:
            return False
        return self.generation != generation

    def _adopt_clock(self, headers: bytes) -> bool:
        if (found := _DATE.search(headers)) is None:
            return False
        try:
            store_time = parsedate_to_datetime(found[1].decode("latin-1")).timestamp()
        except ValueError:
            return False
        offset = store_time - self._clock()
        changed = abs(offset - self._offset_s) >= SKEW_S_MIN
        self._offset_s = offset  # and with the next turn's moment, other seals
        return changed

    def _adopt_region(self, said: ErrorDocument, headers: bytes, bucket: str, route: Route) -> bool:
        if self._routes.get(bucket) != route:
            return True
        found = _REGION.search(headers)
        region = found[1].decode() if found else ""
        if not region and said.code == "AuthorizationHeaderMalformed":
            region = said.region
        if not region or region == route.region:
            return False
        self._connection.adopt_region(bucket, region)
        del self._routes[bucket]
        self._seals.clear()
        return True

"""What probing asks a store, one request at a time, and what came back: page, time, and how its keys are spelt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from stocktake.model.errors import (
    AccessDeniedError,
    RequestRefusedError,
    ServerError,
    StoreError,
)
from stocktake.store.failures import failure
from stocktake.store.headers import Headers, header_text, read_headers
from stocktake.store.pages import Page, check_bucket, page_request, read_page
from stocktake.store.pages_exact import Listing, parse_listing
from stocktake.store.requests import Answer, Request
from stocktake.store.transport import Transport


@dataclass(frozen=True, slots=True)
class ProbedPage:
    """One listing that came back: as rows, and as the store wrote it."""

    page: Page
    listing: Listing
    headers: Headers
    seconds: float | None  # None where it took more than one try
    body_bytes: int
    asked_at: float  # the middle of the exchange, in seconds since 1970 by this machine's clock

    @property
    def keys(self) -> list[str]:
        """Its keys, in document order."""
        keys: list[str] = self.page.batch.column("key").to_pylist()
        return keys

    @property
    def versions(self) -> list[tuple[str, str]]:
        """Its keys and version ids, in document order; `null` is the null version."""
        ids = self.page.batch.column("version_id").to_pylist()
        return [(key, version or "null") for key, version in zip(self.keys, ids, strict=True)]

    @property
    def clock_skew_s(self) -> float | None:
        """How far the store's clock is ahead of this machine's; None where it names no moment."""
        try:
            named = parsedate_to_datetime(header_text(self.headers.get(b"date", b"")))
        except ValueError:
            return None
        # The header has whole seconds, cut off: on average half a second more has gone by.
        return named.timestamp() + 0.5 - self.asked_at

    def raw_keys(self) -> list[str]:
        """The texts of its keys as the store spelt them."""
        return [
            self.listing.record_texts(element).get("Key", "")
            for name, element in self.listing.elements
            if name == "Contents"
        ]


class Asking:
    """Asks about one bucket, one request at a time. What is refused, or no listing, is raised."""

    def __init__(
        self,
        transport: Transport,
        bucket: str,
        prefix: str,
        *,
        request_payer: bool,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport, self._bucket, self.prefix = transport, bucket, prefix
        self._request_payer = request_payer
        self._clock, self._monotonic = clock, monotonic
        self.requests = 0

    @property
    def address(self) -> str:
        """The bucket and prefix, as people write them."""
        return f"s3://{self._bucket}/{self.prefix}"

    def page(
        self,
        *,
        after: str = "",
        after_version: str | None = None,
        token: str | None = None,
        versions: bool = False,
        owner: bool = False,
        restore: bool = False,
        rows_max: int = 1000,
        delimiter: str = "",
        prefix: str | None = None,
    ) -> ProbedPage:
        """One page of the bucket, as `page_request` asks for it.

        Raises:
            StoreError: the store refuses it, or what came is no such listing.
        """
        request = page_request(
            self._bucket,
            self.prefix if prefix is None else prefix,
            after=after,
            after_version=after_version,
            token=token,
            versions=versions,
            owner=owner,
            restore=restore,
            request_payer=self._request_payer,
            rows_max=rows_max,
            delimiter=delimiter,
        )
        answer, asked_at, seconds = self._exchange(request)
        if answer.status != HTTPStatus.OK:
            error = failure(
                answer.status, answer.body, answer.headers, f"cannot list {self.address}"
            )
            if isinstance(error, AccessDeniedError):
                permission = "s3:ListBucketVersions" if versions else "s3:ListBucket"
                error.hint = f"it needs {permission} on {self._bucket}"
            raise error
        try:
            page = read_page(answer.body, versions=versions)
        except ServerError as error:
            where = f"{self.address} at {self._transport.endpoint(self._bucket)}"
            raise ServerError(f"cannot list {where}: {error.message}", hint=error.hint) from error
        check_bucket(page, self._bucket)
        return ProbedPage(
            page=page,
            listing=parse_listing(answer.body, versions=versions),
            headers=read_headers(answer.headers),
            seconds=seconds,
            body_bytes=len(answer.body),
            asked_at=asked_at,
        )

    def answer(self, request: Request) -> tuple[Answer, float | None]:
        """The answer to any request, and how long it took where it took but one try.

        Raises:
            StoreError: no answer came.
        """
        answer, _, seconds = self._exchange(request)
        return answer, seconds

    def _exchange(self, request: Request) -> tuple[Answer, float, float | None]:
        began, began_s = self._clock(), self._monotonic()
        [answer] = self._transport.exchange([request])
        took_s = self._monotonic() - began_s
        self.requests += answer.tries
        if answer.error is not None:
            raise answer.error
        return answer, began + took_s / 2, took_s if answer.tries == 1 else None


def refuses_all(error: StoreError) -> bool:
    """Whether an error is about who asks, or about the way there, rather than about what was asked."""
    return not isinstance(error, RequestRefusedError | ServerError)

"""The bytes of a LIST answer -> Arrow columns; and the request that asks for it.

Keys are always asked for percent-encoded, because XML cannot carry every key S3 can; they are decoded only where the
answer says that it encoded them. Pages are read all at once where their markup is as usual (`pages_fast`), else by the
exact parser (`pages_exact`); both give the same batches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stocktake.model.errors import ContradictionError, ServerError
from stocktake.model.runs import Call, Limits
from stocktake.store.pages_columns import LISTED_SCHEMA, Page, decode_key
from stocktake.store.pages_exact import read_exact
from stocktake.store.pages_fast import read_together
from stocktake.store.requests import Request

__all__ = [
    "LISTED_SCHEMA",
    "Page",
    "check_bucket",
    "glimpse_last_key",
    "page_request",
    "read_page",
    "read_pages",
]

_LIMITS = Limits()
# Where a page says things about itself: before its records or behind them.
_MARGIN_BYTES = 4096
# What AWS calls access points instead of the bucket behind them: no bucket of a general kind may have such a name.
_ACCESS_POINT_ALIAS = re.compile(r".*(-s3alias|--ol-s3|--op-s3|--xa-s3|\.mrap)")
# What stands before a bucket's name where tenants have buckets of their own, as on Ceph.
_TENANT = re.compile(r".*[:/]")


def page_request(
    bucket: str,
    prefix: str,
    *,
    after: str = "",
    after_version: str | None = None,
    token: str | None = None,
    versions: bool = False,
    owner: bool = False,
    restore: bool = False,
    request_payer: bool = False,
    rows_max: int = _LIMITS.page_rows_max,
    delimiter: str = "",
    body_bytes_max: int = _LIMITS.list_body_bytes_max,
) -> Request:
    """The request for the page behind the key `after`, or behind `token` as an earlier page gave it.

    With `versions` it asks ListObjectVersions, which names the owner unasked and knows no token: it goes on behind
    `after_version` of the key `after`, or behind all versions of that key. `rows_max` is a wish; some stores give less.
    """
    query = [("encoding-type", "url"), ("max-keys", str(rows_max))]
    query += [(name, text) for name, text in (("prefix", prefix), ("delimiter", delimiter)) if text]
    if versions:
        query.append(("versions", ""))
        query += [("key-marker", after)] if after else []
        query += [("version-id-marker", after_version)] if after and after_version else []
    else:
        query.append(("list-type", "2"))
        query += [("fetch-owner", "true")] if owner else []
        if token is not None:
            query.append(("continuation-token", token))
        elif after:
            query.append(("start-after", after))
    headers = [("x-amz-optional-object-attributes", "RestoreStatus")] if restore else []
    headers += [("x-amz-request-payer", "requester")] if request_payer else []
    return Request(
        call=Call.LIST,
        method="GET",
        bucket=bucket,
        query=tuple(sorted(query)),
        headers=tuple(headers),
        body_bytes_max=body_bytes_max,
    )


def read_page(body: bytes, *, versions: bool) -> Page:
    """One answer to LIST as a batch of LISTED_SCHEMA, in document order, with all it says about the next page.

    Raises:
        ServerError: damaged XML, another document (an HTML page, a listing not asked for), another number of objects
            than the page says it holds, or a value that cannot be read, such as a key that is no UTF-8; the message
            names it.
    """
    pages = read_together([body], versions=versions)
    return pages[0] if pages is not None else read_exact(body, versions=versions)


def read_pages(bodies: Sequence[bytes], *, versions: bool) -> list[Page | ServerError]:
    """What `read_page` gives or raises for each of `bodies`, for less than each by itself would cost. Pages that were
    read together share their memory.
    """
    try:
        pages = read_together(bodies, versions=versions) if len(bodies) > 1 else None
    except ServerError:
        pages = None  # it is that of one page, and not of the others
    if pages is not None:
        return [*pages]
    return [_read_or_error(body, versions=versions) for body in bodies]


def _read_or_error(body: bytes, *, versions: bool) -> Page | ServerError:
    try:
        return read_page(body, versions=versions)
    except ServerError as error:
        return error


def check_bucket(page: Page, bucket: str) -> None:
    """Raise if the page says that it is of another bucket than `bucket`, as when a proxy mixes up its answers. What no
    Name is given of is believed, and so is what is asked for by an alias; who the tenant is makes no difference.

    Raises:
        ContradictionError: it is.
    """
    found = page.bucket
    if found is None or _ACCESS_POINT_ALIAS.fullmatch(bucket) is not None:
        return
    if _TENANT.sub("", found) != _TENANT.sub("", bucket):
        raise ContradictionError(
            f"asked for a listing of the bucket {bucket!r}, the store answered with one of {found!r}",
            hint="name the bucket as the store does; if that is so, look at the proxy in front of it",
        )


def glimpse_last_key(body: bytes) -> str | None:
    """The last key of an answer to LIST that promises more, where it can be told at a glance: a guess, to be held
    against what `read_page` finds, good enough to ask for the next page before this one is read.
    """
    margins = body[:_MARGIN_BYTES] + body[-_MARGIN_BYTES:]
    start = body.rfind(b"<Key>")
    stop = body.find(b"</Key>", start)
    text = body[start + len(b"<Key>") : stop]
    if b"<IsTruncated>true<" not in margins or start < 0 or stop < 0 or b"&" in text:
        return None
    try:
        return decode_key(text.decode(), url_encoded=b"<EncodingType>url<" in margins)
    except (ServerError, UnicodeDecodeError):
        return None

"""Questions about buckets, and listings that are short: through botocore.

What a store says of a sub-resource is believed only when the answer's root element is the right
one: many stores answer `?versioning` or `?object-lock`, which they do not know, with 200 and a
listing, and botocore turns that into an empty success.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    NoSuchBucketError,
    NoSuchKeyError,
    RequestRefusedError,
    ServerError,
)
from stocktake.model.xml import XmlError, local_name, parse_xml
from stocktake.store.asking import asking

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIST_PAGES_MAX = 100_000  # of one listing: a hundred million keys
BUCKETS_PAGES_MAX = 1000  # of the list of buckets
CHECKED_OPERATIONS = (
    "GetBucketAcl",
    "GetBucketVersioning",
    "GetObjectLockConfiguration",
    "ListObjectsV2",
)
_REGION_HEADER = "x-amz-bucket-region"
_ROOT_ELEMENT = "StocktakeRootElement"  # what `keep_root_element` adds to botocore's parsed answer
_VERSIONING_ROOTS = ("VersioningConfiguration", "GetBucketVersioningResponse")  # AWS; moto
_OBJECT_LOCK_ROOTS = ("ObjectLockConfiguration",)
_LISTING_ROOTS = ("ListBucketResult",)
_ACL_ROOTS = ("AccessControlPolicy",)
_NO_OBJECT_LOCK = "ObjectLockConfigurationNotFoundError"
_NOT_FOUND, _REDIRECTS = 404, (301, 307)


def region(s3: S3Client, bucket: str, list_prefix: str | None, payer: dict[str, Any]) -> str | None:
    """The region the store names for the bucket. See `Client.bucket_region`."""
    try:
        with asking(f"cannot reach s3://{bucket}", f"s3:ListBucket on {bucket}", but=ClientError):
            return _region_header(s3.head_bucket(Bucket=bucket))
    except ClientError as refusal:
        status = refusal.response["ResponseMetadata"]["HTTPStatusCode"]
        named = _region_header(refusal.response)
        if status == _NOT_FOUND:
            raise NoSuchBucketError(
                f"there is no bucket `{bucket}` at {s3.meta.endpoint_url}",
                hint="check the bucket's name and the store's endpoint URL",
                code="NoSuchBucket",
                status=status,
            ) from refusal
        if status not in _REDIRECTS or named is None:
            _explain_refusal(s3, bucket, list_prefix, payer)
        return named


def names(s3: S3Client) -> list[str]:
    """The names of all buckets that who asks has. See `Client.bucket_names`."""
    found: list[str] = []
    page: dict[str, Any] = {}
    with asking("cannot list the buckets", "s3:ListAllMyBuckets"):
        for _ in range(BUCKETS_PAGES_MAX):
            answer = s3.list_buckets(**page)
            found += [each["Name"] for each in answer.get("Buckets", [])]
            if not (token := answer.get("ContinuationToken")):
                return found
            page = {"ContinuationToken": token}
    raise ContradictionError(f"the list of buckets at {s3.meta.endpoint_url} has no end")


def _explain_refusal(
    s3: S3Client, bucket: str, list_prefix: str | None, payer: dict[str, Any]
) -> None:
    """Raise what stands in the way of using the bucket; return where nothing is known to."""
    prefix = list_prefix or ""
    try:
        with asking(f"cannot list s3://{bucket}/{prefix}", f"s3:ListBucket on {bucket}"):
            s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1, **payer)
    except AccessDeniedError:
        if list_prefix is not None:
            raise
    except RequestRefusedError:
        pass  # not about who asks; where it matters, the listing itself will tell


def versioned(s3: S3Client, bucket: str) -> bool | None:
    """Whether the bucket has or had versioning. See `Client.bucket_versioned`."""
    try:
        return told_versioned(s3, bucket)
    except (AccessDeniedError, ServerError):
        return None


def told_versioned(s3: S3Client, bucket: str) -> bool | None:
    """Whether the bucket has or had versioning; None where the store has no such thing.

    Raises:
        StoreError: it may not be asked, or does not answer.
    """
    try:
        with _asking_about(bucket, "s3:GetBucketVersioning"):
            answer: Any = s3.get_bucket_versioning(Bucket=bucket)
    except (RequestRefusedError, NoSuchKeyError):
        return None
    if answer[_ROOT_ELEMENT] not in _VERSIONING_ROOTS:
        return None
    return answer.get("Status") in ("Enabled", "Suspended")


def object_lock(s3: S3Client, bucket: str) -> bool | None:
    """Whether objects of the bucket can be locked. See `Client.has_object_lock`."""
    try:
        with _asking_about(bucket, "s3:GetBucketObjectLockConfiguration"):
            answer: Any = s3.get_object_lock_configuration(Bucket=bucket)
    except (AccessDeniedError, RequestRefusedError, NoSuchKeyError, ServerError) as error:
        return False if error.code == _NO_OBJECT_LOCK else None
    if answer[_ROOT_ELEMENT] not in _OBJECT_LOCK_ROOTS:
        return None
    enabled: bool = answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
    return enabled


def owner(s3: S3Client, bucket: str) -> str | None:
    """Whose the bucket is, as the store calls them. See `Client.bucket_owner`."""
    try:
        with _asking_about(bucket, "s3:GetBucketAcl"):
            answer: Any = s3.get_bucket_acl(Bucket=bucket)
    except (AccessDeniedError, RequestRefusedError, NoSuchKeyError):
        return None
    if answer[_ROOT_ELEMENT] not in _ACL_ROOTS:
        return None
    named: str | None = answer.get("Owner", {}).get("ID")
    return named or None


def locks_by_default(s3: S3Client, bucket: str) -> bool:
    """Whether whatever is written there is locked, by the bucket's default retention.

    Raises:
        StoreError: it may not be asked, or does not answer.
    """
    try:
        with _asking_about(bucket, "s3:GetBucketObjectLockConfiguration"):
            answer: Any = s3.get_object_lock_configuration(Bucket=bucket)
    except (RequestRefusedError, NoSuchKeyError):
        return False  # no lock, or no such thing
    if answer[_ROOT_ELEMENT] not in _OBJECT_LOCK_ROOTS:
        return False
    return "DefaultRetention" in answer["ObjectLockConfiguration"].get("Rule", {})


def list_keys(
    s3: S3Client, bucket: str, prefix: str, delimiter: str, payer: dict[str, Any]
) -> Iterator[str]:
    """The keys that start with `prefix`. See `Client.list_keys`."""
    where, last, token = f"s3://{bucket}/{prefix}", "", ""
    for _ in range(LIST_PAGES_MAX):
        position: dict[str, Any] = {"ContinuationToken": token} if token else {}
        with asking(f"cannot list {where}", f"s3:ListBucket on {bucket}"):
            page: Any = s3.list_objects_v2(
                Bucket=bucket, Prefix=prefix, Delimiter=delimiter, **position, **payer
            )
            entries = _entries(page)
        if entries and last and entries[0] <= last:
            raise ContradictionError(
                f"the listing of {where} does not advance: {entries[0]!r} after {last!r}"
            )
        yield from entries
        if not page.get("IsTruncated"):
            return
        last = entries[-1] if entries else last
        token = _next_token(page, token, where)
    raise ContradictionError(
        f"the listing of {where} does not end: {LIST_PAGES_MAX} pages were read"
    )


def _entries(page: Any) -> list[str]:
    """The keys and common prefixes of a page, in one order.

    Raises:
        ValueError: the page is another document, which botocore takes for an empty one.
    """
    if page[_ROOT_ELEMENT] not in _LISTING_ROOTS:
        raise ValueError(f"found <{page[_ROOT_ELEMENT]}>, expected <ListBucketResult>")
    keys = [entry["Key"] for entry in page.get("Contents", ())]
    return sorted(keys + [entry["Prefix"] for entry in page.get("CommonPrefixes", ())])


def _next_token(page: Any, token: str, where: str) -> str:
    found: str = page.get("NextContinuationToken", "")
    if not found or found == token:
        raise ContradictionError(
            f"the listing of {where} says there is more, but "
            + (f"gives the token {token!r} again" if found else "gives no continuation token")
        )
    return found


def _asking_about(bucket: str, permission: str) -> Any:
    return asking(f"cannot ask about s3://{bucket}", f"{permission} on {bucket}")


def _region_header(answer: Any) -> str | None:
    named: str | None = answer["ResponseMetadata"]["HTTPHeaders"].get(_REGION_HEADER)
    return named or None


def keep_root_element(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """A botocore hook (before-parse): keep the answer's root element, which the parser drops."""
    try:
        customized_response_dict[_ROOT_ELEMENT] = local_name(parse_xml(response_dict["body"]))
    except XmlError:
        customized_response_dict[_ROOT_ELEMENT] = ""

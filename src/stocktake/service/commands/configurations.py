"""The use cases about configurations: put, get, list and delete, on whoever's behalf."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stocktake.model.access import Grant
from stocktake.model.configuration import ID_PATTERN, InventoryConfiguration
from stocktake.model.errors import ContinuationTokenError, IdMismatchError, OptionsError
from stocktake.model.report_options import ReportOptions, parse_report_options
from stocktake.model.stored import ConfigurationKey, StoredConfiguration
from stocktake.model.submission import check_storable, read_submission
from stocktake.service.commands.options import check_beside, options_change
from stocktake.state.checks import Checks
from stocktake.state.configurations import Configurations

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html
PAGE_ROWS = 100
_FORM = "1"  # so that another form can be told from this one


@dataclass(frozen=True, slots=True)
class Desk:
    """Where configurations and what trying them has shown are kept, and who says whether a store has a bucket:
    `check_bucket` takes the store's name and the bucket's, and raises NoSuchBucketError, or StoreError where it cannot
    be told; `owner_of` takes the same, and says whose the bucket is, where that can be told.
    """

    kept: Configurations
    check_bucket: Callable[[str, str], None]
    owner_of: Callable[[str, str], str | None]
    checks: Checks


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a bucket's configurations, ascending by Id; `next_token` asks for those behind, None for the last."""

    configurations: tuple[StoredConfiguration, ...]
    next_token: str | None


def submit_configuration(
    desk: Desk, grant: Grant, key: ConfigurationKey, body: bytes
) -> StoredConfiguration:
    """Keep the configuration in the XML document `body` under `key`, in place of any that is there.

    Raises:
        NotAllowedError: the grant covers not the bucket, the destination, a field, or no writing.
        NoSuchBucketError: the store has no such bucket.
        ConfigurationError: of the class that says what is wrong with the document.
        TooManyConfigurationsError: the bucket has as many as it may have.
    """
    grant.check_write(key.bucket)
    desk.check_bucket(key.store, key.bucket)
    configuration = read_submission(body, key.id)
    grant.check_put(key.bucket, configuration)
    check_beside(desk.kept, grant, key, configuration)
    return desk.kept.put(key.store, key.bucket, configuration, desk.owner_of(key.store, key.bucket))


def put_configuration(
    desk: Desk,
    grant: Grant,
    key: ConfigurationKey,
    configuration: InventoryConfiguration,
    options: Mapping[str, Any] | None = None,
) -> StoredConfiguration:
    """Keep `configuration` under `key`, in place of any that is there; and with it those `options` beside it that are
    named, or else neither of both. None takes one back. What is returned has all options.

    Raises:
        IdMismatchError: the key has another Id.
        InventoryError: as `submit_configuration`; and as `change_options`.
    """
    if configuration.id != key.id:
        raise IdMismatchError(f"the document's Id is `{configuration.id}`, put under `{key.id}`")
    grant.check_put(key.bucket, configuration)
    desk.check_bucket(key.store, key.bucket)
    check_storable(configuration)
    check_beside(desk.kept, grant, key, configuration)
    owner = desk.owner_of(key.store, key.bucket)
    change = options_change(grant, key, options) if options else None
    stored = desk.kept.put(key.store, key.bucket, configuration, owner, change)
    return with_all_known(desk, [stored])[0]


def get_configuration(desk: Desk, grant: Grant, key: ConfigurationKey) -> StoredConfiguration:
    """The configuration under `key`.

    Raises:
        NotAllowedError: the grant does not cover the bucket.
        NoSuchBucketError: the store has no such bucket.
        NoSuchConfigurationError: there is none.
    """
    grant.check_read(key.bucket)
    desk.check_bucket(key.store, key.bucket)
    return desk.kept.get(key)


def list_configurations(
    desk: Desk, grant: Grant, store: str, bucket: str, token: str | None = None
) -> Page:
    """A page of a bucket's configurations: the first, or the one that `token` asks for.

    Raises:
        NotAllowedError: the grant does not cover the bucket.
        NoSuchBucketError: the store has no such bucket.
        ContinuationTokenError: the token is none of ours.
    """
    grant.check_read(bucket)
    desk.check_bucket(store, bucket)
    after = "" if token is None else _read_token(token)
    found = desk.kept.page(store, bucket, after=after, rows_max=PAGE_ROWS + 1)
    page = tuple(found[:PAGE_ROWS])
    return Page(page, _token(page[-1].key.id) if len(found) > PAGE_ROWS else None)


def with_all_known(
    desk: Desk, found: Sequence[StoredConfiguration]
) -> tuple[StoredConfiguration, ...]:
    """`found`, configurations of one bucket ascending by Id, with the options beside each, and what trying it has
    shown.
    """
    if not found:
        return ()
    first, last = found[0].key, found[-1].key
    checks = desk.checks.of_bucket(first.store, first.bucket, first=first.id, last=last.id)
    options = desk.kept.options_of_bucket(first.store, first.bucket, first=first.id, last=last.id)
    return tuple(
        replace(
            each, check=checks.get(each.key.id), options=_readable(options.get(each.key.id, {}))
        )
        for each in found
    )


def _readable(document: Mapping[str, Any]) -> ReportOptions | None:
    """Options; None where another version of stocktake wrote what this one does not know: whoever asks for these hears
    it.
    """
    try:
        return parse_report_options(document, "")
    except OptionsError:
        return None


def want_check(desk: Desk, grant: Grant, key: ConfigurationKey) -> None:
    """Have the configuration under `key` be tried out anew, by a worker.

    Raises:
        NotAllowedError: the grant does not cover the bucket, or no writing.
        NoSuchBucketError: the store has no such bucket.
        NoSuchConfigurationError: there is none.
    """
    grant.check_write(key.bucket)
    desk.check_bucket(key.store, key.bucket)
    desk.kept.get(key)
    desk.checks.want(key)


def delete_configuration(desk: Desk, grant: Grant, key: ConfigurationKey) -> None:
    """Forget the configuration under `key`, and our own options beside it.

    Raises:
        NotAllowedError: the grant does not cover the bucket, or no writing.
        NoSuchBucketError: the store has no such bucket.
        NoSuchConfigurationError: there is none.
    """
    grant.check_write(key.bucket)
    desk.check_bucket(key.store, key.bucket)
    desk.kept.delete(key)


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(f"{_FORM}{last}".encode()).decode()


def _read_token(token: str) -> str:
    """The Id behind which the page begins."""
    try:
        said = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (binascii.Error, ValueError):
        said = ""
    if not said.startswith(_FORM) or ID_PATTERN.fullmatch(said[1:]) is None:
        raise ContinuationTokenError(
            "the continuation token is none that a list of configurations gave"
        )
    return said[1:]

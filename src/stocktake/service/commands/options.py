"""The use cases about the options beside a configuration, on whoever's behalf."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from stocktake.model.access import Grant, Right
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.errors import NotAllowedError, OptionsError
from stocktake.model.report_options import (
    TARGET_OPTIONS,
    ReportOptions,
    changed_options,
    parse_report_options,
)
from stocktake.model.stored import ConfigurationKey
from stocktake.state.configurations import Configurations, OptionsChange

_Make: TypeAlias = Callable[[ReportOptions], ReportOptions]  # new ones of those that are there


def get_options(kept: Configurations, grant: Grant, key: ConfigurationKey) -> ReportOptions:
    """The options beside the configuration under `key`.

    Raises:
        NotAllowedError: the grant does not cover the bucket.
        NoSuchConfigurationError: there is no such configuration.
        OptionsError: those that are kept make no sense to this version.
    """
    grant.check(Right.READ, key.bucket)
    kept.get(key)
    return parse_report_options(kept.options(key), key.id)


def put_options(
    kept: Configurations, grant: Grant, key: ConfigurationKey, body: bytes
) -> ReportOptions:
    """Keep the options in the JSON document `body` beside the configuration under `key`, in place of those there.

    Raises:
        NotAllowedError: the grant covers no writing, a field, or not that another target is named.
        NoSuchConfigurationError: there is no such configuration.
        OptionsError: they make no sense.
    """
    grant.check(Right.WRITE, key.bucket)
    options = parse_report_options(read_object(body, key.id), key.id)
    kept.change_options(key, _change(grant, key, lambda _before: options))
    return options


def change_options(
    kept: Configurations, grant: Grant, key: ConfigurationKey, change: Mapping[str, Any]
) -> ReportOptions:
    """Change those options beside the configuration under `key` that `change` names, None takes one back; and return
    all there are then.

    Raises:
        NotAllowedError, NoSuchConfigurationError: as `put_options`.
        OptionsError: those that are there make no sense, or what comes of them.
    """
    grant.check(Right.WRITE, key.bucket)
    kept.change_options(key, options_change(grant, key, change))
    return get_options(kept, grant, key)


def options_change(grant: Grant, key: ConfigurationKey, change: Mapping[str, Any]) -> OptionsChange:
    """How whoever has the grant changes the options under `key` that `change` names. It raises as `change_options`."""
    return _change(grant, key, lambda before: changed_options(before, change, key.id))


def _change(grant: Grant, key: ConfigurationKey, make: _Make) -> OptionsChange:
    def changed(kept_before: Mapping[str, Any]) -> Mapping[str, Any]:
        # Asked of what is there when it is replaced: an admin may have changed it since anybody looked.
        before = parse_report_options(kept_before, key.id)
        options = make(before)
        _check_allowed(grant, key, before, options)
        return options.model_dump(mode="json", exclude_defaults=True)

    return changed


def check_beside(
    kept: Configurations, grant: Grant, key: ConfigurationKey, configuration: InventoryConfiguration
) -> None:
    """Check that the grant goes with the options beside the configuration under `key` for whoever puts `configuration`
    there: it covers the fields that they ask for, and where they name a store to deliver to, which takes an admin, no
    other bucket of that store is written to.

    Raises:
        NotAllowedError: it does not.
        OptionsError: those that are kept make no sense to this version.
    """
    administers = grant.has(Right.ADMINISTER, key.bucket)
    if administers and grant.fields is None:
        return
    options = parse_report_options(kept.options(key), key.id)
    _check_fields(grant, options)
    if options.destination_store is None or administers:
        return
    before = kept.get(key).configuration.delivery.bucket_name
    if configuration.delivery.bucket_name != before:
        raise NotAllowedError(
            f"the reports of `{key.id}` go to {before} on the store {options.destination_store}, and the"
            f" key's role is {grant.role}, which chooses no other bucket there",
            hint="an admin may change it",
        )


def _check_fields(grant: Grant, options: ReportOptions) -> None:
    if grant.fields is not None and options.extension_fields:
        raise NotAllowedError(f"the key may not ask for the field {options.extension_fields[0]}")


def _check_allowed(
    grant: Grant, key: ConfigurationKey, before: ReportOptions, options: ReportOptions
) -> None:
    _check_fields(grant, options)
    for name in TARGET_OPTIONS:
        if getattr(options, name) != getattr(before, name):
            _check_target(grant, key, name)


def _check_target(grant: Grant, key: ConfigurationKey, name: str) -> None:
    try:
        grant.check(Right.ADMINISTER, key.bucket)
    except NotAllowedError as error:
        raise NotAllowedError(
            f"{error.message}, and `{name}` says whither reports go", hint="an admin may change it"
        ) from error


def read_object(body: bytes, where: str) -> Mapping[str, Any]:
    """The JSON object in `body`, which says something of the options of the configuration `where`.

    Raises:
        OptionsError: there is none.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"the options of {where} are no JSON: {error}") from error
    if not isinstance(document, dict):
        raise OptionsError(f"the options of {where} are no JSON object")
    return document

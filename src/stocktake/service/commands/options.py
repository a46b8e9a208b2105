"""The use cases about the options beside a configuration, on whoever's behalf."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from stocktake.model.access import Grant, Right
from stocktake.model.errors import NotAllowedError, OptionsError
from stocktake.model.report_options import TARGET_OPTIONS, ReportOptions, parse_report_options
from stocktake.model.stored import ConfigurationKey
from stocktake.state.configurations import Configurations


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
    options = _parsed(body, key.id)
    return change_options(kept, grant, key, lambda _before: options)


def change_options(
    kept: Configurations,
    grant: Grant,
    key: ConfigurationKey,
    change: Callable[[ReportOptions], ReportOptions],
) -> ReportOptions:
    """Keep what `change` makes of the options beside the configuration under `key`, and return it.

    Raises:
        NotAllowedError, NoSuchConfigurationError: as `put_options`.
        OptionsError: those that are there make no sense, or what comes of them.
    """
    grant.check(Right.WRITE, key.bucket)
    changed: list[ReportOptions] = []

    def replaced(kept_before: Mapping[str, Any]) -> Mapping[str, Any]:
        # Asked of what is there when it is replaced: an admin may have changed it since anybody looked.
        before = parse_report_options(kept_before, key.id)
        options = change(before)
        _check_allowed(grant, key, before, options)
        changed.append(options)
        return options.model_dump(mode="json", exclude_defaults=True)

    kept.change_options(key, replaced)
    return changed[-1]


def _check_allowed(
    grant: Grant, key: ConfigurationKey, before: ReportOptions, options: ReportOptions
) -> None:
    if grant.fields is not None and options.extension_fields:
        raise NotAllowedError(f"the key may not ask for the field {options.extension_fields[0]}")
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


def _parsed(body: bytes, where: str) -> ReportOptions:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"the options of {where} are no JSON: {error}") from error
    if not isinstance(document, dict):
        raise OptionsError(f"the options of {where} are no JSON object")
    return parse_report_options(document, where)

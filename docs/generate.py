"""Renew the tables in docs/ from the code: `make docs`. The tests compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from stocktake.analysis.audits.audit import Audit
from stocktake.analysis.audits.pack import PACK
from stocktake.analysis.audits.policy import Thresholds
from stocktake.model.capabilities import ABILITIES
from stocktake.model.checks import CHECKS
from stocktake.model.fields import FIELDS, Field, Kind
from stocktake.model.policies import ACL_ACTIONS, BUCKET_ACTIONS, KEY_ACTIONS, OBJECT_ACTIONS
from stocktake.model.prices import AWS, Prices
from stocktake.model.usage import NEEDS, ORDERED, Dimension
from stocktake.service.metric_table import METRICS
from stocktake.service.setting_table import SETTINGS, STORE_SETTINGS, WEBHOOK_SETTINGS, Setting

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"

TITLES = {
    Kind.ALWAYS: "In every report",
    Kind.VERSIONS: "In reports of all versions",
    Kind.OPTIONAL: "AWS's OptionalFields",
    Kind.EXTENSION: "Extensions, which come after AWS's columns and only when they are named",
}
FIELDS_HEADING = """\
| field | column | type | call | permission | changes without a new version |
| --- | --- | --- | --- | --- | --- |
"""
ABILITIES_HEADING = """\
| ability | question | needed by | where it is missing |
| --- | --- | --- | --- |
"""
THRESHOLDS_HEADING = """\
| threshold | without it |
| --- | --- |
"""
AUDITS_HEADING = """\
| audit | severity | question | needs | what to do |
| --- | --- | --- | --- | --- |
"""
CHECKS_HEADING = """\
| check | question | of the | usually lacking | what follows for reports |
| --- | --- | --- | --- | --- |
"""
ACTIONS_HEADING = """\
| action | on | to |
| --- | --- | --- |
"""
USAGE_HEADING = """\
| by | needs | values |
| --- | --- | --- |
"""
PRICES_HEADING = """\
| name | without it |
| --- | --- |
"""
METRICS_HEADING = """\
| metric | type | what it is | told apart by | series at most |
| --- | --- | --- | --- | --- |
"""
PRICE_LIST = "[AWS's prices](https://aws.amazon.com/s3/pricing/)"
CLASSES_HEADING = """\
| class | GB and month | reading a GB back | bytes at least | days at least | monitoring 1,000 objects a month |
| --- | --- | --- | --- | --- | --- |
"""
SETTINGS_HEADING = """\
| key | variable | what it is | unit | default, and why |
| --- | --- | --- | --- | --- |
"""


def _row(field: Field) -> str:
    withheld = ", else silently absent" if field.withheld else ""
    return (
        f"| {field.name} | `{field.column}` | {field.type} | {field.source} |"
        f" `{field.permission}`{withheld} | {'yes' if field.mutable else ''} |\n"
    )


def fields() -> str:
    """Every field, one table for each kind, in the order of a report's columns."""
    return "\n".join(
        f"## {title}\n\n{FIELDS_HEADING}{''.join(_row(field) for field in FIELDS if field.kind is kind)}"
        for kind, title in TITLES.items()
    )


def abilities() -> str:
    """Every question that probing asks, in its order."""
    rows = (
        f"| `{ability}` | {fact.question} | {fact.need} | {fact.if_no} |\n"
        for ability, fact in ABILITIES.items()
    )
    return f"{ABILITIES_HEADING}{''.join(rows)}"


def checks() -> str:
    """Every question that a check asks, and every action that the printed policies allow."""
    rows = (
        f"| `{check}` | {fact.question} | {fact.side} | `{fact.action}`"
        f"{f', with all versions `{fact.versioned}`' if fact.versioned else ''} | {fact.if_no} |\n"
        for check, fact in CHECKS.items()
    )
    tried = f"## What is tried\n\n{CHECKS_HEADING}{''.join(rows)}"
    return f"{tried}\n## What the printed policies allow\n\n{_actions()}"


def _actions() -> str:
    tables = {
        "the objects in the reports' folder": OBJECT_ACTIONS,
        "the same, with `--owner-full-control`": ACL_ACTIONS,
        "the bucket": BUCKET_ACTIONS,
        "the key": KEY_ACTIONS,
    }
    rows = (
        f"| `{action}` | {on} | {why} |\n"
        for on, table in tables.items()
        for action, why in table.items()
    )
    return f"{ACTIONS_HEADING}{''.join(rows)}"


def prices() -> str:
    """Every name that a price table may hold."""
    defaults = {
        "name": "the file's name",
        "as_of": "nothing is said",
        "storage_class_per_gb_month": "`storage_per_gb_month` for every storage class",
    }
    rows = (
        f"| `{name}` | {defaults.get(name, field.default or 'nothing')} |\n"
        for name, field in Prices.model_fields.items()
    )
    return f"{PRICES_HEADING}{''.join(rows)}\n{_classes()}"


def _classes() -> str:
    """What AWS's storage classes cost."""
    rows = (
        f"| `{name}` | {price:g} | {AWS.retrieval_per_gb.get(name, 0):g} | {AWS.minimum_bytes.get(name, 0):,}"
        f" | {AWS.minimum_days.get(name, 0)} | {AWS.monitoring_per_1000_month.get(name, 0):g} |\n"
        for name, price in AWS.storage_class_per_gb_month.items()
    )
    since = f"{AWS.name}, {AWS.currency}, by {PRICE_LIST} as of {AWS.as_of}:"
    return f"{since}\n\n{CLASSES_HEADING}{''.join(rows)}"


def usage() -> str:
    """Every dimension of usage, with the fields it needs and the values it has."""
    rows = (
        f"| `{each}` | {', '.join(needs) or 'nothing but keys'} | {_values(each)} |\n"
        for each, needs in NEEDS.items()
    )
    return f"{USAGE_HEADING}{''.join(rows)}"


def _values(dimension: Dimension) -> str:
    otherwise = "folders" if dimension is Dimension.PREFIX else "those of the report"
    return ", ".join(ORDERED.get(dimension, ())) or otherwise


def audits() -> str:
    """The thresholds of a policy, and every built-in audit."""
    thresholds = "".join(
        f"| `{name}` | `{json.dumps(field.default)}` |\n"
        for name, field in Thresholds.model_fields.items()
    )
    rows = "".join(
        f"| `{audit.name}` | {audit.severity} | {audit.question} | {_needs(audit)} | {audit.remedy} |\n"
        for audit in PACK
    )
    return f"{THRESHOLDS_HEADING}{thresholds}\n## The pack\n\n{AUDITS_HEADING}{rows}"


def _needs(audit: Audit) -> str:
    fields = ", ".join(audit.needs) or "nothing but keys"
    return f"{fields}; in the policy `{audit.expects}`" if audit.expects else fields


def settings() -> str:
    """Every setting of the service, then every setting of a store."""
    service = "".join(_setting(each) for each in SETTINGS)
    stores = "".join(_setting(each) for each in STORE_SETTINGS)
    webhooks = "".join(_setting(each) for each in WEBHOOK_SETTINGS)
    return (
        f"{SETTINGS_HEADING}{service}\n## Of each store\n\n{SETTINGS_HEADING}{stores}"
        f"\n## Of each webhook\n\n{SETTINGS_HEADING}{webhooks}"
    )


def metrics() -> str:
    """Every metric."""
    rows = (
        f"| `{each.name}` | {each.type} | {each.meaning} | {', '.join(each.labels)} | {each.bound} |\n"
        for each in METRICS
    )
    return f"{METRICS_HEADING}{''.join(rows)}"


def _setting(setting: Setting) -> str:
    variable = f"`{setting.variable}`" if setting.variable else ""
    value = (
        "true"
        if setting.default is True
        else "false"
        if setting.default is False
        else setting.default
    )
    default = setting.told or f"`{value}`"
    bounds = f"; {setting.expected}" if setting.least is not None or setting.choices else ""
    secret = "; a secret" if setting.secret else ""
    return (
        f"| `{setting.key}` | {variable} | {setting.meaning}{bounds}{secret} | {setting.unit} |"
        f" {default}: {setting.reason} |\n"
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "audits.md": audits,
    "check.md": checks,
    "fields.md": fields,
    "metrics.md": metrics,
    "plan.md": prices,
    "probe.md": abilities,
    "settings.md": settings,
    "usage.md": usage,
}


def renewed(page: str, tables: str) -> str:
    """The page with its generated part as the code has it now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


if __name__ == "__main__":
    for name, tables in PAGES.items():
        path = FOLDER / name
        path.write_text(renewed(path.read_text(encoding="utf-8"), tables()), encoding="utf-8")

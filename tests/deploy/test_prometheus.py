"""What lies in deploy/ for Prometheus, by Prometheus's own tool: it is read, and each alert comes when it should."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.test_monitoring import DASHBOARD, DEPLOY, RULES
from tests.servers.promtool import promtool

ALERTS, SCRAPE = (DEPLOY / "prometheus" / name for name in ("alerts.yml", "scrape.yml"))
EVERY_RULE: dict[str, Any] = {
    rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]
}
JOB = {"job": "stocktake"}


@dataclass(frozen=True, slots=True)
class Case:
    """What makes an alert come within so many minutes: series with their values, a minute apart. Then it has these
    labels and this summary.
    """

    minutes: int
    series: Mapping[str, str]
    summary: str
    labels: Mapping[str, str] = field(default_factory=lambda: JOB)


_OLD = 'stocktake_report_age_seconds{store="default",bucket="photos",configuration="a",frequency='
_THAT = {"store": "default", "bucket": "photos", "configuration": "a"}
CASES = {
    "StocktakeDown": Case(
        6,
        {'up{job="stocktake",instance="one"}': "0x10"},
        "stocktake does not answer on one",
        JOB | {"instance": "one"},
    ),
    "StocktakeLedgerDown": Case(
        6,
        {
            'stocktake_ledger_up{job="stocktake",instance="one"}': "1x10",
            'stocktake_ledger_up{job="stocktake",instance="two"}': "0x10",
        },
        "the ledger cannot be read",
    ),
    "StocktakeNoWorkers": Case(
        6, {'stocktake_workers{job="stocktake"}': "0x10"}, "no worker is there"
    ),
    "StocktakeReportTooOld": Case(
        0,
        {f'{_OLD}"Daily"}}': "129601"},
        "the daily report a of photos is 1d 12h 0m 1s old",
        _THAT,
    ),
    "StocktakeWeeklyReportTooOld": Case(
        0,
        {f'{_OLD}"Weekly"}}': "691201"},
        "the weekly report a of photos is 8d 0h 0m 1s old",
        _THAT,
    ),
    "StocktakeConfigurationSuspended": Case(
        0,
        {'stocktake_configurations_suspended{job="stocktake"}': "2"},
        "2 configurations run no more",
    ),
    "StocktakeRunFailed": Case(
        35,
        {'stocktake_runs{job="stocktake",state="failed"}': "3x29 4x10"},
        "a run has failed for good",
    ),
    "StocktakeNobodyWorks": Case(
        11,
        {
            'stocktake_run_due_age_seconds{job="stocktake"}': "1801x20",
            'stocktake_runs_leased{job="stocktake"}': "0x20",
        },
        "runs are due, and no worker works",
    ),
    "StocktakeWorkerSilent": Case(
        6,
        {'stocktake_beat_age_seconds{job="stocktake"}': "121x10"},
        "a worker has not been heard of for 2m 1s",
    ),
    "StocktakeStoreRefuses": Case(
        35,
        {
            'stocktake_store_refusals_total{job="stocktake",call="list",code="503"}': "0+20x40",
            'stocktake_store_refusals_total{job="stocktake",call="list",code="404"}': "0+9x40",
            'stocktake_store_requests_total{job="stocktake",call="list"}': "0+100x40",
        },
        "more than a tenth of the list requests to stores fail",
        JOB | {"call": "list"},
    ),
    "StocktakeAnswersSlowly": Case(
        30,
        {
            'stocktake_http_request_seconds_bucket{job="stocktake",route="/x",le="1"}': "0x40",
            'stocktake_http_request_seconds_bucket{job="stocktake",route="/x",le="5"}': "0+60x40",
            'stocktake_http_request_seconds_bucket{job="stocktake",route="/x",le="+Inf"}': "0+60x40",
        },
        "the slowest hundredth of answers takes 4.96s",
        {},
    ),
    "StocktakeAnswersFail": Case(
        25,
        {
            'stocktake_http_requests_total{job="stocktake",route="/x",method="GET",code="503"}': "0+60x40"
        },
        "/x is answered with 5xx",
        JOB | {"route": "/x"},
    ),
}
# As it is when all is well.
CALM = {
    'up{job="stocktake",instance="one"}': "1x60",
    'stocktake_ledger_up{job="stocktake"}': "1x60",
    'stocktake_workers{job="stocktake"}': "1x60",
    f'{_OLD}"Daily"}}': "86400x60",
    f'{_OLD}"Weekly"}}': "604800x60",
    'stocktake_configurations_suspended{job="stocktake"}': "0x60",
    'stocktake_runs{job="stocktake",state="failed"}': "3x60",
    'stocktake_run_due_age_seconds{job="stocktake"}': "3600x60",
    'stocktake_runs_leased{job="stocktake"}': "1x60",
    'stocktake_beat_age_seconds{job="stocktake"}': "10x60",
    'stocktake_store_refusals_total{job="stocktake",call="head",code="404"}': "0+50x60",
    'stocktake_store_requests_total{job="stocktake",call="head"}': "0+100x60",
    'stocktake_http_request_seconds_bucket{job="stocktake",route="/x",le="1"}': "0+60x60",
    'stocktake_http_request_seconds_bucket{job="stocktake",route="/x",le="+Inf"}': "0+60x60",
    'stocktake_http_requests_total{job="stocktake",route="/x",method="GET",code="403"}': "0+60x60",
}


def test_the_rules_are_rules() -> None:
    assert f"{len(EVERY_RULE)} rules found" in promtool("check", "rules", "--lint-fatal", ALERTS)


def test_what_prometheus_is_told_is_a_configuration(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    text = SCRAPE.read_text()
    for shipped, here in (
        ("/etc/prometheus/stocktake-token", token),
        ("/etc/prometheus/stocktake-alerts.yml", ALERTS),
    ):
        assert text.count(shipped) == 1
        text = text.replace(shipped, str(here))
    (tmp_path / "prometheus.yml").write_text(text)
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")


def test_every_expression_of_the_dashboard_is_one(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{panel['id']}_{target['refId']}", "expr": target["expr"].replace("$job", "stocktake")}
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]  # fmt: skip
    (tmp_path / "panels.yml").write_text(
        json.dumps({"groups": [{"name": "panels", "rules": rules}]})
    )
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "panels.yml")


def alerts_are(folder: Path, *tests: Mapping[str, Any]) -> None:
    """Check which alerts there are."""
    told = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [*tests]}
    (folder / "tests.yml").write_text(yaml.safe_dump(told))
    assert "SUCCESS" in promtool("test", "rules", folder / "tests.yml")


def series(values: Mapping[str, str]) -> dict[str, Any]:
    """Input for a test of alerts."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": each} for name, each in values.items()],
    }


def test_each_alert_comes_when_it_should_and_says_what_is_wrong(tmp_path: Path) -> None:
    assert set(CASES) == set(EVERY_RULE)
    tests = []
    for name, case in CASES.items():
        rule = EVERY_RULE[name]
        expected = {
            "exp_labels": {**case.labels, **rule["labels"]},
            "exp_annotations": {**rule["annotations"], "summary": case.summary},
        }
        at = {"eval_time": f"{case.minutes}m", "alertname": name, "exp_alerts": [expected]}
        tests.append({**series(case.series), "alert_rule_test": [at]})
    alerts_are(tmp_path, *tests)


def test_no_alert_comes_while_all_is_well(tmp_path: Path) -> None:
    at = [{"eval_time": "50m", "alertname": name, "exp_alerts": []} for name in EVERY_RULE]
    alerts_are(tmp_path, {**series(CALM), "alert_rule_test": at})

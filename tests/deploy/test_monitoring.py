"""Dashboard and alert rules speak of metrics that there are, by labels that they have, in well-formed PromQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stocktake.service.metric_table import BY_NAME, Type

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "stocktake.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
# Of Prometheus itself, and of the library that tells about the process.
FOREIGN = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
TARGET_LABELS = {"job", "instance", "le"}  # what Prometheus adds, and what buckets have
FUNCTIONS = {"delta", "histogram_quantile", "max", "min", "rate", "sum", "topk"}
WORDS = {"by", "and"}
TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*")|(?P<range>\[\d+[smhd]\])|(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-zA-Z_]\w*)"""
    r"""|(?P<operator>==|!=|=~|!~|[-+*/<>(){},=]))"""
)
CLOSING = {"(": ")", "{": "}"}


def tokens(expression: str) -> list[tuple[str, str]]:
    """The words of a PromQL expression, each with its kind; everything is one."""
    found, place = [], 0
    while place < len(expression.rstrip()):
        match = TOKEN.match(expression, place)
        assert match, expression[place:]
        assert match.lastgroup
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def samples() -> dict[str, set[str]]:
    """What can be selected, with its labels."""
    told: dict[str, set[str]] = {name: set() for name in FOREIGN}
    for name, metric in BY_NAME.items():
        suffixes = ("_bucket", "_sum", "_count") if metric.type is Type.HISTOGRAM else ("",)
        told |= {f"{name}{suffix}": set(metric.labels) for suffix in suffixes}
    return told


def check(expression: str) -> None:
    """Check an expression: its brackets, its functions, its metrics, and the labels that it names of them."""
    words, known = tokens(expression), samples()
    open_: list[str] = []
    selected: set[str] = set()
    labels: set[str] = set()
    for index, (kind, word) in enumerate(words):
        following = words[index + 1][1] if index + 1 < len(words) else ""
        if word in CLOSING:
            grouping = word == "(" and index > 0 and words[index - 1][1] == "by"
            open_.append("by" if grouping else word)
        elif word in CLOSING.values():
            assert open_, expression
            last = open_.pop()
            assert CLOSING["(" if last == "by" else last] == word, expression
        elif kind == "range":
            assert words[index - 1][1] == "}" or words[index - 1][1] in known, expression
        elif kind == "name" and open_ and open_[-1] in {"by", "{"}:
            labels.add(word)
        elif kind == "name" and word not in WORDS:
            if following in {"(", "by"}:
                assert word in FUNCTIONS, word
            else:
                assert word in known, f"no metric {word}"
                selected.add(word)
    assert not open_, expression
    assert selected, expression
    allowed = TARGET_LABELS.union(*(known[name] for name in selected))
    assert labels <= allowed, (expression, labels - allowed)


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_every_expression_asks_for_what_there_is(name: str, expression: str) -> None:
    check(expression)


@pytest.mark.parametrize(
    "wrong",
    [
        "max(stocktake_run)",
        "max by (state) (stocktake_runs_due)",
        'stocktake_runs{stat="failed"}',
        "max(stocktake_runs",
        "maximum(stocktake_runs)",
        "rate(stocktake_http_request_seconds[5m])",
        "max(stocktake_runs))",
        "up; up",
    ],
)
def test_an_expression_that_asks_for_something_else_is_seen(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong)


def test_every_metric_but_the_version_is_shown_or_watched() -> None:
    asked = " ".join(expression for _, expression in expressions())
    unseen = [name for name in BY_NAME if not re.search(rf"\b{name}", asked)]
    assert unseen == ["stocktake_build_info"]


def test_what_an_alert_watches_can_be_seen_on_the_dashboard() -> None:
    titles = {panel["title"] for panel in DASHBOARD["panels"]}
    shown = " ".join(expression for name, expression in expressions() if name in titles)
    unseen = [name for name in BY_NAME if not re.search(rf"\b{name}", shown)]
    # One number each, and no curve.
    assert unseen == ["stocktake_build_info", "stocktake_ledger_up"]


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    rules: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        told = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert told <= set(re.findall(r"\w+", rule["expr"])) | TARGET_LABELS


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_prometheus_is_told_where_to_ask() -> None:
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())
    [job] = scrape["scrape_configs"]
    assert job["job_name"] == "stocktake"
    assert "metrics_path" not in job  # its own default is ours

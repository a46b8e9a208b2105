"""ONE table: every metric that `/metrics` tells, with its type, its labels and what it means. Dashboards, alert rules
and docs/metrics.md are checked against it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """What a metric is, in Prometheus's words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `labels` say by what it is told apart, and `bound` how many series there are at most."""

    name: str
    type: Type
    meaning: str
    labels: tuple[str, ...] = ()
    bound: str = "1"


_CALLS = "6"
METRICS: tuple[Metric, ...] = (
    Metric("stocktake_build_info", Type.GAUGE, "always 1; the version is its label", ("version",)),
    Metric("stocktake_ledger_up", Type.GAUGE, "1 where the ledger could be read for this answer, else 0, and then"
           " nothing is told that comes from it"),
    Metric("stocktake_ledger_seconds", Type.HISTOGRAM, "how long this server's transactions in the ledger took, by"
           " whether they read or write; what waiting for a turn takes counts", ("kind",), "2"),
    Metric("stocktake_http_requests_total", Type.COUNTER, "requests that this server answered, by route as in its"
           " description, method and status", ("route", "method", "code"), "routes x methods x statuses"),
    Metric("stocktake_http_request_seconds", Type.HISTOGRAM, "how long answers took, from the head of the request to"
           " the head of the answer: what is streamed goes on", ("route",), "routes"),
    Metric("stocktake_configurations", Type.GAUGE, "configurations in the ledger, by whether they are enabled",
           ("enabled",), "2"),
    Metric("stocktake_configurations_suspended", Type.GAUGE, "configurations that run no more until they are put again:"
           " their bucket is gone, or somebody else's"),
    Metric("stocktake_configurations_without_report", Type.GAUGE, "configurations, enabled and not suspended, that"
           " never had a report"),
    Metric("stocktake_report_age_seconds", Type.GAUGE, "seconds since the newest report of such a configuration was"
           " published; `server.metrics_configurations` of them one by one, of all others the oldest, as configuration"
           " `(others)`", ("store", "bucket", "configuration", "frequency"), "the setting, and 1"),
    Metric("stocktake_runs", Type.GAUGE, "scheduled runs in the ledger, by state; those that are over stay for 90 days",
           ("state",), "5"),
    Metric("stocktake_runs_due", Type.GAUGE, "runs whose time has come and on which nobody works"),
    Metric("stocktake_run_due_age_seconds", Type.GAUGE, "how long the longest due of them has waited; 0 without any"),
    Metric("stocktake_runs_leased", Type.GAUGE, "runs on which a worker works"),
    Metric("stocktake_workers", Type.GAUGE, "workers that were heard of within the last minute, with a run or without"),
    Metric("stocktake_beat_age_seconds", Type.GAUGE, "seconds since the last beat of the worker that has been silent"
           " longest, of those that work; 0 without any"),
    Metric("stocktake_objects_total", Type.COUNTER, "objects that scheduled runs have listed"),
    Metric("stocktake_object_bytes_total", Type.COUNTER, "what these objects hold"),
    Metric("stocktake_store_requests_total", Type.COUNTER, "requests that scheduled runs sent to stores, by their kind",
           ("call",), _CALLS),
    Metric("stocktake_store_refusals_total", Type.COUNTER, "answers that were no success, by the status; `broken`"
           " where no whole answer arrived", ("call", "code"), f"{_CALLS} x statuses"),
    Metric("stocktake_store_retries_total", Type.COUNTER, "requests that were sent again"),
    Metric("stocktake_problems_total", Type.COUNTER, "values and objects that runs could not learn about, by kind",
           ("problem",), "8"),
)  # fmt: skip

BY_NAME: Mapping[str, Metric] = {each.name: each for each in METRICS}
OTHERS = "(others)"

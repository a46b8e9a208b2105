"""What `/metrics` tells, by the table of metrics: what this server counts itself, and what its ledger says of all
workers. Needs prometheus-client, which the extra `server` brings.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stocktake import __version__
from stocktake.model.errors import InventoryError
from stocktake.model.scheduled import ScheduledState
from stocktake.service.metric_table import BY_NAME, OTHERS, Type
from stocktake.state.observing import Observing, ServiceFigures

_Labels: TypeAlias = tuple[str, ...]
BELIEVED_S = 5.0  # figures of the ledger: several who ask cost no more than one
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telemetry:
    """The metrics of one server. May be used from several threads."""

    def __init__(
        self, observing: Observing, configurations_max: int, monotonic: Callable[[], float]
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as many series more, unread
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(*_described("stocktake_http_requests_total"), registry=registry)
        name = "stocktake_http_request_seconds"
        self._seconds = Histogram(*_described(name), registry=registry, buckets=_SECONDS)
        name = "stocktake_ledger_seconds"
        self._ledger = Histogram(*_described(name), registry=registry, buckets=_SECONDS)
        Gauge(*_described("stocktake_build_info"), registry=registry).labels(__version__).set(1)
        ProcessCollector(registry=registry)
        registry.register(_LedgerCollector(observing, configurations_max, monotonic))

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer. `route` and `method` are of a bounded set."""
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route).observe(seconds)

    def watched(self, kind: str) -> AbstractContextManager[object]:
        """Times a transaction, while the block runs; `kind` is read or write."""
        return self._ledger.labels(kind).time()

    def text(self) -> bytes:
        """All metrics, in Prometheus's text format. It asks the ledger, and so may wait."""
        return generate_latest(self._registry)


class _LedgerCollector(Collector):
    """What the ledger says, when it is asked for."""

    def __init__(
        self, observing: Observing, configurations_max: int, monotonic: Callable[[], float]
    ) -> None:
        self._observing = observing
        self._configurations_max = configurations_max
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: tuple[float, ServiceFigures | None] | None = None

    def collect(self) -> Iterator[Family]:
        """The families of metrics."""
        figures = self._figures()
        yield _gauge("stocktake_ledger_up", {(): float(figures is not None)})
        if figures is not None:
            yield from _runs(figures)
            yield from _reports(figures)
            yield from _totals(figures)

    def describe(self) -> list[Family]:
        """Nothing, so that making a registry does not ask the ledger."""
        return []

    def _figures(self) -> ServiceFigures | None:
        with self._lock:
            now = self._monotonic()
            if self._seen is None or now - self._seen[0] >= BELIEVED_S:
                try:
                    found = self._observing.figures(self._configurations_max)
                except InventoryError:
                    found = None
                self._seen = (now, found)
            return self._seen[1]


def _described(name: str) -> tuple[str, str, tuple[str, ...]]:
    metric = BY_NAME[name]
    return name.removesuffix("_total"), metric.meaning, metric.labels


def _gauge(name: str, values: Mapping[_Labels, float]) -> Family:
    return _filled(GaugeMetricFamily(*_labelled(name)), values)


def _counter(name: str, values: Mapping[_Labels, float]) -> Family:
    assert BY_NAME[name].type is Type.COUNTER
    return _filled(CounterMetricFamily(*_labelled(name)), values)


def _labelled(name: str) -> tuple[str, str, None, tuple[str, ...]]:
    stem, meaning, labels = _described(name)
    return stem, meaning, None, labels


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[_Labels, float]
) -> Family:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _runs(figures: ServiceFigures) -> Iterator[Family]:
    runs: dict[_Labels, float] = {
        (str(state),): float(figures.runs.get(state, 0)) for state in ScheduledState
    }
    yield _gauge("stocktake_runs", runs)
    yield _gauge("stocktake_runs_due", {(): figures.due})
    yield _gauge("stocktake_run_due_age_seconds", {(): _age_s(figures, figures.longest_due)})
    yield _gauge("stocktake_runs_leased", {(): figures.leased})
    yield _gauge("stocktake_workers", {(): figures.workers})
    yield _gauge("stocktake_beat_age_seconds", {(): _age_s(figures, figures.oldest_beat)})


def _reports(figures: ServiceFigures) -> Iterator[Family]:
    enabled: dict[_Labels, float] = {
        (name,): figures.enabled.get(is_so, 0) for name, is_so in _FLAGS.items()
    }
    yield _gauge("stocktake_configurations", enabled)
    yield _gauge("stocktake_configurations_suspended", {(): figures.suspended})
    yield _gauge("stocktake_configurations_without_report", {(): figures.without_report})
    ages: dict[_Labels, float] = {
        (each.key.store, each.key.bucket, each.key.id, str(each.frequency)): _age_s(
            figures, each.published
        )
        for each in figures.ages
    }
    if figures.oldest_other is not None:
        ages["", "", OTHERS, ""] = _age_s(figures, figures.oldest_other)
    yield _gauge("stocktake_report_age_seconds", ages)


_FLAGS = {"true": True, "false": False}


def _totals(figures: ServiceFigures) -> Iterator[Family]:
    totals = figures.totals
    yield _counter("stocktake_objects_total", {(): totals.get("rows", 0)})
    yield _counter("stocktake_object_bytes_total", {(): totals.get("object_bytes", 0)})
    yield _counter("stocktake_store_retries_total", {(): totals.get("retries", 0)})
    for name, group in (
        ("stocktake_store_requests_total", "requests"),
        ("stocktake_store_refusals_total", "refusals"),
        ("stocktake_problems_total", "problems"),
    ):
        of_it = {key: n for key, n in totals.items() if key.startswith(f"{group}.")}
        yield _counter(name, {tuple(key.split(".")[1:]): n for key, n in of_it.items()})


def _age_s(figures: ServiceFigures, moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (figures.moment - moment).total_seconds())

"""Metrics: those of the table and no others, in series of which there can be only so many, for who may read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from stocktake.model.store import Store
from stocktake.service.metric_table import BY_NAME, METRICS, Type
from stocktake.service.server_settings import Site
from tests.api.serving import Api, document, running_api
from tests.servers.promtool import promtool

TOKEN = "a-token-of-our-own"
SITE = Site("default", Store("http://127.0.0.1:1"))


def told(api: Api, **headers: str) -> dict[str, Metric]:
    answer = api.ask("GET", "/metrics", key=None, headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {each.name: each for each in text_string_to_metric_families(answer.body.decode())}


def stem(name: str) -> str:
    return name.removesuffix("_total")


def test_what_is_told_is_what_the_table_says(api: Api, bucket: str) -> None:
    assert api.ask("PUT", f"/{bucket}?inventory&id=report1", document()).status == 204
    found = told(api)
    ours = {name: each for name, each in found.items() if not name.startswith("process_")}
    assert set(ours) <= {stem(name) for name in BY_NAME}
    assert set(ours) >= {stem(each.name) for each in METRICS if not each.labels}
    for metric in METRICS:
        if metric.name in ours or stem(metric.name) in ours:
            each = ours[stem(metric.name)]
            assert (each.type, each.documentation) == (metric.type, metric.meaning)
            for sample in each.samples:
                assert set(sample.labels) - {"le"} == set(metric.labels)
    assert [sample.value for sample in found["stocktake_ledger_up"].samples] == [1]
    assert all(each.name.endswith("_total") == (each.type is Type.COUNTER) for each in METRICS)


def test_prometheus_finds_nothing_wrong_with_what_is_told(api: Api, bucket: str) -> None:
    api.ask("GET", f"/{bucket}?inventory")
    assert (
        promtool("check", "metrics", said=api.ask("GET", "/metrics", key=None).body.decode()) == ""
    )


def test_requests_are_counted_by_route_and_by_nothing_that_users_choose(
    api: Api, bucket: str
) -> None:
    api.ask("GET", f"/{bucket}?inventory")
    api.ask("GET", f"/{bucket}?inventory&id=none")
    api.ask("GET", f"/api/v1/configurations/default/{bucket}")
    api.ask("GET", "/healthz", key=None)
    api.ask("PROPFIND", "/healthz", key=None)
    for number in range(20):
        api.ask("GET", f"/nowhere/{bucket}/{number}", key=None)
        api.ask("GET", f"/api/v1/nowhere/{number}")
    samples = told(api)["stocktake_http_requests"].samples
    seen = {(each.labels["route"], each.labels["method"], each.labels["code"]) for each in samples}
    assert seen >= {
        ("/{bucket}?inventory", "GET", "200"),
        ("/{bucket}?inventory&id", "GET", "404"),
        ("/api/v1/configurations/{store}/{bucket}", "GET", "200"),
        ("/healthz", "GET", "200"),
        ("/healthz", "other", "405"),
        ("other", "GET", "404"),
    }
    assert bucket not in repr(seen)
    assert "PROPFIND" not in repr(seen)
    assert "nowhere" not in repr(seen)
    seconds = told(api)["stocktake_http_request_seconds"].samples
    counted = {each.labels["route"] for each in seconds if each.name.endswith("_count")}
    assert counted == {route for route, _, _ in seen}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = running_api(tmp_path_factory.mktemp("state"), (SITE,), host="0.0.0.0")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STOCKTAKE_METRICS_TOKEN", TOKEN)
            api = stack.enter_context(running)
        yield api


@pytest.mark.parametrize(
    "said", [None, TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer \xe9"]
)
def test_who_has_not_the_token_is_refused(guarded: Api, said: str | None) -> None:
    headers = {} if said is None else {"Authorization": said}
    answer = guarded.ask("GET", "/metrics", key=None, headers=headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN.encode() not in answer.body


def test_who_has_the_token_may_read(guarded: Api) -> None:
    assert "stocktake_ledger_up" in told(guarded, Authorization=f"Bearer {TOKEN}")


def test_without_a_token_metrics_are_for_this_machine_alone(tmp_path: Path) -> None:
    with running_api(tmp_path, (SITE,), host="0.0.0.0") as running:
        answer = running.ask("GET", "/metrics", key=None)
    assert answer.status == 403
    assert b"STOCKTAKE_METRICS_TOKEN" in answer.body


def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with running_api(tmp_path, (SITE,)) as running:
        with sqlite3.connect(tmp_path / "ledger.sqlite3") as ledger:
            ledger.execute("DROP TABLE scheduled_runs")
        found = told(running)
    assert [sample.value for sample in found["stocktake_ledger_up"].samples] == [0]
    assert "stocktake_runs" not in found
    assert "stocktake_http_requests" in found or "stocktake_ledger_seconds" in found

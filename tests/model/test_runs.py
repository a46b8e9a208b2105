from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest

from stocktake.model.addresses import S3Address
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.runs import Call, InventoryRun, Limits, Problem, group
from stocktake.model.store import Store
from tests.model.test_configuration import DOCUMENT

RUN = InventoryRun(
    source=Store(endpoint_url="http://127.0.0.1:8000"),
    bucket="b",
    destination=Store(profile="reports"),
    address=S3Address("dest", "inv"),
    configuration=InventoryConfiguration.model_validate(DOCUMENT),
    extension_fields=("ObjectTags",),
    moment=datetime(2026, 11, 22, 14, 43, tzinfo=UTC),
)


def test_a_run_travels_between_processes() -> None:
    assert pickle.loads(pickle.dumps(RUN)) == RUN


def test_a_runs_columns_are_those_of_its_two_documents() -> None:
    assert [field.name for field in RUN.fields] == [
        "Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "ETag", "ObjectTags",
    ]  # fmt: skip


def test_a_run_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RUN.bucket = "other"  # type: ignore[misc]


def test_counts_are_grouped_by_what_stands_before_the_dot() -> None:
    counters = Counter({"rows": 5, "requests.list": 2, "requests.head": 7, "requests.acl": 0})
    counters["problems.vanished"] += 1
    assert group(counters, "requests") == {"head": 7, "list": 2}
    assert list(group(counters, "requests")) == ["head", "list"]
    assert group(counters, "problems") == {"vanished": 1}
    assert group(counters, "request") == {}


def test_counts_of_two_lanes_add_up() -> None:
    one, two = Counter({f"requests.{Call.LIST}": 1}), Counter({f"requests.{Call.LIST}": 2})
    assert group(one + two, "requests") == {"list": 3}


def test_the_words_of_counters_hold_no_dot() -> None:
    assert not [word for word in (*Call, *Problem) if "." in word]


def test_every_limit_is_a_bound() -> None:
    limits = Limits()
    for limit in fields(Limits):
        value = getattr(limits, limit.name)
        # No rate and no niceness is what holds unless they are asked for.
        assert limit.name in ("rate", "nice") or value > 0, limit.name
    assert limits.retry_delay_s_min < limits.retry_delay_s_max

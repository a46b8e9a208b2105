"""Every way a store is known to page, and every lie it may tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    NoSuchBucketError,
    ServerError,
    StoreError,
)
from stocktake.model.keys import KeyRange
from tests.inventory.lanes import QUICK, open_lane
from tests.servers.fault import (
    Action,
    FaultServer,
    FixtureObject,
    access_denied,
    ceph_style,
    drop_keys,
    encoding_ignored,
    html,
    huge_pages,
    ignore_start_after,
    internal_error,
    malformed_xml,
    raw_tokens,
    repeat_page,
    reset,
    short_pages,
    slash_encoded,
    slow_down,
    stall,
    stuck_marker,
    synthetic,
    truncate,
    unordered,
    unquoted_etags,
    wrong_root,
)
from tests.servers.server import Server

# Keys that XML, URLs or paths change for whoever is careless, over several short pages.
HOSTILE = sorted(
    ["\x01", "a\x01", "a\x1f/b", "a/\x01", "%2F", "%", "+", "a b", "a+b", "a/../b", "./b", ".", "..", "/", "//", "a//b",
     "\t", "\n", "\r", "\x7f", "&amp;", "<x>", "]]>", '"', "'", "\ufffe", "\uffee", "\U0001f600", "é", "e\u0301", "~",
     "z" * 1024]
)  # fmt: skip


def fill(server: FaultServer, versions: bool) -> None:
    def history(key: str) -> list[FixtureObject]:
        if not versions:
            return [FixtureObject(key)]
        return [
            FixtureObject(key, version_id="v2", delete_marker=True),
            FixtureObject(key, version_id="v1"),
            FixtureObject(key),
        ]

    server.bucket("b", [each for key in HOSTILE for each in history(key)])


@pytest.mark.parametrize("versions", ["Current", "All"])
@pytest.mark.parametrize(
    "quirks",
    [
        [],
        [short_pages(1)],
        [short_pages(2)],
        [raw_tokens(), short_pages(1)],
        [ceph_style(), short_pages(3)],
        [slash_encoded(), unquoted_etags(), short_pages(4)],
        [huge_pages()],
        [stuck_marker(), short_pages(2)],
    ],
    ids=[
        "none",
        "pages of 1",
        "pages of 2",
        "raw tokens",
        "as Ceph",
        "slashes and ETags",
        "huge pages",
        "stuck markers",
    ],
)
def test_every_key_is_listed_once_and_exact_whatever_the_store_s_manners(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, quirks: list[Action], versions: str
) -> None:
    fill(fault_server, versions == "All")
    for quirk in quirks:
        fault_server.rule(quirk, operation="List")
    with open_lane(fault_server.as_server(), "b", monkeypatch, versions=versions) as lane:
        rows = lane.listed()
    found = [(row["key"], row["version_id"]) for row in rows]
    ids = [None, "v1", "v2"] if versions == "All" else [None]
    assert found == [(key, version) for key in HOSTILE for version in ids]
    assert lane.problems() == {}


def test_keys_are_exact_where_the_store_ignores_the_encoding(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["%2F", "+", "a b", "a%20b"]
    fault_server.bucket("b", [FixtureObject(key) for key in keys])
    fault_server.rule(encoding_ignored(), operation="List")
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        assert [row["key"] for row in lane.listed()] == keys


@pytest.mark.parametrize("versions", ["Current", "All"])
@pytest.mark.parametrize(
    "lie",
    [ignore_start_after(), repeat_page(), unordered()],
    ids=lambda lie: lie.name,
)
def test_a_store_that_lies_about_its_pages_is_found_out(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, lie: Action, versions: str
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    fault_server.rule(lie, operation="List", after=1)
    with (
        open_lane(fault_server.as_server(), "b", monkeypatch, versions=versions) as lane,
        pytest.raises(ContradictionError),
    ):
        lane.listed()
    assert fault_server.counts.total() <= 5


def test_pages_without_keys_that_promise_more_do_not_go_on_for_ever(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    fault_server.rule(drop_keys(lambda _key: True), operation="List")
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        rows = lane.listed()  # each page moves the token on, and the last one ends it
    assert rows == []
    assert fault_server.counts["ListObjectsV2"] == 3


@pytest.mark.parametrize(
    "fault",
    [
        slow_down(),
        internal_error(),
        reset(),
        reset("in body", after_bytes=1000),
        truncate(),
        malformed_xml(),
        html(),
    ],
    ids=[
        "slow down",
        "internal error",
        "reset",
        "reset in the body",
        "truncated",
        "malformed",
        "html",
    ],
)
def test_a_passing_fault_leaves_no_trace_in_the_rows(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, fault: Action
) -> None:
    fault_server.bucket("b", generated=synthetic(3500))
    fault_server.rule(fault, operation="List", nth=1, per_target=True)
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        assert [row["key"] for row in lane.listed()] == [f"data/{n:09d}" for n in range(3500)]
    assert fault_server.counts["ListObjectsV2"] >= 8


def test_a_stalled_answer_is_given_up_and_asked_again(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(1500))
    fault_server.rule(stall(after_bytes=1000), operation="List", nth=2)
    limits = replace(QUICK, stall_timeout_s=2)
    with open_lane(fault_server.as_server(), "b", monkeypatch, limits=limits) as lane:
        assert len(lane.listed()) == 1500


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (slow_down(), StoreError),
        (truncate(), StoreError),
        (malformed_xml(), ServerError),
        (html(), ServerError),
        (wrong_root(), ServerError),
        (access_denied(), AccessDeniedError),
    ],
    ids=["slow down", "truncated", "malformed", "html", "another root", "denied"],
)
def test_a_lasting_fault_is_one_clear_error_within_a_bound(
    fault_server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    fault: Action,
    error: type[StoreError],
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    fault_server.rule(fault, operation="List", after=1)
    with (
        open_lane(fault_server.as_server(), "b", monkeypatch) as lane,
        pytest.raises(error, match="b"),
    ):
        lane.listed()
    assert fault_server.counts["ListObjectsV2"] <= 1 + lane.run.limits.tries_max


def test_an_unknown_bucket_is_named(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        open_lane(fault_server.as_server(), "nowhere", monkeypatch) as lane,
        pytest.raises(NoSuchBucketError, match="nowhere"),
    ):
        lane.listed()


def test_a_range_ends_with_its_last_key(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(5000))
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        rows = lane.listed(KeyRange("data/000000999", "data/000002001"))
    assert [row["key"] for row in rows] == [f"data/{n:09d}" for n in range(1000, 2002)]


@pytest.mark.parametrize("versions", ["Current", "All"])
def test_ten_thousand_versions_of_one_key_are_paged_within_it(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, versions: str
) -> None:
    history = [FixtureObject("k", version_id=f"v{n:05d}") for n in range(3000)]
    fault_server.bucket("b", [FixtureObject("a"), *history, FixtureObject("z")])
    with open_lane(fault_server.as_server(), "b", monkeypatch, versions=versions) as lane:
        rows = lane.listed()
    assert len(rows) == (3002 if versions == "All" else 3)
    assert lane.problems() == {}


@pytest.mark.parametrize(
    "store", ["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)]
)
def test_ranges_that_meet_at_a_key_share_none_of_its_versions(
    store: str,
    buckets: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Both stores begin with the versions of the marker's own key where no version of it is named."""
    server: Server = request.getfixturevalue(store)
    client = server.client()
    bucket = buckets("meeting")
    client.create_bucket(Bucket=bucket)
    keys = ["a", "a/", "a/b", "a0", "b"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in keys * 3:
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    for rows_max in (3, 1000):
        limits = replace(QUICK, page_rows_max=rows_max)
        with open_lane(server, bucket, monkeypatch, versions="All", limits=limits) as lane:
            whole = lane.listed()
            assert [row["key"] for row in whole] == [key for key in keys for _ in range(4)]
            for pivot in keys[:-1]:
                first, second = KeyRange().split(pivot)
                assert lane.listed(first) + lane.listed(second) == whole


@pytest.mark.server
@pytest.mark.parametrize("versions", ["Current", "All"])
def test_keys_of_a_real_store_are_exact_over_any_page_edge(
    ceph_server: Server, buckets: Callable[..., str], monkeypatch: pytest.MonkeyPatch, versions: str
) -> None:
    """Ceph writes raw tokens; pages of one, two and three rows end on each of the keys."""
    client = ceph_server.client()
    bucket = buckets("edges")
    client.create_bucket(Bucket=bucket)
    keys = [key for key in HOSTILE if key not in ("//",)]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    for rows_max in (1, 2, 3):
        limits = replace(QUICK, page_rows_max=rows_max)
        with open_lane(ceph_server, bucket, monkeypatch, versions=versions, limits=limits) as lane:
            assert [row["key"] for row in lane.listed()] == keys

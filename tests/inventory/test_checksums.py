"""Checksums, which HEAD tells only when asked, and may tell nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.inventory.lanes import open_lane
from tests.inventory.rows import one
from tests.servers.fault import FaultServer, FixtureObject, access_denied


def test_checksums_are_asked_for_only_where_listing_lacks_them(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b",
        [
            FixtureObject("listed", checksum_algorithm="SHA256", checksum_value="abc="),
            FixtureObject("silent"),
        ],
    )
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus,ChecksumAlgorithm"
    ) as lane:
        rows = lane.reported()
    assert one(rows, "listed")["checksum_algorithm"] == "SHA256"
    with open_lane(fault_server.as_server(), "b", monkeypatch, fields="ChecksumValue") as lane:
        rows = lane.reported()
    assert one(rows, "listed")["checksum_value"] == "SHA256:abc="
    assert one(rows, "silent")["checksum_value"] is None


def test_checksums_are_told_after_a_token_that_expired_as_listing_ended(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HEAD says 403 of an expired token, and that is not taken for a refusal of checksums."""
    summed = FixtureObject("k", checksum_algorithm="SHA256", checksum_value="abc=")
    fault_server.bucket("b", [replace(summed, key=f"k{n}") for n in range(3)])
    fault_server.rule(access_denied(), operation="HeadObject", times=3)
    fault_server.expire_token("token-1", after_requests=1 + 3)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-1")
    with open_lane(fault_server.as_server(), "b", monkeypatch, fields="ChecksumValue") as lane:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token-2")
        rows = lane.reported()
    assert {row["checksum_value"] for row in rows} == {"SHA256:abc="}
    assert lane.problems() == {}

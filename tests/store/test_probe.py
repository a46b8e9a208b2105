"""What probing finds out: on moto, on Ceph, and on stores that each lie in one way."""

from __future__ import annotations

import re

import pytest

from stocktake.model.capabilities import ABILITIES, Ability, Found, Verdict, Walk
from tests.servers.fault import (
    Action,
    FaultServer,
    FixtureObject,
    Request,
    ceph_style,
    do_before,
    encoding_ignored,
    huge_pages,
    ignore_start_after,
    raw_tokens,
    respond,
    short_pages,
    stop_early,
    stuck_marker,
    unordered,
)
from tests.servers.fault_starts import (
    include_start_after,
    misread_start_after,
    no_tokens,
    utf16_order,
)
from tests.store.probing import REQUESTS_MAX, Lying, evidence, lacking, probed, untold

READS = {"ListObjectsV2", "ListObjectVersions", "HeadObject"}


@pytest.fixture
def lying(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Lying:
    return Lying(fault_server, monkeypatch)


# -- stores that do it right -----------------------------------------------------------------------


def test_a_store_that_does_everything_right_is_fine_and_is_only_read(
    lying: Lying, fault_server: FaultServer
) -> None:
    found = lying()
    assert lacking(found) == set()
    assert untold(found) == {Ability.RESTORE}
    assert [row.ability for row in found.rows] == list(ABILITIES)
    assert (found.verdict(), found.verdict(all_versions=True)) == (Verdict.FINE, Verdict.FINE)
    assert found.walk() is found.walk(all_versions=True) is Walk.PARALLEL
    assert found.requests == sum(fault_server.counts.values()) <= REQUESTS_MAX
    assert set(fault_server.counts) == READS
    assert found.list_s is not None
    assert found.head_s is not None
    assert 0 < found.head_s < found.list_s + 1


@pytest.mark.parametrize(
    "quirk",
    [ceph_style(), raw_tokens(), short_pages(3)],
    ids=lambda each: each.name,
)
def test_manners_that_a_run_copes_with_are_no_defects(lying: Lying, quirk: Action) -> None:
    found = lying(quirk)
    assert lacking(found) == set()
    assert found.verdict(all_versions=True) is Verdict.FINE


def test_what_is_said_of_encoding_is_what_the_store_writes(
    lying: Lying,
) -> None:
    as_aws = evidence(lying(), Ability.ENCODING)
    assert "a space is `+`" in as_aws
    assert "a tilde is `%7E`" in as_aws
    assert "bare are `*/`" in as_aws
    assert "a slash is `%2F`" in evidence(lying(ceph_style()), Ability.ENCODING)


def test_owners_and_restored_objects_are_seen(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [FixtureObject(f"k{n}") for n in range(9)]
    restored = FixtureObject(
        "k9",
        restore='ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"',
        storage_class="GLACIER",
    )
    fault_server.bucket("b", [*objects, restored])
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert found.found(Ability.RESTORE) is Found.YES
    assert evidence(found, Ability.RESTORE) == "of 1 of 10 objects"
    assert evidence(found, Ability.OWNER) == "of 10 of 10 objects"


def test_a_prefix_is_all_that_is_looked_at(
    lying: Lying, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying()
    fault_server.reset_counts()
    found = probed(fault_server.as_server(), "b", monkeypatch, prefix="data/00001")
    assert found.address == "s3://b/data/00001"
    assert evidence(found, Ability.LIST) == "a page of 10 keys"
    assert all(
        "prefix=data" in entry.query
        for entry in fault_server.log
        if entry.operation != "HeadObject"
    )


# -- what a small bucket cannot tell ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "verdict"), [(0, Verdict.UNTOLD), (1, Verdict.UNTOLD), (2, Verdict.FINE)]
)
def test_an_empty_bucket_tells_little_and_says_so(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, keys: int, verdict: Verdict
) -> None:
    fault_server.bucket("b", [FixtureObject(f"k{n}") for n in range(keys)])
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert lacking(found) == set()
    assert found.found(Ability.LIST) is Found.YES
    assert found.found(Ability.ORDER) is (Found.YES if keys > 1 else Found.UNKNOWN)
    assert found.found(Ability.START_AFTER) is (Found.YES if keys else Found.UNKNOWN)
    assert found.verdict() is verdict


def test_a_single_key_is_enough_to_find_out_that_start_after_is_ignored(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject("only")])
    fault_server.rule(ignore_start_after())
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert {Ability.START_AFTER, Ability.EXCLUSIVE} & lacking(found)
    assert found.verdict() is Verdict.UNTOLD  # are there tokens?


def test_keys_that_fill_their_1024_bytes_leave_room_for_nothing_behind_them(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject(letter * 1024) for letter in "abc"])
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert lacking(found) == set()
    assert {Ability.ANYWHERE, Ability.UNICODE, Ability.CONTROL} <= untold(found)


# -- stores that lie -------------------------------------------------------------------------------

MARKERS = {Ability.KEY_MARKER, Ability.VERSION_MARKER}
STARTS = {
    Ability.START_AFTER,
    Ability.EXCLUSIVE,
    Ability.ANYWHERE,
    Ability.UNICODE,
    Ability.CONTROL,
}


@pytest.mark.parametrize(
    ("lie", "found_out"),
    [
        (ignore_start_after(), STARTS | MARKERS),
        (include_start_after(), {Ability.EXCLUSIVE}),
        (unordered(), {Ability.ORDER, Ability.VERSION_MARKER}),
        (stop_early(), {Ability.IS_TRUNCATED}),
        (stuck_marker(), {Ability.TOKEN}),
        (no_tokens(), {Ability.TOKEN}),
        (huge_pages(), {Ability.MAX_KEYS}),
        (encoding_ignored(), {Ability.ENCODING}),
    ],
    ids=lambda each: each.name if isinstance(each, Action) else "",
)
def test_a_store_that_lies_is_found_out(lying: Lying, lie: Action, found_out: set[Ability]) -> None:
    found = lying(lie)
    assert lacking(found) == found_out
    broken = bool(found_out & {Ability.ORDER, Ability.IS_TRUNCATED})
    assert found.verdict() is (Verdict.BROKEN if broken else Verdict.FINE)
    serial = bool(found_out & {Ability.EXCLUSIVE, Ability.START_AFTER})
    expected = Walk.NONE if broken else Walk.SERIAL if serial else Walk.PARALLEL
    assert found.walk() is expected
    assert all(row.consequence for row in found.rows if row.found is Found.NO)


def test_a_store_without_start_after_and_without_tokens_is_broken(lying: Lying) -> None:
    found = lying(ignore_start_after(), no_tokens())
    assert (found.verdict(), found.walk()) == (Verdict.BROKEN, Walk.NONE)


def test_an_order_of_utf_16_is_found_out_where_keys_show_it(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject(key) for key in ("a", "\uffee", "\U0001f600")])
    assert probed(fault_server.as_server(), "b", monkeypatch).found(Ability.ORDER) is Found.YES
    fault_server.rule(utf16_order())
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert found.found(Ability.ORDER) is Found.NO
    assert "stands before" in evidence(found, Ability.ORDER)
    assert found.walk() is Walk.NONE


def test_a_start_after_that_is_misread_is_found_out_where_keys_are_not_ascii(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b", [FixtureObject(f"{letter}/{n}") for n in range(4) for letter in "aéö中"]
    )
    fault_server.rule(misread_start_after(), operation="List")
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert found.found(Ability.UNICODE) is Found.NO


def test_a_store_that_only_goes_on_from_keys_that_exist_can_be_walked_from_one_to_the_next(
    lying: Lying,
) -> None:
    def odd(request: Request) -> bool:
        return re.fullmatch(r"(data/\d{6})?", request.query.get("start-after", "")) is None

    found = lying(ignore_start_after(), where=odd)
    assert lacking(found) == {Ability.ANYWHERE, Ability.UNICODE, Ability.CONTROL}
    assert found.verdict() is Verdict.FINE
    assert found.walk() is Walk.SERIAL


def test_a_store_that_refuses_control_characters_is_told_of(
    lying: Lying,
) -> None:
    refused = respond(400, "InvalidArgument", "Invalid character")
    found = lying(refused, where=lambda request: "\x01" in request.query.get("start-after", ""))
    assert lacking(found) == {Ability.CONTROL}
    assert "Invalid character" in evidence(found, Ability.CONTROL)
    assert found.verdict() is Verdict.FINE


def test_a_key_that_is_removed_meanwhile_is_no_lie(lying: Lying, fault_server: FaultServer) -> None:
    def remove() -> None:
        fault_server.bucket_named("b").remove("data/000500")

    found = lying(
        do_before(remove), where=lambda request: request.query.get("start-after") == "data/000499"
    )
    assert lacking(found) == set()
    assert found.found(Ability.START_AFTER) is Found.UNKNOWN
    assert "`data/000500` was removed meanwhile" in evidence(found, Ability.START_AFTER)

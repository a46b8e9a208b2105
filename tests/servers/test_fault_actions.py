"""Each fault does on the wire what its name says, to the requests that its rule names."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import quote, urlsplit

import pytest

from tests.acceptance.killing import wait_for
from tests.servers import fault
from tests.servers.fault import Action, FaultServer, FixtureObject, Rule, synthetic
from tests.servers.fault_raw import collect, connect, exchange

KEYS = [f"k/{number}" for number in range(6)]
LIST = "/b?list-type=2&encoding-type=url"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.bucket("b", [FixtureObject(key, body=key.encode() * 1000, etag="e") for key in KEYS])
        yield server


def keys_in(body: bytes) -> list[str]:
    return [key.decode() for key in re.findall(rb"<Key>(.*?)</Key>", body)]


def statuses(server: FaultServer, target: str, count: int, method: str = "HEAD") -> list[int]:
    return [exchange(server, target, method)[0] for _ in range(count)]


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [(fault.slow_down(), 503, b"<Code>SlowDown</Code>"), (fault.internal_error(), 500, b"InternalError"),
     (fault.too_many_requests(), 429, b"Too Many"), (fault.access_denied(), 403, b"AccessDenied"),
     (fault.respond(418, "Teapot"), 418, b"Teapot"), (fault.html(), 200, b"<!DOCTYPE html>"),
     (fault.wrong_root("Other"), 200, b"<Other xmlns")],
)  # fmt: skip
def test_refusals_have_a_body_for_get_and_none_for_head(
    server: FaultServer, action: Action, status: int, code: bytes
) -> None:
    server.rule(action)
    found, body = exchange(server, LIST)
    assert (found, code in body) == (status, True)
    assert exchange(server, "/b/k/0", "HEAD") == (status, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_reset_comes_instead_of_an_answer(server: FaultServer, method: str) -> None:
    server.rule(fault.reset())
    with pytest.raises(ConnectionResetError):
        exchange(server, "/b/k/0", method)


@pytest.mark.parametrize(
    ("action", "arrives"),
    [(fault.reset("after headers"), 0), (fault.reset("in body", after_bytes=7), 7)],
)
def test_a_reset_comes_after_as_many_bytes_as_wished(
    server: FaultServer, action: Action, arrives: int
) -> None:
    server.rule(action)
    with connect(server) as link:
        link.sendall(b"GET /b/k/0 HTTP/1.1\r\nHost: s\r\n\r\n")
        received = bytearray()
        with pytest.raises(ConnectionResetError):
            collect(link, received)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Length: 3000" in head
    assert len(body) == arrives


@pytest.mark.parametrize(
    ("action", "arrives"), [(fault.truncate(), 1500), (fault.truncate(10), 10)]
)
def test_a_truncated_body_is_shorter_than_its_length_says(
    server: FaultServer, action: Action, arrives: int
) -> None:
    server.rule(action)
    link = http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc, timeout=60)
    with closing(link):
        link.request("GET", "/b/k/0")
        answer = link.getresponse()
        with pytest.raises(http.client.IncompleteRead) as failed:
            answer.read()
    assert (len(failed.value.partial), failed.value.expected) == (arrives, 3000 - arrives)


@pytest.mark.parametrize(("after_bytes", "arrives"), [(None, False), (0, True), (100, True)])
def test_a_stall_falls_silent_where_it_is_told(
    server: FaultServer, after_bytes: int | None, arrives: bool
) -> None:
    asks = b"GET /b/k/0 HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"
    server.rule(fault.stall(after_bytes=after_bytes), nth=1)
    server.rule(fault.stall(0.3, after_bytes=after_bytes), nth=2)
    with connect(server) as link:
        link.sendall(asks)
        received = b""
        wanted = re.compile(rb"\r\n\r\n.{%d}" % (after_bytes or 0), re.DOTALL)
        while arrives and not wanted.search(received):
            piece = link.recv(65536)
            assert piece
            received += piece
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            link.recv(1)
        assert len(received.partition(b"\r\n\r\n")[2]) == (after_bytes or 0)
    began, whole = time.monotonic(), bytearray()
    with connect(server) as link:
        link.sendall(asks)
        collect(link, whole)
    assert time.monotonic() - began >= 0.3
    assert whole.endswith(b"k/0" * 1000)


def test_latency_delays_answers_side_by_side(server: FaultServer) -> None:
    server.rule(fault.latency(0.3))
    started = time.monotonic()
    with ExitStack() as stack:
        links = [stack.enter_context(connect(server)) for _ in range(8)]
        for link in links:
            link.sendall(b"HEAD /b/k/0 HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
        for link in links:
            collect(link, received := bytearray())
            assert received.startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - started >= 0.3
    assert server.in_flight_max > 1


def test_what_is_held_is_answered_when_that_is_told(server: FaultServer) -> None:
    told = threading.Event()
    server.rule(fault.hold(told), key="k/0")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(exchange, server, "/b/k/0", "HEAD")
        assert wait_for(lambda: bool(server.counts), 180)
        assert exchange(server, "/b/k/1", "HEAD")[0] == 200
        assert not held.done()
        told.set()
        assert held.result()[0] == 200


def test_malformed_xml_is_well_framed(server: FaultServer) -> None:
    server.rule(fault.malformed_xml(), nth=1)
    broken, whole = exchange(server, LIST)[1], exchange(server, LIST)[1]
    assert whole.startswith(broken)
    assert len(broken) < len(whole)


def test_throttling_lets_a_burst_pass_and_refuses_the_rest(server: FaultServer) -> None:
    server.rule(fault.throttle(0.001, burst=3))
    assert statuses(server, "/b/k/0", 5) == [200, 200, 200, 503, 503]


@pytest.mark.parametrize(
    ("condition", "struck"),
    [({}, 8), ({"nth": 2}, 1), ({"nth": (1, 8)}, 2), ({"every": 3}, 2), ({"after": 6}, 2), ({"times": 3}, 3),
     ({"key": "k/0"}, 8), ({"key": "k"}, 0), ({"prefix": "k/"}, 8), ({"prefix": "x"}, 0), ({"method": "GET"}, 0),
     ({"bucket": "other"}, 0), ({"operation": "HeadObject"}, 8), ({"operation": ("List", "GetObject")}, 0),
     ({"where": lambda request: "versionId" in request.query}, 0), ({"nth": 1, "per_target": True}, 1)],
)  # fmt: skip
def test_a_rule_strikes_only_what_it_names(
    server: FaultServer, condition: dict[str, object], struck: int
) -> None:
    rule: Rule = server.rule(fault.slow_down(), **condition)  # type: ignore[arg-type]
    assert statuses(server, "/b/k/0", 8).count(503) == rule.applied == struck


def test_chance_strikes_the_same_requests_whatever_their_order() -> None:
    struck = []
    for targets in (KEYS * 20, KEYS[::-1] * 20):
        with FaultServer(seed=3) as server:
            server.bucket("b", map(FixtureObject, KEYS))
            server.rule(fault.slow_down(), probability=0.3)
            outcome = [(key, exchange(server, f"/b/{key}", "HEAD")[0]) for key in targets]
        struck.append(sorted(outcome))
    assert struck[0] == struck[1]
    assert 20 < sum(status == 503 for _, status in struck[0]) < 55


def test_rules_end_when_told(server: FaultServer) -> None:
    rule = server.rule(fault.slow_down())
    assert statuses(server, "/b/k/0", 1) == [503]
    rule.remove()
    assert statuses(server, "/b/k/0", 1) == [200]
    server.rule(fault.slow_down())
    server.clear_rules()
    assert statuses(server, "/b/k/0", 1) == [200]


def test_what_was_asked_is_counted_and_logged(server: FaultServer) -> None:
    server.rule(fault.slow_down(), operation="HeadObject", nth=1)
    statuses(server, "/b/k/0?versionId=null", 2)
    exchange(server, LIST)
    assert server.counts == {"HeadObject": 2, "ListObjectsV2": 1}
    logged = [
        (entry.operation, entry.path, entry.query, entry.status, entry.faults)
        for entry in server.log
    ]
    assert logged == [
        ("HeadObject", "/b/k/0", "versionId=null", 503, ("SlowDown",)),
        ("HeadObject", "/b/k/0", "versionId=null", 200, ()),
        ("ListObjectsV2", "/b", "list-type=2&encoding-type=url", 200, ()),
    ]


PAGE_OF_3 = LIST + "&max-keys=3"


@pytest.mark.parametrize(
    ("action", "target", "shown", "hidden"),
    [(fault.unquoted_etags(), LIST, "<ETag>e</ETag>", "&quot;"),
     (fault.slash_encoded(), LIST, "<Key>k%2F0</Key>", "<Key>k/"),
     (fault.encoding_ignored(), LIST, "<Key>k/0</Key>", "EncodingType"),
     (fault.raw_tokens(), PAGE_OF_3, "<NextContinuationToken>k/2</NextContinuationToken>", "page-"),
     (fault.ceph_style(), PAGE_OF_3, "<Type>Normal</Type>", "k/0"),
     (fault.stop_early(), PAGE_OF_3, "<IsTruncated>false</IsTruncated>", "NextContinuationToken"),
     (fault.short_pages(2), LIST, "<IsTruncated>true</IsTruncated>", "k/2"),
     (fault.huge_pages(), PAGE_OF_3, "<IsTruncated>false</IsTruncated>", "NextContinuationToken"),
     (fault.drop_keys(), LIST, "k/3", "k/2"),
     (fault.drop_keys(lambda key: key == "k/5"), LIST, "k/4", "k/5"),
     (fault.ignore_start_after(), LIST + "&start-after=k/3", "<Key>k/0</Key>", "absent")],
)  # fmt: skip
def test_listings_show_each_defect(
    server: FaultServer, action: Action, target: str, shown: str, hidden: str
) -> None:
    right = exchange(server, target)[1].decode()
    server.rule(action, operation="List")
    wrong = exchange(server, target)[1].decode()
    assert (shown in wrong, hidden in wrong) == (True, False)
    assert shown not in right or hidden in right


def test_raw_tokens_of_control_characters_make_the_page_ill_formed(server: FaultServer) -> None:
    server.bucket("b", [FixtureObject("a\x01"), FixtureObject("b")])
    server.rule(fault.ceph_style())
    body = exchange(server, LIST + "&max-keys=1")[1]
    assert b"<NextContinuationToken>a&#x1;</NextContinuationToken>" in body
    assert b"<Key>a%01</Key>" in body
    following = exchange(server, f"{LIST}&continuation-token={quote('a' + chr(1))}")[1]
    assert keys_in(following) == ["b"]


@pytest.mark.parametrize("listing", [LIST, "/b?", "/b?versions"])
def test_a_stuck_marker_leads_back_to_its_own_page(server: FaultServer, listing: str) -> None:
    server.rule(fault.stuck_marker())
    body = exchange(server, f"{listing}&max-keys=2&delimiter=x")[1].decode()
    names = {
        "NextContinuationToken": "continuation-token",
        "NextMarker": "marker",
        "NextKeyMarker": "key-marker",
    }
    ((name, marker),) = re.findall(
        "<(NextContinuationToken|NextMarker|NextKeyMarker)>(.*?)</", body
    )
    again = exchange(server, f"{listing}&max-keys=2&{names[name]}={quote(marker)}")[1]
    assert keys_in(again) == keys_in(body.encode()) == ["k/0", "k/1"]


def test_a_page_can_come_twice(server: FaultServer) -> None:
    server.rule(fault.repeat_page(), nth=3)
    starts = ["", "k/1", "k/3", "k/3"]
    pages = [
        keys_in(exchange(server, f"{LIST}&max-keys=2&start-after={start}")[1]) for start in starts
    ]
    assert pages == [["k/0", "k/1"], ["k/2", "k/3"], ["k/2", "k/3"], ["k/4", "k/5"]]


def test_an_unordered_page_holds_the_same_keys(server: FaultServer) -> None:
    server.rule(fault.unordered())
    assert keys_in(exchange(server, LIST)[1]) == KEYS[::-1]


@pytest.mark.parametrize("target", ["/b?object-lock", "/b?never-heard-of"])
def test_unknown_sub_resources_of_a_bucket_can_answer_a_listing(
    server: FaultServer, target: str
) -> None:
    assert exchange(server, target)[0] in {404, 501}
    server.rule(fault.ignore_subresource())
    status, body = exchange(server, target)
    assert (status, keys_in(body)) == (200, KEYS)


@pytest.mark.parametrize("subresource", ["retention", "acl", "attributes"])
def test_unknown_sub_resources_of_an_object_can_answer_its_body(
    server: FaultServer, subresource: str
) -> None:
    assert b"k/0k/0" not in exchange(server, f"/b/k/0?{subresource}")[1]
    server.rule(fault.ignore_subresource())
    assert exchange(server, f"/b/k/0?{subresource}") == (200, b"k/0" * 1000)


def test_headers_can_be_added_and_withheld(server: FaultServer) -> None:
    server.rule(fault.with_headers({"x-amz-mark": "1"}))
    server.rule(fault.without_headers("etag"))
    head = server.client().head_object(Bucket="b", Key="k/0")
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-mark"] == "1"
    assert "ETag" not in head


def test_checksum_mode_can_be_refused(server: FaultServer) -> None:
    server.rule(fault.refuse_checksum_mode())
    assert exchange(server, "/b/k/0", "HEAD", x_amz_checksum_mode="ENABLED")[0] == 403
    assert exchange(server, "/b/k/0", "HEAD")[0] == 200


def test_races_happen_when_told(server: FaultServer) -> None:
    bucket = server.bucket_named("b")
    server.after_page(1, lambda: bucket.remove("k/5"))
    server.before_head("k/0", lambda: bucket.overwrite("k/0", body=b"new"))
    assert keys_in(exchange(server, LIST)[1]) == KEYS
    assert keys_in(exchange(server, LIST)[1]) == KEYS[:-1]
    assert bucket.read("k/0") == b"k/0" * 1000
    head = server.client().head_object(Bucket="b", Key="k/0")
    assert head["ContentLength"] == 3
    assert (time.time() - head["LastModified"].timestamp()) < 60


def test_requests_in_one_packet_are_answered_in_their_order(server: FaultServer) -> None:
    server.rule(fault.latency(0.1), key="k/0")
    with connect(server) as link:
        link.sendall(b"".join(f"GET /b/{key} HTTP/1.1\r\nHost: s\r\n\r\n".encode() for key in KEYS))
        received = b""
        while received.count(b"\r\n\r\n") < len(KEYS) or not received.endswith(b"k/5" * 1000):
            received += link.recv(65536)
    assert re.findall(rb"\r\n\r\n(k/\d)", received) == [key.encode() for key in KEYS]


def test_a_huge_body_flows_only_as_fast_as_it_is_read(server: FaultServer) -> None:
    server.bucket("b", [FixtureObject("huge", size=2**40)])
    with connect(server) as link:
        link.sendall(b"GET /b/huge HTTP/1.1\r\nHost: s\r\n\r\n")
        assert len(link.recv(65536)) > 0
        # While that answer is stuck, others are given.
        assert exchange(server, "/b/huge", "HEAD") == (200, b"")


def test_stopping_cuts_what_stalls(server: FaultServer) -> None:
    server.rule(fault.stall())
    ended: list[float] = []

    def ask() -> None:
        with connect(server) as link:
            link.sendall(b"GET /b/k/0 HTTP/1.1\r\nHost: s\r\n\r\n")
            assert link.recv(1) == b""
        ended.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    assert wait_for(lambda: bool(server.counts), 180)
    server.stop()
    asking.join(timeout=60)
    assert ended
    assert server.connections == 0


def test_every_name_the_module_offers_is_there() -> None:
    assert all(hasattr(fault, name) for name in fault.__all__)
    actions: list[Callable[..., Action]] = [
        getattr(fault, name) for name in fault.__all__ if name.islower()
    ]
    assert len(actions) > 30
    assert synthetic(3).at(2)[0].key == "data/000000002"

"""About how many keys there are, on buckets of many shapes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest

from stocktake.model.figures import Figure, Sureness
from stocktake.store.counting import count_keys
from stocktake.store.probe_pages import Asking
from tests.servers.fault import FaultServer, FixtureObject, ignore_start_after, synthetic
from tests.store.doors import open_transport, sign_as

KEYS = 50_000
REQUESTS_MAX = 20
_RANDOM = random.Random(1)
SHAPES: dict[str, list[str]] = {
    "flat counter": [f"img_{n:09d}.jpg" for n in range(KEYS)],
    "hex": sorted(hashlib.sha256(b"%d" % n).hexdigest() for n in range(KEYS)),
    "one deep prefix": [f"a/b/c/{n:09d}" for n in range(KEYS)],
    "dates": sorted(f"2024/{1 + n % 12:02}/{1 + n // 12 % 28:02}/{n:07}" for n in range(KEYS)),
    "hive": sorted(f"t/y={n % 5}/m={n % 12:02}/{_RANDOM.getrandbits(64):016x}" for n in range(KEYS)),
    "many folders": sorted(f"u-{_RANDOM.getrandbits(40):010x}/f{n % 5}" for n in range(KEYS)),
    "one long folder": sorted(
        [f"big/{n:08}" for n in range(KEYS - 900)] + [f"s{n:03}/x" for n in range(900)]
    ),
}  # fmt: skip


@pytest.fixture
def counted(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Figure, int]]:
    """What is said of the keys in bucket `b`, and how many requests that took beside the first page's."""

    def count(*, versions: bool = False, prefix: str = "") -> tuple[Figure, int]:
        sign_as(monkeypatch, "fault", "faultsecret")
        with open_transport(fault_server.endpoint_url, signed=True) as transport:
            asking = Asking(transport, "b", prefix, request_payer=False)
            first = asking.page(versions=versions)
            figure = count_keys(asking, first, versions=versions, requests_max=REQUESTS_MAX)
            return figure, asking.requests - 1

    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_a_guess_is_within_a_factor_of_three_and_says_that_it_is_rough(
    counted: Callable[..., tuple[Figure, int]], fault_server: FaultServer, shape: str
) -> None:
    fault_server.bucket("b", generated=synthetic(KEYS, SHAPES[shape]))
    figure, requests = counted()
    assert KEYS / 3 < figure.value < KEYS * 3
    assert figure.sureness is Sureness.ROUGH
    assert "were seen" in figure.rests_on
    assert requests <= REQUESTS_MAX


def test_one_page_is_counted(
    counted: Callable[..., tuple[Figure, int]], fault_server: FaultServer
) -> None:
    fault_server.bucket("b", generated=synthetic(999))
    assert counted() == (Figure(999, "the whole listing is one page", Sureness.KNOWN), 0)


def test_a_few_folders_are_counted(
    counted: Callable[..., tuple[Figure, int]], fault_server: FaultServer
) -> None:
    keys = [f"{folder:02}/{n % 3}/{n:03}" for folder in range(4) for n in range(400)]
    fault_server.bucket("b", generated=synthetic(len(keys), sorted(keys)))
    figure, _ = counted()
    assert (figure.value, figure.sureness) == (1600, Sureness.KNOWN)


def test_versions_are_counted_with_delete_markers(
    counted: Callable[..., tuple[Figure, int]], fault_server: FaultServer
) -> None:
    def history(index: int, key: str) -> list[FixtureObject]:
        return [
            FixtureObject(key, version_id=f"{index}b", delete_marker=True),
            FixtureObject(key, version_id=f"{index}a"),
        ]

    keys = [f"{folder}/{n:03}" for folder in range(4) for n in range(400)]
    fault_server.bucket("b", generated=synthetic(len(keys), keys, make=history))
    assert counted(versions=True)[0].value == 3200
    assert counted(versions=True, prefix="2/")[0].value == 800


def test_of_a_store_that_ignores_start_after_only_what_was_seen_is_said(
    counted: Callable[..., tuple[Figure, int]], fault_server: FaultServer
) -> None:
    fault_server.bucket("b", generated=synthetic(KEYS, SHAPES["flat counter"]))
    fault_server.rule(ignore_start_after())
    figure, requests = counted()
    assert (figure.value, figure.sureness) == (1000, Sureness.AT_LEAST)
    assert requests <= REQUESTS_MAX


def test_the_same_bucket_gives_the_same_guess(
    counted: Callable[..., tuple[Figure, int]], fault_server: FaultServer
) -> None:
    fault_server.bucket("b", generated=synthetic(KEYS, SHAPES["hive"]))
    assert counted() == counted()

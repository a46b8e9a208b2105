"""Runs and pieces survive being written down, and what would not survive is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.addresses import LocalAddress, S3Address
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.documents import decode, decode_run, encode, encode_run
from stocktake.model.errors import InventoryError, UsageError
from stocktake.model.fields import EXTENSION_FIELDS, OPTIONAL_FIELDS
from stocktake.model.keys import KeyRange
from stocktake.model.ledger import Owner
from stocktake.model.manifest import ManifestFile
from stocktake.model.pieces import Delivery, Segment
from stocktake.model.runs import DataFile, InventoryRun, Limits
from stocktake.model.store import Addressing, Store
from tests.model.test_configuration import DOCUMENT
from tests.model.test_runs import RUN

NAMES = st.text("abz09-é/ %~", min_size=1, max_size=8)
MAYBE = st.one_of(st.none(), NAMES)
STORES = st.builds(
    Store,
    endpoint_url=st.one_of(st.none(), st.just("http://127.0.0.1:8000"), st.just("https://s3")),
    profile=MAYBE,
    region=MAYBE,
    addressing=st.sampled_from(Addressing),
    sign_requests=st.booleans(),
    request_payer=st.booleans(),
    ca_bundle=MAYBE,
    verify_tls=st.booleans(),
)
PATHS = st.one_of(NAMES, st.just("\udcff")).map(lambda name: Path("/", name))
ADDRESSES = st.one_of(
    st.builds(S3Address, st.just("bucket"), NAMES), st.builds(LocalAddress, PATHS)
)
CONFIGURATIONS = st.builds(
    lambda fields, prefix, versions: InventoryConfiguration.model_validate(
        {
            **DOCUMENT,
            "OptionalFields": fields,
            "IncludedObjectVersions": versions,
            "Filter": {"Prefix": prefix} if prefix else None,
        }
    ),
    st.lists(st.sampled_from(sorted(OPTIONAL_FIELDS)), unique=True),
    MAYBE,
    st.sampled_from(["All", "Current"]),
)
LIMITS = st.builds(
    Limits,
    concurrency=st.integers(1, 999),
    processes=st.integers(1, 99),
    retry_delay_s_min=st.floats(0.001, 0.2),
)
RUNS = st.builds(
    InventoryRun,
    source=STORES,
    bucket=NAMES,
    destination=STORES,
    address=ADDRESSES,
    configuration=CONFIGURATIONS,
    extension_fields=st.lists(st.sampled_from(sorted(EXTENSION_FIELDS)), unique=True).map(tuple),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    region=MAYBE,
    owner_full_control=st.booleans(),
    strict=st.booleans(),
    usage=st.booleans(),
    limits=LIMITS,
    spool_folder=st.one_of(st.none(), PATHS),
)
KEYS = st.text(st.characters(exclude_categories=()), max_size=6)
COUNTERS = st.dictionaries(NAMES, st.integers(1, 2**62), max_size=3).map(Counter)
SILENT = st.one_of(st.none(), st.tuples(KEYS, st.one_of(st.none(), KEYS)))
RANGES = st.builds(
    lambda keys: KeyRange(keys[0], keys[1]),
    st.tuples(KEYS, st.one_of(st.none(), KEYS)).filter(lambda k: k[1] is None or k[1] > k[0]),
)
SEGMENTS = st.builds(
    Segment,
    RANGES,
    rows=st.integers(0, 2**40),
    first_key=st.one_of(st.none(), KEYS),
    last_key=st.one_of(st.none(), KEYS),
    path=st.one_of(st.none(), PATHS),
    full=st.booleans(),
    counters=COUNTERS,
    silent=SILENT,
    size=st.integers(0, 2**40),
    checksum=NAMES,
)
DELIVERIES = st.builds(
    Delivery,
    st.builds(
        DataFile,
        st.builds(ManifestFile, NAMES, st.integers(0, 2**50), NAMES),
        RANGES,
        st.integers(0, 2**40),
        st.one_of(st.none(), KEYS),
        st.one_of(st.none(), KEYS),
    ),
    COUNTERS,
    SILENT,
)


@given(RUNS)
def test_a_run_is_read_as_it_was_written(run: InventoryRun) -> None:
    text = encode_run(run)
    again = decode_run(text)
    assert again == run
    assert type(again.address) is type(run.address)
    assert again.moment.tzinfo is UTC
    assert text.isascii()


@given(st.one_of(SEGMENTS, DELIVERIES))
def test_a_piece_is_read_as_it_was_written(piece: Segment | Delivery) -> None:
    text = encode(piece)
    again = decode(type(piece), text)
    assert again == piece
    assert isinstance(again.counters, Counter)
    assert text.isascii()


def test_an_owner_is_read_as_it_was_written() -> None:
    owner = Owner("host", "boot", "pid:[1]", 7, "123")
    assert decode(Owner, encode(owner)) == owner


def test_a_password_in_an_endpoint_is_not_written_down() -> None:
    for name in ("source", "destination"):
        run = replace(RUN, **{name: Store("https://user:secret@s3")})  # type: ignore[arg-type]
        with pytest.raises(UsageError) as caught:
            encode_run(run)
        assert "secret" not in str(caught.value)


def changed(*path: str, value: object) -> str:
    document = json.loads(encode_run(RUN))
    part = document
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "'run'|'version'"),
        (changed("version", value=99), "found version 99, expected 1"),
        (changed("run", "bucket", value=7), "bucket: .*string"),
        (changed("run", "moment", value="soon"), "moment"),
        (changed("run", "limits", "warp", value=9), "nothing is known of limits.warp"),
        (changed("run", "quota", value=9), "nothing is known of quota"),
        (changed("run", "configuration", "Id", value="a b"), "configuration.Id"),
    ],
)
def test_a_document_of_which_something_would_be_lost_is_refused(text: str, said: str) -> None:
    with pytest.raises(InventoryError, match=said) as caught:
        decode_run(text)
    assert "another version of stocktake" in caught.value.hint


def test_what_is_new_since_takes_its_default() -> None:
    document = json.loads(encode_run(replace(RUN, strict=False)))
    del document["run"]["strict"], document["run"]["limits"]["tries_max"]
    assert decode_run(json.dumps(document)) == replace(RUN, strict=False)

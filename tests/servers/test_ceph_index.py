"""Entries that are written into an index of Ceph are listed as any others are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.servers.ceph_index import Entry, fill_index, made_entry
from tests.servers.server import Server

pytestmark = pytest.mark.server


def test_an_index_that_was_filled_is_listed_in_order_with_the_sizes_and_etags_it_was_given(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    if not ceph_server.configuration:
        pytest.skip("the running Ceph does not say where its configuration is")
    client, bucket = ceph_server.client(), buckets("filled")
    client.create_bucket(Bucket=bucket)
    keys = [f"{number % 7}/{'long/' * (number % 40)}é {number}" for number in range(3_000)]
    entries = [made_entry(key.encode()) for key in keys]
    fill_index(ceph_server, bucket, entries)
    found = [
        Entry(each["Key"].encode(), each["Size"], each["ETag"].strip('"'))
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for each in page["Contents"]
    ]
    assert found == sorted(entries, key=lambda entry: entry.key)
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=bucket, Key=keys[0])

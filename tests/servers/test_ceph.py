"""The Ceph that tests rely on has what they rely on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.servers.server import Server

pytestmark = pytest.mark.server


def test_ceph_has_two_users_who_cannot_read_each_other(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("project")
    ceph_server.client().create_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match="AccessDenied"):
        ceph_server.client(other=True).list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("storage_class", ["STANDARD", "STANDARD_IA", "GLACIER"])
def test_ceph_has_three_storage_classes(
    ceph_server: Server, buckets: Callable[..., str], storage_class: str
) -> None:
    client, bucket = ceph_server.client(), buckets("project")
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="key", Body=b"1", StorageClass=storage_class)
    listed = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["StorageClass"] for entry in listed] == [storage_class]


@pytest.mark.parametrize("kms_key", ["testkey-1", "testkey-2"])
def test_ceph_encrypts_with_two_kms_keys(
    ceph_server: Server, buckets: Callable[..., str], kms_key: str
) -> None:
    client, bucket = ceph_server.client(), buckets("project")
    client.create_bucket(Bucket=bucket)
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
    client.put_object(Bucket=bucket, Key="key", Body=b"1", **encryption)
    head = client.head_object(Bucket=bucket, Key="key")
    assert encryption.items() <= head.items()

"""Who asks: credentials from everywhere the AWS CLI takes them from, and clients that have them."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED

from stocktake.model.errors import CredentialsError
from stocktake.model.store import Store
from stocktake.store.client import Client
from stocktake.store.connection import USER_AGENT, Connection
from tests.servers.fault import FaultServer, FixtureObject
from tests.servers.server import Server
from tests.store.doors import sign_as

LOOPBACK = "http://127.0.0.1:9000"

pytestmark = pytest.mark.usefixtures("signed_in")


# -- who -------------------------------------------------------------------------------------------


def test_without_credentials_the_error_says_how_to_give_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError, match="no credentials") as caught:
        Connection.open(Store(LOOPBACK))
    assert "--no-sign-request" in caught.value.hint
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    unsigned = Connection.open(Store(LOOPBACK, sign_requests=False))
    assert unsigned.credentials() is None
    assert unsigned.renew_credentials() is None


def test_half_a_pair_of_credentials_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match="Partial credentials"):
        Connection.open(Store(LOOPBACK))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ACCESS_KEY_ID", "AKID\r\nX: y"),
        ("AWS_ACCESS_KEY_ID", "AKID "),
        ("AWS_SESSION_TOKEN", "hidden\n"),
        ("AWS_SESSION_TOKEN", "t\u00f6ken"),
    ],
)
def test_credentials_that_would_begin_another_header_are_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(CredentialsError, match="holds a character that none can have") as caught:
        Connection.open(Store(LOOPBACK))
    assert value.strip() not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("command", ["false", "echo no-json", "/nonexistent/program"])
def test_a_credential_process_that_fails_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, config: Path, command: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    config.write_text(f"[default]\ncredential_process = {command}\n")
    with pytest.raises(CredentialsError, match="credentials cannot be fetched"):
        Connection.open(Store(LOOPBACK))


def test_a_connection_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_as(monkeypatch, "AKID", "hidden-secret", "hidden-token")
    connection = Connection.open(Store(LOOPBACK))
    credentials = connection.credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key, credentials.token) == (
        "AKID",
        "hidden-secret",
        "hidden-token",
    )
    assert "hidden" not in f"{connection!r} {credentials!r} {connection.bucket_url('b')!r}"
    assert "127.0.0.1:9000" in repr(connection)


def test_renewing_reads_the_credentials_file_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    def write(key: str) -> None:
        path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n")

    def in_use() -> str:
        credentials = connection.credentials()
        assert credentials is not None
        return credentials.access_key

    write("OLD")
    connection = Connection.open(Store(LOOPBACK))
    write("NEW")
    assert in_use() == "OLD"
    renewed = connection.renew_credentials()
    assert renewed is not None
    assert renewed.access_key == in_use() == "NEW"
    path.unlink()
    with pytest.raises(CredentialsError):
        connection.renew_credentials()
    assert in_use() == "NEW"


def test_renewing_runs_the_credential_process_again(
    monkeypatch: pytest.MonkeyPatch, config: Path, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    answer, program = tmp_path / "answer", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ncat '{answer}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config.write_text(f"[default]\ncredential_process = {program}\n")
    for key in ("FIRST", "SECOND"):
        answer.write_text(
            json.dumps(
                {"Version": 1, "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t"}
            )
        )
        if key == "FIRST":
            connection = Connection.open(Store(LOOPBACK))
            renewed = connection.credentials()
        else:
            renewed = connection.renew_credentials()
        assert renewed is not None
        assert (renewed.access_key, renewed.token) == (key, "t")


def test_credentials_come_from_a_containers_endpoint(
    monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", fault_server.issue("CONTAINER", "s", "token-1")
    )
    connection = Connection.open(Store(fault_server.endpoint_url))
    credentials = connection.credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("CONTAINER", "token-1")
    fault_server.issue("CONTAINER", "s", "token-2")
    renewed = connection.renew_credentials()
    assert renewed is not None
    assert renewed.token == "token-2"


# -- handed on to other processes ------------------------------------------------------------------


def test_credentials_that_last_are_handed_on_and_renewed_where_they_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way = Connection.open(Store(LOOPBACK)).way("bucket")
    assert way.credentials is not None
    assert "hidden" not in repr(way)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "NEW")
    connection = Connection.resume(Store(LOOPBACK), way)
    assert connection.credentials() == way.credentials
    renewed = connection.renew_credentials()
    assert renewed is not None
    assert renewed.access_key == "NEW"
    assert connection.credentials() == renewed


def test_credentials_that_were_handed_on_stay_when_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way = Connection.open(Store(LOOPBACK)).way("bucket")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    connection = Connection.resume(Store(LOOPBACK), way)
    with pytest.raises(CredentialsError):
        connection.renew_credentials()
    assert connection.credentials() == way.credentials


def test_credentials_that_expire_are_fetched_by_each_process_itself(
    monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", fault_server.issue("CONTAINER", "s", "token-1")
    )
    store = Store(fault_server.endpoint_url)
    way = Connection.open(store).way("bucket")
    assert way.credentials is None
    fault_server.issue("CONTAINER", "s", "token-2")
    credentials = Connection.resume(store, way).credentials()
    assert credentials is not None
    assert credentials.token == "token-2"


def test_who_asks_anonymously_hands_on_no_credentials() -> None:
    store = Store(LOOPBACK, sign_requests=False)
    way = Connection.open(store).way("bucket")
    assert way.credentials is None
    assert Connection.resume(store, way).credentials() is None


# -- botocore -----------------------------------------------------------------------------------------


def test_a_client_has_the_connections_settings() -> None:
    s3 = Connection.open(Store("https://s3.example.com", region="garage")).client()
    assert s3.meta.endpoint_url == "https://s3.example.com"
    assert s3.meta.region_name == "garage"
    settings: Any = s3.meta.config
    assert settings.user_agent.startswith(USER_AGENT)
    assert settings.signature_version == "s3v4"
    assert settings.request_checksum_calculation == "when_required"
    assert settings.response_checksum_validation == "when_required"
    assert settings.s3["addressing_style"] == "path"
    assert settings.retries["total_max_attempts"] == 5
    assert settings.connect_timeout == 10
    assert settings.read_timeout == 60


def test_an_unsigned_client_sends_no_credentials(fault_server: FaultServer) -> None:
    fault_server.bucket("bucket", [FixtureObject("key", body=b"body")])
    seen: list[bool] = []
    connection = Connection.open(Store(fault_server.endpoint_url, sign_requests=False))
    s3 = connection.client()
    assert cast("Any", s3.meta.config).signature_version is UNSIGNED
    s3.meta.events.register(
        "before-send.s3", lambda request, **_: seen.append("Authorization" in request.headers)
    )
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"body"
    assert seen == [False]


def test_clients_made_after_a_renewal_have_the_new_credentials(
    monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer
) -> None:
    fault_server.bucket("bucket")
    connection = Connection.open(Store(fault_server.endpoint_url))
    fault_server.require({"NEW"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "NEW")
    with pytest.raises(CredentialsError), Client.open(connection, Counter()) as client:
        list(client.list_keys("bucket", ""))
    connection.renew_credentials()
    with Client.open(connection, Counter()) as client:
        assert list(client.list_keys("bucket", "")) == []


@pytest.mark.server
def test_a_client_reaches_a_real_store(
    monkeypatch: pytest.MonkeyPatch, ceph_server: Server
) -> None:
    sign_as(monkeypatch, ceph_server.access_key, ceph_server.secret_key)
    connection = Connection.open(Store(ceph_server.endpoint_url))
    assert urlsplit(connection.endpoint_url("b")).port == urlsplit(ceph_server.endpoint_url).port
    assert "Buckets" in connection.client().list_buckets()


def test_opening_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    Connection.open(Store(LOOPBACK)).bucket_url("bucket")
    assert dict(os.environ) == before

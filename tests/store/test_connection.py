"""A Store resolved as the AWS CLI would: where requests go, what is trusted, and one clear error for bad input."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stocktake.model.errors import CertificateError, UsageError
from stocktake.model.store import Addressing, Store
from stocktake.store.client import Client
from stocktake.store.connection import Connection
from tests.servers.fault import FaultServer, FixtureObject
from tests.servers.fault_tls import tls

LOOPBACK = "http://127.0.0.1:9000"

pytestmark = pytest.mark.usefixtures("signed_in")


def _place(store: Store, bucket: str = "bucket", region: str | None = None) -> tuple[str, str]:
    url = Connection.open(store, region=region).bucket_url(bucket)
    return url.origin, url.path


# -- where -----------------------------------------------------------------------------------------


def test_without_any_set_up_it_is_aws_in_its_first_region() -> None:
    connection = Connection.open(Store())
    assert connection.region == "us-east-1"
    assert connection.endpoint_url("bucket") == "https://bucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("store", "bucket", "origin", "path"),
    [
        (Store(region="eu-west-1"), "b-1", "https://b-1.s3.eu-west-1.amazonaws.com", ""),
        (Store(region="cn-north-1"), "b-1", "https://b-1.s3.cn-north-1.amazonaws.com.cn", ""),
        (Store(region="eu-west-1"), "a.b", "https://s3.eu-west-1.amazonaws.com", "/a.b"),
        (Store(region="eu-west-1"), "B_x", "https://s3.eu-west-1.amazonaws.com", "/B_x"),
        (
            Store(region="eu-west-1", addressing=Addressing.PATH),
            "b-1",
            "https://s3.eu-west-1.amazonaws.com",
            "/b-1",
        ),
        (Store(LOOPBACK), "bucket", LOOPBACK, "/bucket"),
        (Store("https://s3.example.com"), "bucket", "https://s3.example.com", "/bucket"),
        (
            Store("https://s3.example.com:8443", addressing=Addressing.VIRTUAL),
            "bucket",
            "https://bucket.s3.example.com:8443",
            "",
        ),
        (
            Store("https://s3.eu-west-1.amazonaws.com"),
            "bucket",
            "https://bucket.s3.eu-west-1.amazonaws.com",
            "",
        ),
        (Store("http://[::1]:9000/"), "bucket", "http://[::1]:9000", "/bucket"),
        (Store("https://h.example.com/s3/"), "bucket", "https://h.example.com", "/s3/bucket"),
        (Store("HTTPS://S3.Example.com:443"), "bucket", "https://s3.example.com", "/bucket"),
        (Store("http://s3.example.com:80"), "bucket", "http://s3.example.com", "/bucket"),
    ],
)
def test_a_bucket_stands_in_the_host_name_or_the_path(
    store: Store, bucket: str, origin: str, path: str
) -> None:
    assert _place(store, bucket) == (origin, path)


def test_a_custom_endpoint_gets_the_bucket_in_its_path_unless_the_configuration_says_otherwise(
    config: Path,
) -> None:
    store = Store("https://s3.example.com")
    assert _place(store) == ("https://s3.example.com", "/bucket")
    config.write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    assert _place(store) == ("https://bucket.s3.example.com", "")
    forced = Store("https://s3.example.com", addressing=Addressing.PATH)
    assert _place(forced) == ("https://s3.example.com", "/bucket")
    config.write_text("[default]\nregion = eu-west-1\ns3 =\n  addressing_style = path\n")
    assert _place(Store()) == ("https://s3.eu-west-1.amazonaws.com", "/bucket")


def test_endpoints_come_from_the_environment_and_the_nearer_one_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1111")
    assert _place(Store())[0] == "http://127.0.0.1:1111"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2222")
    assert _place(Store())[0] == "http://127.0.0.1:2222"
    assert _place(Store(LOOPBACK))[0] == LOOPBACK
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert _place(Store())[0] == "https://bucket.s3.amazonaws.com"


def test_a_profile_brings_its_endpoint_region_and_credentials(config: Path) -> None:
    config.write_text(
        "[profile home]\nregion = nowhere-1\nservices = at-home\naws_access_key_id = HOME\n"
        "aws_secret_access_key = s\n[services at-home]\ns3 =\n  endpoint_url = http://127.0.0.1:3333\n"
        "[profile other]\nendpoint_url = http://127.0.0.1:4444\n"
    )
    connection = Connection.open(Store(profile="home"))
    assert connection.endpoint_url("bucket") == "http://127.0.0.1:3333"
    assert connection.region == "nowhere-1"
    credentials = connection.credentials()
    assert credentials is not None
    assert credentials.access_key == "HOME"
    other = Connection.open(Store(profile="other", region="x-2", sign_requests=False))
    assert other.endpoint_url("bucket") == "http://127.0.0.1:4444"
    assert other.region == "x-2"
    assert Connection.open(Store(LOOPBACK, region="x-2"), region="x-3").region == "x-3"


def test_the_region_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert _place(Store())[0] == "https://bucket.s3.ap-south-1.amazonaws.com"


def test_an_adopted_region_changes_the_host_on_aws_alone() -> None:
    aws, own = Connection.open(Store()), Connection.open(Store(LOOPBACK))
    for connection in (aws, own):
        connection.adopt_region("bucket", "eu-north-1")
        assert connection.region_of("bucket") == "eu-north-1"
        assert connection.region_of("another") == connection.region == "us-east-1"
    assert aws.endpoint_url("bucket") == "https://bucket.s3.eu-north-1.amazonaws.com"
    assert aws.endpoint_url("another") == "https://another.s3.amazonaws.com"
    assert own.endpoint_url("bucket") == LOOPBACK


def test_proxies_are_those_of_the_environment_but_for_hosts_named_in_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Connection.open(Store(LOOPBACK)).proxy("bucket") == ""
    monkeypatch.setenv("HTTP_PROXY", "http://user:pw@proxy.example.com:3128")
    monkeypatch.setenv("https_proxy", "tls.example.com:3129")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,.internal")
    plain = Connection.open(Store("http://s3.example.com"))
    assert plain.proxy("bucket") == "http://user:pw@proxy.example.com:3128"
    secured = Connection.open(Store("https://s3.example.com"))
    assert secured.proxy("bucket") == "http://tls.example.com:3129"
    assert Connection.open(Store(LOOPBACK)).proxy("bucket") == ""
    assert Connection.open(Store("http://s3.internal")).proxy("bucket") == ""


# -- trust -----------------------------------------------------------------------------------------


def test_certificates_are_checked_against_the_bundle_that_is_named_nearest(
    monkeypatch: pytest.MonkeyPatch, config: Path, tmp_path: Path
) -> None:
    def bundle(name: str) -> str:
        path = tmp_path / name
        path.touch()
        return str(path)

    default = Connection.open(Store()).verify
    assert isinstance(default, str)
    assert Path(default).read_bytes().count(b"BEGIN CERTIFICATE") > 50
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle("requests.pem"))
    assert Connection.open(Store()).verify == bundle("requests.pem")
    config.write_text(f"[default]\nca_bundle = {bundle('config.pem')}\n")
    assert Connection.open(Store()).verify == bundle("config.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", bundle("aws.pem"))
    assert Connection.open(Store()).verify == bundle("aws.pem")
    assert Connection.open(Store(ca_bundle=bundle("own.pem"))).verify == bundle("own.pem")
    assert Connection.open(Store(verify_tls=False)).verify is False


def test_a_client_trusts_what_the_connection_trusts(tmp_path: Path) -> None:
    context, bundle = tls(tmp_path)
    with FaultServer(ssl_context=context) as server:
        server.bucket("bucket", [FixtureObject("key", body=b"body")])
        for store in (
            Store(server.endpoint_url, ca_bundle=str(bundle)),
            Store(server.endpoint_url, verify_tls=False),
        ):
            with Client.open(Connection.open(store), Counter()) as client:
                assert client.read("bucket", "key", 10) == b"body"
        with (
            Client.open(Connection.open(Store(server.endpoint_url)), Counter()) as client,
            pytest.raises(CertificateError, match="certificate") as caught,
        ):
            client.read("bucket", "key", 10)
    assert "--ca-bundle" in caught.value.hint


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "s3.example.com",
        "127.0.0.1:9000",
        "http://",
        "ftp://s3.example.com",
        "http://h:port",
        "http://h:99999",
        "http://h:0",
        "https://h/?query",
        "https://h/#part",
        "http://h\x1b[31m",
        " ",
    ],
)
def test_an_endpoint_url_that_is_none_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    with pytest.raises(UsageError, match="endpoint") as caught:
        Connection.open(Store(endpoint))
    assert "https://HOST" in caught.value.hint
    assert str(caught.value).isprintable()
    if endpoint.strip():
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        with pytest.raises(UsageError, match="endpoint"):
            Connection.open(Store())


def test_a_password_in_an_endpoint_url_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match=r"s3\.example\.com holds a user name") as caught:
        Connection.open(Store("https://user:hidden@s3.example.com"))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody", ""])
def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if not name:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UsageError, match="no profile `nobody`"):
        Connection.open(Store(LOOPBACK, profile=name or None))


def test_a_broken_configuration_file_is_named(config: Path) -> None:
    config.write_text("[default\nregion")
    with pytest.raises(UsageError, match=str(config)):
        Connection.open(Store(LOOPBACK))


@pytest.mark.parametrize("region", ["us east", "a/b", "x" * 70])
def test_a_region_that_is_none_is_one_clear_error(region: str) -> None:
    with pytest.raises(UsageError, match="region") as caught:
        Connection.open(Store(region=region))
    assert "--region" in caught.value.hint


def test_a_ca_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no CA bundle .*missing\.pem"):
        Connection.open(Store(LOOPBACK, ca_bundle=str(tmp_path / "missing.pem")))


def test_a_name_that_no_bucket_can_have_is_one_clear_error() -> None:
    with pytest.raises(UsageError, match=r"`no bucket` is no bucket of http://127\.0\.0\.1:9000"):
        Connection.open(Store(LOOPBACK)).bucket_url("no bucket")


# -- handed on to other processes ------------------------------------------------------------------


def test_what_was_found_is_handed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hidden-word@proxy.example.com:3128")
    first = Connection.open(Store(region="eu-west-1"))
    first.adopt_region("bucket", "eu-north-1")
    way = first.way("bucket")
    assert "hidden" not in repr(way)
    second = Connection.resume(Store(region="eu-west-1"), pickle.loads(pickle.dumps(way)))
    assert second.bucket_url("bucket") == first.bucket_url("bucket")
    assert second.endpoint_url("bucket") == "https://bucket.s3.eu-north-1.amazonaws.com"
    assert second.region_of("bucket") == "eu-north-1"
    assert second.proxy("bucket") == "http://user:hidden-word@proxy.example.com:3128"
    assert (second.verify, second.credentials()) == (first.verify, first.credentials())
    assert second.way("bucket") == way


def test_who_goes_the_way_that_was_found_needs_no_set_up_and_does_not_load_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way = Connection.open(Store(LOOPBACK)).way("bucket")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    script = (
        "import pickle, sys\n"
        "from stocktake.store.connection import Connection\n"
        "connection = Connection.resume(*pickle.load(sys.stdin.buffer))\n"
        "print(connection.bucket_url('bucket').origin, connection.credentials().access_key,\n"
        "      repr(connection.proxy('bucket')), 'botocore.session' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps((Store(LOOPBACK), way)),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == f"{LOOPBACK} AKID '' False\n"


def test_a_bucket_that_turns_out_to_be_elsewhere_is_found_by_whoever_learns_of_it() -> None:
    way = Connection.open(Store()).way("bucket")
    connection = Connection.resume(Store(), way)
    assert connection.endpoint_url("bucket") == "https://bucket.s3.amazonaws.com"
    connection.adopt_region("bucket", "eu-north-1")
    assert connection.endpoint_url("bucket") == "https://bucket.s3.eu-north-1.amazonaws.com"
    assert connection.endpoint_url("another") == "https://another.s3.amazonaws.com"

"""What the server is told: a file or options, every key known, every mistake named with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.service.server_settings import Site, server_settings

TWO = """\
[server]
listen = "0.0.0.0:9000"

[stores.ceph]
endpoint_url = "http://127.0.0.1:7480"
domains = ["S3.example.com", "s3"]
account = "111122223333"

[stores.garage]
endpoint_url = "https://garage.example.com"
profile = "garage"
no_verify_ssl = true
domains = ["garage.s3.example.com"]
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stocktake.toml"
    path.write_text(text)
    return path


def test_a_file_describes_any_number_of_stores(tmp_path: Path) -> None:
    told = server_settings(file(tmp_path, TWO))
    assert (told.host, told.port, told.is_public) == ("0.0.0.0", 9000, True)
    ceph, garage = told.sites
    store = Store(endpoint_url="http://127.0.0.1:7480")
    assert ceph == Site("ceph", store, ("s3.example.com", "s3"), "111122223333")
    assert garage.store.profile == "garage"
    assert not garage.store.verify_tls
    assert server_settings(file(tmp_path, TWO), listen="[::1]:0").host == "::1"


def test_options_describe_one_store() -> None:
    told = server_settings(
        None, store_name="ceph", domains=["s3"], store_words={"endpoint_url": "http://x:1"}
    )
    assert told.sites == (Site("ceph", Store(endpoint_url="http://x:1"), ("s3",)),)
    assert (told.host, told.port, told.is_public) == ("127.0.0.1", 8170, False)
    assert server_settings(None).sites == (Site("default", Store()),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server", "are no TOML"),
        ("[sever]", "unknown key `sever`"),
        ("[server]\nlisten_on = 1", "did you mean `server.listen`?"),
        ("[stores.a]\nendpoint-url = 'http://x'", "did you mean `stores.a.endpoint_url`?"),
        ("[stores.a]\nendpoint_url = 7480", "expected a text"),
        ("[stores.a]\nno_verify_ssl = 'yes'", "expected true or false"),
        ("[stores.a]\ndomains = 's3'", "expected a list of texts"),
        ("[stores.a]\ndomains = ['s3:80']", "is no host name"),
        ("[stores.a]\naccount = '1'", "expected 12 digits"),
        ("[stores.a]\nendpoint_url = 'ftp://x'", "is no endpoint"),
        ("[stores.'a/b']", "cannot be a store's name"),
        ("stores = 1", "expected [stores]"),
        ("[server]\nlisten = '8170'", "expected HOST:PORT"),
        ("[server]\nlisten = 'x:99999'", "expected HOST:PORT"),
        ("[stores.a]\ndomains = ['s3']\n[stores.b]\ndomains = ['s3']", "`a` and `b` both are s3"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        server_settings(file(tmp_path, text))
    assert said in caught.value.message


def test_stores_are_described_in_one_way(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="and by options, too"):
        server_settings(file(tmp_path, TWO), store_words={"endpoint_url": "http://x"})
    with pytest.raises(UsageError, match="cannot be read"):
        server_settings(tmp_path / "missing.toml")

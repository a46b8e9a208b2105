"""What the tests of several doors start from: a real store, a bucket in it, the user's AWS set-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.server import Server
from tests.store.doors import sign_as


@pytest.fixture(params=["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)])
def server(request: pytest.FixtureRequest) -> Server:
    """moto, then Ceph."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def bucket(server: Server, buckets: Callable[..., str]) -> str:
    """An empty bucket of `server`."""
    name = buckets("destinations")
    server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds credentials, and says nothing of certificates."""
    sign_as(monkeypatch, "AKID", "hidden-secret")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's ~/.aws/config, empty so far."""
    path = tmp_path / "config"
    path.touch()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    return path

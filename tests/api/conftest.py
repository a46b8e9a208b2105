"""A service of each module's own, before an embedded store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stocktake.model.store import Store
from stocktake.service.server_settings import Site
from tests.api.front import Front, running_front
from tests.api.serving import Api, running_api
from tests.servers.missing import skip_or_fail
from tests.servers.nginx import nginx_program
from tests.servers.server import REGION, Server

DOMAIN = "s3.example.com"


def site(server: Server, name: str = "default", **more: object) -> Site:
    """The site of a server."""
    store = Store(endpoint_url=server.endpoint_url, region=REGION)
    return Site(name, store, (DOMAIN,), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def api(moto_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto_server.environment().items():
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("state")
        with running_api(folder, (site(moto_server, account="111122223333"),)) as running:
            yield running


@pytest.fixture
def bucket(moto_server: Server, buckets: Callable[..., str]) -> str:
    """A bucket of the store."""
    name = buckets("team")
    moto_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def front(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Front]:
    """nginx before Ceph, or before the store that the test names, and a service."""
    if nginx_program() is None:
        skip_or_fail("no nginx on this machine; Debian package: nginx")
    behind: Server = request.getfixturevalue(getattr(request, "param", "ceph_server"))
    for name, value in behind.environment().items():
        monkeypatch.setenv(name, value)
    with running_front(behind, (site(behind),), tmp_path) as running:
        yield running

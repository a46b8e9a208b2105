"""A service of each module's own, before an embedded store."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from stocktake.model.store import Store
from stocktake.service.server_settings import Site
from tests.api.serving import Api, running_api
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

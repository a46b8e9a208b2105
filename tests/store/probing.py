"""What tests of probing share: a store to probe, and looks at what was found."""

from __future__ import annotations

from typing import Any

import pytest

from stocktake.model.capabilities import Ability, Capabilities, Found
from stocktake.store.probe import probe_store
from tests.servers.fault import Action, FaultServer, synthetic
from tests.servers.server import Server
from tests.store.doors import open_transport, sign_as

REQUESTS_MAX = 14


def probed(
    server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch, **wanted: Any
) -> Capabilities:
    """What is found of a bucket, as the server's first user."""
    sign_as(monkeypatch, server.access_key, server.secret_key)
    with open_transport(server.endpoint_url, signed=True) as transport:
        return probe_store(transport, bucket, endpoint=server.endpoint_url, **wanted)


class Lying:
    """A store with a bucket `b` of a page and a half of keys, that is probed with defects."""

    def __init__(self, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server, self._monkeypatch = server, monkeypatch

    def __call__(self, *actions: Action, operation: str = "List", **where: Any) -> Capabilities:
        """What is found where these befall the requests of `operation`."""
        self._server.bucket("b", generated=synthetic(1500, "data/{:06d}".format))
        for action in actions:
            self._server.rule(action, operation=operation, **where)
        return probed(self._server.as_server(), "b", self._monkeypatch)


def lacking(found: Capabilities) -> set[Ability]:
    """What the store was found not to do."""
    return {row.ability for row in found.rows if row.found is Found.NO}


def untold(found: Capabilities) -> set[Ability]:
    """What nothing was found out about."""
    return {row.ability for row in found.rows if row.found is Found.UNKNOWN}


def evidence(found: Capabilities, ability: Ability) -> str:
    """What was seen."""
    return next(row.evidence for row in found.rows if row.ability is ability)

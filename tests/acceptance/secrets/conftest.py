"""A store that is choosy, and secrets that it and others are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.secrets.canaries import Told, choosy_store, environment_of, told_nothing
from tests.servers.fault import FaultServer


@pytest.fixture
def store() -> Iterator[FaultServer]:
    with choosy_store() as found:
        yield found


@pytest.fixture
def told() -> Told:
    return told_nothing()


@pytest.fixture
def environment(store: FaultServer, told: Told, tmp_path: Path) -> dict[str, str]:
    return environment_of(store, told, tmp_path / "state")

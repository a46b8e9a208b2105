"""Services that cannot do their work as described say so when they are started, and not to whoever asks them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import stocktake


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("described", "said"),
    [
        ("profile = 'nobody'", "there is no profile `nobody`"),
        ("endpoint_url = 'http://[::1'", "`http://[::1` is no endpoint URL"),
        ("endpoint_url = 'http://h/?x'", "`http://h/?x` is no endpoint URL"),
        ("endpoint_url = 'http://me:hush@h'", "h holds a user name or password"),
        ("endpoint_url = 'http://h\xe9'", "is no endpoint URL"),
        ("ca_bundle = 'no.pem'", "there is no CA bundle"),
        ("region = 'no region'", "`no region` is no region"),
    ],
)
def test_a_store_that_cannot_be_asked_as_it_is_described_is_told_at_the_start(
    environment: dict[str, str], tmp_path: Path, command: str, described: str, said: str
) -> None:
    file = tmp_path / "stocktake.toml"
    file.write_text(
        f"[stores.good]\nendpoint_url = 'http://127.0.0.1:1'\n[stores.bad]\n{described}\n"
    )
    refused = stocktake(command, "--settings", file, environment=environment)
    refused.failed_clearly(2, "the store `bad`", said, "hint: ")
    assert "hush" not in refused.err
    stocktake("settings", "--settings", file, environment=environment).failed_clearly(2, said)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_state_folder_that_cannot_be_made_is_told_at_the_start(
    environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    (tmp_path / "state").write_text("no folder")
    refused = stocktake(command, environment=environment)
    refused.failed_clearly(2 if command == "serve" else 1, str(tmp_path / "state"), "hint: ")

"""Tokens: made, listed and revoked as a user types it; files and servers to which none is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.model.access import Grant, Role
from stocktake.model.errors import AccessKeysError, UnauthenticatedError, UsageError
from stocktake.service import house
from stocktake.service.access_tokens import (
    TOKENS_MAX,
    WatchedTokens,
    check_token,
    create_token,
    list_tokens,
)
from tests.acceptance.command_line import Outcome, stocktake

GRANT = Grant(Role.READER, ("a-*",))


@pytest.fixture
def typed(tmp_path: Path) -> Callable[..., Outcome]:
    environment = {
        "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def run(*words: str, **more: str) -> Outcome:
        return stocktake(*words, environment=environment | more)

    return run


def test_a_token_is_shown_once_and_kept_as_a_hash(
    typed: Callable[..., Outcome], tmp_path: Path
) -> None:
    made = typed("keys", "token", "create", "--role", "writer", "--bucket", "a-*", "--days", "2",
                 "--name", "ci", "--json").document  # fmt: skip
    file = tmp_path / "state" / "tokens.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert made["token"] not in file.read_text()
    shown = typed("keys", "token", "list")
    assert made["id"] in shown.out
    assert "writer  a-*  until" in shown.out
    assert made["token"] not in shown.out + typed("keys", "token", "list", "--json").out
    assert typed("keys", "token", "revoke", made["id"]).out == f"revoked {made['id']}\n"
    typed("keys", "token", "revoke", made["id"]).failed_clearly(2, made["id"], "token list")
    assert typed("keys", "token", "list").out == "there are no tokens\n"
    for wrong in (["--days", "0"], ["--days", "3651"], ["--field", "x"], ["--name", "x" * 129]):
        words = ("keys", "token", "create", "--role", "writer", "--bucket", "a-*", *wrong)
        typed(*words).failed_clearly(2)


def test_a_token_goes_nowhere_where_it_could_be_seen(
    typed: Callable[..., Outcome], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("stk_secret\n")
    asked = ("runs", "scheduled", "--server", "http://192.0.2.1:8170", "--token-file", str(file))
    file.chmod(0o644)
    typed(*asked).failed_clearly(2, "readable by others", "chmod 600")
    file.chmod(0o600)
    typed(*asked).failed_clearly(2, "not encrypted", "192.0.2.1", "https://")
    typed(*asked[:4], STOCKTAKE_TOKEN="stk_secret").failed_clearly(2, "not encrypted")
    file.write_text("two words")
    told = typed(*asked)
    told.failed_clearly(1, str(file), "no token")
    assert "two words" not in told.err
    file.unlink()
    typed(*asked).failed_clearly(2, str(file), "no such file")


def test_a_token_holds_until_it_is_over_and_its_file_is_watched(tmp_path: Path) -> None:
    path, now = tmp_path / "tokens.json", house.now()
    watched = WatchedTokens(path)
    assert watched() == {}
    made, token = create_token(path, GRANT, "", days=1, now=now)
    assert check_token(token, watched(), now).grant == GRANT
    with pytest.raises(UnauthenticatedError):
        check_token(token, watched(), made.expires)
    later, _ = create_token(path, GRANT, "", days=1, now=now + timedelta(days=2))
    assert [each.id for each in list_tokens(path)] == [later.id], "the one that was over is gone"
    with pytest.raises(UnauthenticatedError):
        check_token(token, watched(), now)
    path.chmod(0o640)
    with pytest.raises(AccessKeysError, match="readable by others"):
        watched()
    path.chmod(0o600)
    path.write_text('{"tokens": [{"sha256": "secret"}]}')
    with pytest.raises(AccessKeysError) as told:
        watched()
    assert "secret" not in f"{told.value} {told.value.hint}"


def test_there_is_a_bound_to_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stocktake.service.access_tokens.TOKENS_MAX", 2)
    assert TOKENS_MAX == 1000
    for _ in range(2):
        create_token(tmp_path / "tokens.json", GRANT, "", days=1, now=house.now())
    with pytest.raises(UsageError, match="2 tokens already"):
        create_token(tmp_path / "tokens.json", GRANT, "", days=1, now=house.now())

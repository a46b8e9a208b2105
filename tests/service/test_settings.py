"""What the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.service.settings import VARIABLES, read_settings


@pytest.mark.parametrize(("text", "debug"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_tracebacks_are_asked_for_by_name(text: str, debug: bool) -> None:
    assert read_settings({"STOCKTAKE_DEBUG": text}).debug is debug


def test_nothing_said_means_the_user_s_state_folder_and_all_cores() -> None:
    settings = read_settings({})
    assert settings.state_folder == Path.home() / ".local" / "state" / "stocktake"
    assert settings.spool_folder == settings.state_folder / "spool"
    assert settings.working_folder == Path.cwd()
    assert settings.cores >= 1
    assert not settings.debug


def test_the_spool_folder_can_be_said() -> None:
    assert read_settings({"STOCKTAKE_SPOOL_FOLDER": "/spool"}).spool_folder == Path("/spool")


def test_the_state_folder_can_be_said_and_the_spool_lies_in_it() -> None:
    assert read_settings({"XDG_STATE_HOME": "/xdg"}).state_folder == Path("/xdg/stocktake")
    assert read_settings({"XDG_STATE_HOME": "xdg"}).state_folder.is_absolute()
    settings = read_settings({"STOCKTAKE_STATE_FOLDER": "/state", "XDG_STATE_HOME": "/xdg"})
    assert (settings.state_folder, settings.spool_folder) == (Path("/state"), Path("/state/spool"))


def test_every_variable_is_explained() -> None:
    source = Path(read_settings.__code__.co_filename).read_text(encoding="utf-8")
    assert all(source.count(f'"{name}"') >= 2 and text for name, text in VARIABLES.items())

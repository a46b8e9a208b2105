"""Folders for what nobody needs afterwards, above all after kill -9."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stocktake.model.errors import SpoolError
from stocktake.store.passing import passing_folder

_HOLDS = (
    "import sys, time; from pathlib import Path; from stocktake.store.passing import passing_folder\n"
    "with passing_folder('test', Path(sys.argv[1])) as folder:\n"
    "    (folder / 'deep').mkdir(); (folder / 'deep' / 'spilled').write_bytes(bytes(1000))\n"
    "    print(folder, flush=True); time.sleep(600)"
)


def held_by_another(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has such a folder, with something in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(place)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_it_is_there_for_its_block_and_belongs_to_its_user_alone(tmp_path: Path) -> None:
    with passing_folder("test", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_is_held_is_not(
    tmp_path: Path,
) -> None:
    killed, left = held_by_another(tmp_path)
    alive, held = held_by_another(tmp_path)
    try:
        kill(killed)
        assert left.exists()
        with passing_folder("test", tmp_path) as folder, passing_folder("test", tmp_path) as other:
            assert not left.exists()
            assert (held / "deep" / "spilled").exists()
            assert folder.exists()
            assert other.exists()
    finally:
        kill(alive)


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    place = tmp_path / "place"
    place.mkdir()
    (place / "stocktake-passing-link").symlink_to(elsewhere)
    (place / "stocktake-passing-gone").symlink_to(place / "nowhere")
    (place / "stocktake-passing-file").write_text("x")
    (place / "somebody-elses").mkdir()
    with passing_folder("test", place):
        pass
    assert len(list(place.iterdir())) == 4
    assert (elsewhere / "kept").exists()


def test_another_users_folder_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, left = held_by_another(tmp_path)
    kill(killed)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with passing_folder("test", tmp_path):
        assert left.exists()


def test_many_at_once_each_keep_their_own(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from stocktake.store.passing import passing_folder\n"
        "for number in range(200):\n"
        "    with passing_folder('test', Path(sys.argv[1])) as folder:\n"
        "        (folder / 'own').write_text('x'); assert (folder / 'own').read_text() == 'x'"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    for process in [subprocess.Popen(command) for _ in range(4)]:
        assert process.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_such_place_it_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(SpoolError, match=r"no folder for passing files can be made in .*nowhere"),
        passing_folder("test", tmp_path / "nowhere"),
    ):
        pass

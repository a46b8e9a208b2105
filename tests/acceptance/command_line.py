"""The `stocktake` command line: as a call in the test's own process, or as the program that a shell would run.

An interpreter takes longer to start than most commands take to run, so a test that asks what a command says and does
calls it. How the program starts and ends, what it does when it is killed or its limits are low, takes the program.
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stocktake.cli import main

RUN_S_MAX = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    def failed_clearly(self, code: int, *said: str) -> None:
        """Check that it ended with `code` and one `error:`, said all of `said`, showed no traceback."""
        assert self.code == code, self
        assert self.err.count("error: ") == 1, self.err
        assert "Traceback" not in self.err
        assert "internal error" not in self.err, self.err
        for text in said:
            assert text in self.err, self.err


def command(*arguments: str | Path) -> list[str]:
    """The program and its arguments."""
    return [sys.executable, "-m", "stocktake", *map(str, arguments)]


def stocktake(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Outcome:
    """Call a command, with `environment` beside the test's own. Its workers are processes of their own, as ever."""
    with (
        pytest.MonkeyPatch.context() as patch,
        _taken(1) as out,
        _taken(2) as err,
        open(1, "w", encoding="utf-8", closefd=False) as stdout,
        open(2, "w", encoding="utf-8", closefd=False) as stderr,
    ):
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["stocktake", *map(str, arguments)])
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        patch.setattr(sys, "excepthook", sys.excepthook)  # Typer has one of its own
        with pytest.raises(SystemExit) as ended, _process_as_it_was():
            main()
        stdout.flush()
        stderr.flush()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, _text(out), _text(err))


@contextmanager
def _taken(number: int) -> Iterator[io.BufferedRandom]:
    """Whatever this process, and those it starts, write to the file descriptor `number`."""
    before = os.dup(number)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), number)
        try:
            yield file
        finally:
            os.dup2(before, number)
            os.close(before)


def _text(file: io.BufferedRandom) -> str:
    file.seek(0)
    return file.read().decode()


@contextmanager
def _process_as_it_was() -> Iterator[None]:
    """What a command changes for its whole process ends with the command."""
    own, thresholds = logging.getLogger("stocktake"), gc.get_threshold()
    handlers, level = own.handlers, own.level
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        own.handlers = handlers
        own.setLevel(level)


def program(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, **options: Any
) -> Outcome:
    """Run the program to its end, with `environment` beside the test's own."""
    done = subprocess.run(
        command(*arguments),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S_MAX,
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def files_below(folder: Path) -> list[str]:
    """All files below `folder`, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def shell(line: str) -> Outcome:
    """Run a line in a shell."""
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, timeout=RUN_S_MAX
    )
    return Outcome(done.returncode, done.stdout, done.stderr)

"""The `stocktake` program, as a shell would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def stocktake(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, **options: Any
) -> Outcome:
    """Run a command to its end, with `environment` beside the test's own."""
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

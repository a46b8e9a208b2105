"""Asking the engines that live in an environment of their own: all questions of an engine in one process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-engines" / "bin" / "python"
# The clock that a report must not depend on.
ZONE = "America/New_York"


@dataclass(frozen=True)
class Asked:
    """What an engine is told, statement by statement, and then asked."""

    statements: Sequence[str]
    question: str


def statements_of(text: str) -> list[str]:
    """The statements that `stocktake ddl` printed, one by one, without semicolons."""
    return [statement for statement in (each.strip() for each in text.split(";\n")) if statement]


def ask(program: str, asked: Sequence[Asked], folder: Path, *, java: bool = False) -> list[Any]:
    """The rows that each question yields, by `program`, a file beside this one; in its own working folder."""
    missing = [] if PYTHON.exists() else ["`make engines`"]
    if java and shutil.which("java") is None:
        missing.append("a Java runtime (Debian: default-jre-headless)")
    if missing:
        reason = f"the SQL engines need {' and '.join(missing)}"
        if os.environ.get("STOCKTAKE_TEST_REQUIRE_SERVERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    questions, answers = folder / "questions.json", folder / "answers.json"
    questions.write_text(json.dumps([asdict(each) for each in asked]))
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name(program), questions, answers],
        cwd=folder,
        env={**os.environ, "TZ": ZONE},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[Any] = json.loads(answers.read_text())
    return found

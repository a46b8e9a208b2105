"""What a command costs is what all of its processes cost."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from benchmarks.measure import CommandError, Usage, descendants, measure


def run(tmp_path: Path, program: str) -> Usage:
    """Measure a Python program."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return measure(command, environment={"WORD": "said"}, stdout=tmp_path / "out")


def nested(program: str) -> str:
    """A program that runs another one twice: in a child process, and itself."""
    return f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {program!r}])\n{program}"


def test_the_cpu_time_of_children_and_their_children_counts(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    usage = run(
        tmp_path,
        f"""
        import subprocess, sys
        child = {nested(burn)!r}
        subprocess.run([sys.executable, "-c", child])
        """,
    )
    assert 0.8 <= usage.cpu_s < 3


def test_memory_is_that_of_the_largest_process_and_of_all_of_them(tmp_path: Path) -> None:
    hold = "held = bytearray(60 * 2**20); print(flush=True); input()"
    usage = run(
        tmp_path,
        f"""
        import subprocess, sys, time
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children = [subprocess.Popen([sys.executable, "-c", {hold!r}], **pipes) for _ in range(2)]
        for child in children: child.stdout.readline()
        time.sleep(3)  # both hold what they hold: many samples
        for child in children: child.communicate(b"\\n")
        """,
    )
    assert 60 < usage.process_peak_mb < 100
    assert 120 < usage.tree_peak_mb < 250


def test_its_output_lies_in_the_file_and_its_environment_is_what_was_given(tmp_path: Path) -> None:
    run(tmp_path, "import os; print(os.environ['WORD'])")
    assert (tmp_path / "out").read_text() == "said\n"


def test_a_command_that_fails_is_an_error_which_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"ended with 3: (?s:.*)out of luck"):
        run(tmp_path, "import sys; print('out of luck', file=sys.stderr); sys.exit(3)")


def test_a_process_without_children_is_its_only_descendant() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert descendants(process.pid) == [process.pid]
        process.communicate()

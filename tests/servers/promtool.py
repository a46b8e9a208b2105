"""Prometheus's own tool, which reads rules, configurations and metrics as Prometheus does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers.missing import skip_or_fail

RUN_S_MAX = 120


def promtool(*words: str | Path, said: str = "") -> str:
    """What the tool says, which finds nothing wrong; `said` is what it reads from stdin."""
    if shutil.which("promtool") is None:
        skip_or_fail("no promtool on this machine; Debian package: prometheus")
    done = subprocess.run(
        ["promtool", *words],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S_MAX,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr

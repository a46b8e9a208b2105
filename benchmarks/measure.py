"""What a command costs, with all the processes it starts: CPU time, wall time, memory. For Linux: it reads /proc."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_S = 0.05
_ERROR_BYTES_MAX = 2000


class CommandError(Exception):
    """A command failed; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident memory of a tree of processes at one moment: of all of them, and the peak of the largest so far."""

    seconds: float  # since the start
    tree_mb: float  # pages that processes share are counted for each of them
    process_peak_mb: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command cost. `cpu_s` is user and system time of all processes that were waited for."""

    cpu_s: float
    seconds: float
    memory: tuple[Memory, ...]

    @property
    def tree_peak_mb(self) -> float:
        """The most memory that all processes held at one time."""
        return max((sample.tree_mb for sample in self.memory), default=0)

    @property
    def process_peak_mb(self) -> float:
        """The most memory that one process ever held."""
        return max((sample.process_peak_mb for sample in self.memory), default=0)


def measure(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stdout: Path,
    codes: Collection[int] = (0,),
) -> Usage:
    """Run a command to its end, its standard output in a file.

    Raises:
        CommandError: it ended with none of these `codes`.
    """
    errors = stdout.with_suffix(".stderr")
    with stdout.open("wb") as output, errors.open("wb") as error_output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env={**_surroundings(), **environment}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=error_output,
        )  # fmt: skip
        memory = []
        try:
            # The process is waited for by os.wait4, because only that tells what its descendants used too.
            while not (waited := os.wait4(process.pid, os.WNOHANG))[0]:
                memory.append(_memory(process.pid, time.perf_counter() - start))
                time.sleep(_SAMPLE_S)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(waited[1])
    if process.returncode not in codes:
        said = errors.read_bytes()[-_ERROR_BYTES_MAX:].decode(errors="replace")
        raise CommandError(f"{command[0]} ended with {process.returncode}: {said}")
    return Usage(waited[2].ru_utime + waited[2].ru_stime, seconds, tuple(memory))


def _surroundings() -> dict[str, str]:
    """This process's environment, without what would have every interpreter compile all its modules anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _memory(root: int, seconds: float) -> Memory:
    resident = [_resident_mb(pid) for pid in descendants(root)]
    return Memory(
        seconds,
        tree_mb=sum(now for now, _ in resident),
        process_peak_mb=max((peak for _, peak in resident), default=0),
    )


def descendants(root: int) -> list[int]:
    """The process and all that it has started, directly or not; without those that have just ended."""
    found = [root]
    for pid in found:  # which grows meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue  # that thread is gone
    return found


def _resident_mb(pid: int) -> tuple[float, float]:
    """The memory that a process holds, and the most it ever held; 0 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    members = dict(line.split(":", 1) for line in lines)
    now, peak = (members.get(name, "0").split()[0] for name in ("VmRSS", "VmHWM"))
    return int(now) / 1024, int(peak) / 1024

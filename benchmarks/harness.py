"""What all benchmarks share: a replay server for as long as a contestant runs, and the figures of that run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np

from benchmarks.measure import CommandError, Usage, measure
from benchmarks.replay.answers import Kind
from benchmarks.replay.journal import Event, read_timeline

ROOT = Path(__file__).parents[1]
# Where `make` installs it for benchmarks: with what it needs, as users have it, and nothing else.
STOCKTAKE = ROOT / ".venv-bench-stocktake" / "bin" / "stocktake"
START_S_MAX = 60
PAGE_ROWS = 1000

# No contestant may find credentials, regions or proxies of the user's; all but stocktake leave their requests unsigned.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "replay",
    "AWS_SECRET_ACCESS_KEY": "replay",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "RCLONE_CONFIG": "/dev/null",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A bucket on a server that runs."""

    endpoint_url: str
    bucket: str
    objects: int


@dataclass(frozen=True, slots=True)
class Replay(Listed):
    """A replay server's bucket."""

    counters_url: str

    @property
    def port(self) -> int:
        """The port it listens on."""
        port = urlsplit(self.endpoint_url).port
        assert port is not None
        return port

    def counters(self) -> dict[str, int]:
        """The requests it has answered, by kind, and the rows it has listed."""
        with urlopen(self.counters_url) as answer:
            counters: dict[str, int] = json.load(answer)
        return counters


@contextmanager
def replaying(shape: str, objects: int, *options: str) -> Iterator[Replay]:
    """A server of a bucket of that shape, with further options of its command line.

    Raises:
        CommandError: it does not start.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.replay",
        "--shape",
        shape,
        "--objects",
        str(objects),
    ]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            if not line:
                raise CommandError(f"the replay server does not start: {' '.join(options)}")
            told = json.loads(line)
            yield Replay(told["endpoint_url"], told["bucket"], told["objects"], told["counters"])
        finally:
            server.stdin.close()  # which ends it


@dataclass(frozen=True, slots=True)
class Figures:
    """One contestant's run, by what the server answered and what the processes used. `efficiency` is the pages a
    second, over the whole run, as a share of what the lanes could fetch; None where there is no latency.
    """

    objects: int
    cpu_us_per_object: float
    objects_per_s: float
    requests_per_1000_keys: float
    peak_rss_mb: float
    peak_process_rss_mb: float
    efficiency: float | None = None

    @classmethod
    def of(
        cls, usage: Usage, objects: int, requests: int, efficiency: float | None = None
    ) -> Figures:
        """The figures of a run over so many objects."""
        return cls(
            objects=objects,
            cpu_us_per_object=round(usage.cpu_s / objects * 1e6, 3),
            objects_per_s=round(objects / usage.seconds),
            requests_per_1000_keys=round(requests / objects * 1000, 4),
            peak_rss_mb=round(usage.tree_peak_mb, 1),
            peak_process_rss_mb=round(usage.process_peak_mb, 1),
            efficiency=efficiency,
        )


def run_stocktake(
    stocktake: Path,
    listed: Listed,
    folder: Path,
    options: Sequence[str] = (),
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Usage:
    """Measure an inventory of the bucket, in Parquet. Its report lies in `folder`, and so does all that it may spool or
    remember for the next run.

    Raises:
        CommandError: it fails, or reports more or fewer rows than the bucket has.
    """
    home, output = folder / "home", folder / "stocktake.json"
    home.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        stocktake, "run", f"s3://{listed.bucket}", folder / "report", "--format", "Parquet",
        "--endpoint-url", listed.endpoint_url, "--json", "--quiet", *options,
    ]  # fmt: skip
    own = {"HOME": str(home), "TMPDIR": str(home)}
    usage = measure(command, environment={**environment, **own}, stdout=output)
    rows = json.loads(output.read_text())["rows"]
    if rows != listed.objects:
        raise CommandError(f"stocktake reported {rows} rows; the bucket has {listed.objects}")
    return usage


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the server saw of a listing: every LIST, as it was answered."""

    events: tuple[Event, ...]

    @classmethod
    def read(cls, folder: Path) -> Timeline:
        """The timeline that a server has left in a folder."""
        return cls(tuple(event for event in read_timeline(folder) if event.kind is Kind.LIST))

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return self.events[-1].answered - min(event.arrived for event in self.events)

    def efficiency(self, objects: int, lanes: int, latency_ms: float) -> float:
        """The pages a second that all objects took, as a share of what so many lanes can fetch."""
        ideal_s = objects / PAGE_ROWS / (lanes / (latency_ms / 1000))
        return round(ideal_s / self.seconds, 4)

    def lanes(self, points: int) -> tuple[list[float], list[float]]:
        """The requests in flight, on the average of each of so many pieces of the time: the pieces' middles in seconds
        since the first request, and the averages.
        """
        arrived = np.array([event.arrived for event in self.events])
        answered = np.array([event.answered for event in self.events])
        start = arrived.min()
        edges = np.linspace(start, answered.max(), points + 1)
        # How long requests had been under way until each edge, all taken together.
        spent = [np.clip(edge - arrived, 0, answered - arrived).sum() for edge in edges]
        means = np.diff(spent) / np.diff(edges)
        return ((edges[1:] + edges[:-1]) / 2 - start).tolist(), means.tolist()


@contextmanager
def scratch(folder: Path | None) -> Iterator[Path]:
    """A folder for reports and listings that is gone afterwards; on a disk with room for them."""
    with tempfile.TemporaryDirectory(prefix="stocktake-bench-", dir=folder) as made:
        yield Path(made)

"""The process that answers a guarded question: `python -I -m stocktake.analysis.guarded_child`.

Stdin: the request, one JSON object. Stdout: a line of JSON with what to warn of, then Arrow's stream of rows. Stderr,
where it fails: one JSON object with the error's kind, message and hint.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from stocktake.startup import start_lean

start_lean()  # this module is a program, and nothing else

import pyarrow as pa  # noqa: E402

from stocktake.analysis.guard import check_guarded  # noqa: E402
from stocktake.analysis.report import open_report  # noqa: E402
from stocktake.analysis.session import Answer, QueryLimits, open_session  # noqa: E402
from stocktake.analysis.tables import Table  # noqa: E402
from stocktake.model.errors import InventoryError, QueryError  # noqa: E402
from stocktake.store.files import FolderFiles  # noqa: E402

_MORE_BYTES = 2**29  # that Python, Arrow and the threads' stacks take beside the engine's memory
_FILES_MAX = 512


def main() -> int:
    """Answer the request on stdin; returns the exit code."""
    request = json.loads(sys.stdin.buffer.read())
    limits = request["limits"]
    _bound(limits)
    try:
        check_guarded(request["sql"], [each["name"] for each in request["tables"]])
        tables = [_table(each) for each in request["tables"]]
        query_limits = QueryLimits(
            memory_bytes_max=limits["memory_bytes_max"],
            threads=limits["threads"],
            spill_folder=Path(tempfile.gettempdir()),
            spill_bytes_max=limits["spill_bytes_max"],
        )
        session = open_session(tables, limits=query_limits, direct=False)
        with session.run(request["sql"], once=True) as answer:
            _write(answer, limits["rows_max"], limits["answer_bytes_max"])
    except InventoryError as error:
        _tell(type(error).__name__, error.message, error.hint)
        return 1
    except MemoryError:
        _tell("QueryError", "the question needs more memory than it may use", "ask for less")
        return 1
    return 0


def _bound(limits: dict[str, Any]) -> None:
    """What the kernel holds, whatever the engine does."""
    for kind, most in (
        (resource.RLIMIT_DATA, limits["memory_bytes_max"] + _MORE_BYTES),
        (resource.RLIMIT_FSIZE, limits["spill_bytes_max"]),
        (resource.RLIMIT_NOFILE, _FILES_MAX),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(limits["time_s_max"] * (limits["threads"] + 1)) + 1),
    ):
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


def _table(document: dict[str, Any]) -> Table:
    reports = (open_report(*FolderFiles.at(Path(path))) for path in document["manifests"])
    return Table(document["name"], tuple(reports), document["dated"], document["aged"])


def _write(answer: Answer, rows_max: int, bytes_max: int) -> None:
    """The answer, up to one row more than may be shown, which tells that there are more.

    Raises:
        QueryError: it has more bytes than it may have; none of those too many is written.
    """
    sink = sys.stdout.buffer
    sink.write(json.dumps({"warnings": answer.warnings}).encode() + b"\n")
    left, room = rows_max + 1, bytes_max
    with pa.ipc.new_stream(sink, answer.schema) as stream:
        for batch in answer.batches():
            room -= batch.nbytes
            if room < 0:
                raise QueryError(f"the answer has more than {bytes_max} bytes", hint="ask for less")
            stream.write_batch(batch.slice(0, left))
            left -= batch.num_rows
            sink.flush()
            if left <= 0:
                break
    sink.flush()


def _tell(kind: str, message: str, hint: str) -> None:
    sys.stderr.write(json.dumps({"kind": kind, "message": message, "hint": hint}) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())

"""The house keeps its shape: floors, doors, and rooms of a size that one can survey.

import-linter (in `make check`) holds the imports between floors; here stands what it cannot say.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "stocktake"
MODULES = sorted(PACKAGE.rglob("*.py"))

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# From the ground up. Two modules stand outside: the public API and `python -m stocktake`.
FLOORS = (
    ("startup.py",),
    ("model",),
    ("store", "formats", "state"),
    ("inventory", "analysis"),
    ("service",),
    ("api",),
    ("cli",),
    ("demo.py",),
)
OUTSIDE = ("__init__.py", "__main__.py")

# Names that only these places may use, whatever they are imported as.
ONLY_IN = {
    # The last hands it on to the processes that it starts, and reads no value of it.
    "os.environ": ("service/settings.py", "demo.py", "inventory/processes.py"),
    "os.getenv": ("service/settings.py",),
    "os.environb": (),
    "pyarrow.csv": ("formats/",),
    "pyarrow.orc": ("formats/",),
    "pyarrow.parquet": ("formats/",),
    "pyarrow.dataset": ("formats/",),
    "pyarrow.feather": (),
    "pyarrow.fs": ("formats/",),
    "pyarrow.fs.S3FileSystem": (),
}

# A door in store/ may name a clock as the default of an argument, but nobody there may call it.
CLOCKS = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.time",
    "time.time_ns",
}
CLOCKS_NAMED_IN = ("store/", "service/house.py", "demo.py")
CLOCKS_CALLED_IN = ("service/house.py", "demo.py")


def _place(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def _imported(tree: ast.AST) -> dict[str, str]:
    """What each name that an import binds stands for, as a dotted path."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted path an expression such as `clock.time` stands for; empty for any other."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := _dotted(node.value, names)):
        return f"{owner}.{node.attr}"
    return ""


def _used(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every dotted path that is imported or used, with its line."""
    names = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif path := _dotted(node, names):
            yield path, getattr(node, "lineno", 0)


def _called(tree: ast.AST) -> Iterator[tuple[str, int]]:
    names = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (path := _dotted(node.func, names)):
            yield path, node.lineno


def breaches(place: str, source: str) -> list[str]:
    """What a module at `place` does that only other places may."""
    tree = ast.parse(source)
    found = []
    for path, line in _used(tree):
        for name, places in ONLY_IN.items():
            if (path == name or path.startswith(f"{name}.")) and not place.startswith(places):
                found.append(f"{place}:{line} uses {name}")
        if path in CLOCKS and not place.startswith(CLOCKS_NAMED_IN):
            found.append(f"{place}:{line} names the clock {path}")
    for path, line in _called(tree):
        if path in CLOCKS and not place.startswith(CLOCKS_CALLED_IN):
            found.append(f"{place}:{line} reads the clock {path}")
    return sorted(set(found))


def test_there_are_modules_to_check() -> None:
    assert {"model/fields.py", "model/errors.py"} <= {_place(module) for module in MODULES}


@pytest.mark.parametrize("module", MODULES, ids=_place)
def test_every_module_lies_on_a_floor(module: Path) -> None:
    assert module.relative_to(PACKAGE).parts[0] in {*chain(*FLOORS), *OUTSIDE}


@pytest.mark.parametrize("module", MODULES, ids=_place)
def test_no_module_uses_what_belongs_to_another_room(module: Path) -> None:
    assert breaches(_place(module), module.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", MODULES, ids=_place)
def test_files_and_functions_stay_small_enough_to_survey(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    assert lines < FILE_LINES_MAX
    too_long = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert too_long == []


@pytest.mark.parametrize(
    ("place", "source", "expected"),
    [
        ("model/x.py", "import os\nos.environ['A']", ["model/x.py:2 uses os.environ"]),
        ("model/x.py", "from os import environ as e", ["model/x.py:1 uses os.environ"]),
        ("service/settings.py", "import os\nos.environ['A']", []),
        ("analysis/x.py", "import pyarrow.parquet as pq", ["analysis/x.py:1 uses pyarrow.parquet"]),
        ("analysis/x.py", "from pyarrow import csv", ["analysis/x.py:1 uses pyarrow.csv"]),
        ("formats/x.py", "from pyarrow import csv", []),
        ("store/x.py", "import time\ndef f(clock=time.time): ...", []),
        ("store/x.py", "import time\ntime.time()", ["store/x.py:2 reads the clock time.time"]),
        (
            "inventory/x.py",
            "import time\ndef f(clock=time.time): ...",
            ["inventory/x.py:2 names the clock time.time"],
        ),
        ("service/house.py", "from datetime import datetime\ndatetime.now()", []),
    ],
)
def test_a_breach_is_seen(place: str, source: str, expected: list[str]) -> None:
    assert breaches(place, source) == expected

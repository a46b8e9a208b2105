"""Other people's programs that ask the API, from an environment of their own: `make clients`."""

from __future__ import annotations

from pathlib import Path

from tests.servers.missing import skip_or_fail

_FOLDER = Path(__file__).parents[2] / ".venv-clients" / "bin"


def client_program(name: str) -> str:
    """The path of a program, or no test."""
    path = _FOLDER / name
    if not path.exists():
        skip_or_fail(f"{name} is not installed; `make clients` does so")
    return str(path)

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from stocktake.model import errors
from stocktake.model.errors import InventoryError, StoppedError, StoreError, UsageError

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, InventoryError)
]
every_class = pytest.mark.parametrize("kind", CLASSES, ids=[kind.__name__ for kind in CLASSES])


def drawn() -> dict[str, tuple[int, str]]:
    """The tree in the docstring: name -> depth by its rails, and what it says."""
    text = errors.__doc__ or ""
    found = {}
    for line in text.splitlines():
        if match := re.match(r"^    ((?:[│ ]   )*)([├└]── )?(\w+Error)\b *(.*)$", line):
            depth = len(match[1]) // 4 + (match[2] is not None)
            found[match[3]] = (depth, match[4])
    return found


@every_class
def test_the_tree_is_drawn_as_it_is(kind: type[InventoryError]) -> None:
    depth, text = drawn()[kind.__name__]
    assert depth == len(kind.__mro__) - InventoryError.__mro__.__len__()
    assert text.startswith("again") == kind.retryable


def test_nothing_is_drawn_that_is_not_there() -> None:
    assert set(drawn()) == {kind.__name__ for kind in CLASSES}


@every_class
def test_an_error_travels_between_processes_whole(kind: type[InventoryError]) -> None:
    error = kind("cannot list s3://b", hint="ask for s3:ListBucket")
    if isinstance(error, StoreError):
        error = kind("cannot list s3://b", hint="h", code="AccessDenied", status=403)  # type: ignore[call-arg]
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == error.message == "cannot list s3://b"
    assert vars(copy) == vars(error)
    assert copy.exit_code == error.exit_code


@every_class
def test_exit_codes_are_those_of_the_tree(kind: type[InventoryError]) -> None:
    expected = 2 if issubclass(kind, UsageError) else 3 if kind.__name__ == "UndecidedError" else 1
    assert kind.exit_code == expected


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_signal_gives_the_exit_code_shells_expect(number: int, code: int) -> None:
    error = StoppedError("stopped", signal_number=number)
    assert error.exit_code == code
    assert pickle.loads(pickle.dumps(error)).exit_code == code

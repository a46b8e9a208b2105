"""A log for programs: an object a line, whatever is in it."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from stocktake.cli.log_lines import JsonLines, TextLines


def line(message: str, *arguments: object, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("stocktake", logging.WARNING, "", 0, message, arguments, None)
    record.created = 0.5
    record.__dict__ |= extra
    told = JsonLines().format(record)
    assert "\n" not in told
    assert told.isascii()
    document: dict[str, object] = json.loads(told)
    return document


def test_a_line_is_an_object_with_what_is_known_of_the_run() -> None:
    assert line("the run %s failed: %s", "7k3m9q2x", "a\nb\x1b[2J é", run="7k3m9q2x", other=1) == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "warning",
        "logger": "stocktake",
        "message": "the run 7k3m9q2x failed: a\nb\x1b[2J é",
        "run": "7k3m9q2x",
    }


def test_a_traceback_is_in_the_same_line() -> None:
    try:
        int("once")
    except ValueError:
        record = logging.LogRecord("stocktake", 40, "", 0, "x", (), sys.exc_info())
    told = json.loads(JsonLines().format(record))
    assert told["exception"].endswith("'once'")


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()])
def test_no_url_in_the_log_shows_a_secret(lines: logging.Formatter) -> None:
    try:
        int("https://h/?token=hush")
    except ValueError:
        caught = sys.exc_info()
    record = logging.LogRecord("stocktake", 40, "", 0, "at %s", ("http://a:hush@h",), caught)
    told = lines.format(record)
    assert "at http://***@h" in told
    assert "https://h/?token=***" in told
    assert "hush" not in told.replace(__file__, "")

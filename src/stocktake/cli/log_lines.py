"""The log as it is written: lines for people, or one JSON object a line for programs. No URL in it shows a secret,
whoever quotes it: what libraries raise stands in tracebacks.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from stocktake.model.secrets import without_secrets

# What is said beside the message, where it is known. A message never holds more than its text does.
EXTRA = ("run", "store", "bucket", "configuration", "request", "method", "path", "status", "key")


class TextLines(logging.Formatter):
    """Formats a record as moment (local time), level, logger and message, and a traceback below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; lines, with a traceback."""
        return without_secrets(super().format(record))


class JsonLines(logging.Formatter):
    """Formats a record as `time` (UTC), `level`, `logger`, `message`, what of EXTRA is known, and a traceback as
    `exception`. The standard library has all it takes, so no library of logging is needed.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        said |= {name: getattr(record, name) for name in EXTRA if hasattr(record, name)}
        if record.exc_info:
            said["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=True, default=str)

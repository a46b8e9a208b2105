"""A log for programs: one JSON object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

# What is said beside the message, where it is known. A message never holds more than its text does.
EXTRA = ("run", "store", "bucket", "configuration", "request", "method", "path", "status", "key")


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
            "message": record.getMessage(),
        }
        said |= {name: getattr(record, name) for name in EXTRA if hasattr(record, name)}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=True, default=str)

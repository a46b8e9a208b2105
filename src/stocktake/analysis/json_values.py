"""Values as JSON has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def as_json(value: Any) -> Any:
    """The same value with moments as ISO 8601, UTC to the millisecond, however deep they lie."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value

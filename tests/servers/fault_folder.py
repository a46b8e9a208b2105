"""What was put into a bucket, kept in a folder, so that it outlives the server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.servers.fault_fixtures import FixtureObject

# The fields of a FixtureObject that a PUT can give.
_KEPT = (
    "key",
    "size",
    "etag",
    "storage_class",
    "content_type",
    "head_headers",
    "checksum_algorithm",
    "checksum_type",
    "checksum_value",
)


class Folder:
    """One body and one description per key, named by a hash of the key; a description appears last,
    by rename, so an object is either there whole or not at all. Newest versions only."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def store(self, stored: FixtureObject, body: bytes) -> None:
        """Keep the object."""
        content, description = self._paths(stored.key)
        self._write(content, body)
        values = {name: getattr(stored, name) for name in _KEPT}
        values |= {
            "head_headers": dict(stored.head_headers),
            "last_modified": stored.last_modified.isoformat(),
        }
        self._write(description, json.dumps(values).encode())

    def remove(self, key: str) -> None:
        """Forget the object, if it is there."""
        for path in reversed(self._paths(key)):
            path.unlink(missing_ok=True)

    def load(self) -> Iterator[dict[str, Any]]:
        """The fields of every object kept."""
        for description in sorted(self._root.glob("*.json")):
            values = json.loads(description.read_bytes())
            values["last_modified"] = datetime.fromisoformat(values["last_modified"])
            yield values | {"body": description.with_suffix(".body")}

    def _paths(self, key: str) -> tuple[Path, Path]:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._root / f"{name}.body", self._root / f"{name}.json"

    @staticmethod
    def _write(path: Path, body: bytes) -> None:
        temporary = path.with_suffix(path.suffix + ".new")
        temporary.write_bytes(body)
        temporary.replace(path)

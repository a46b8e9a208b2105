"""A read-only file system of exactly the files it is given, for what wants to open files itself: DuckDB and Arrow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from stocktake.store.served import PROTOCOL, ServedFiles


class ServedFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec brings no types
    """Files by name: `stocktake://name`.

    Nothing else can be opened, listed or written through it, whatever SQL asks for.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, files: ServedFiles) -> None:
        super().__init__()
        self._files = files

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Its name and size, as promised."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._files.size(name), "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: object) -> list[Any]:  # noqa: FBT001, FBT002
        """The file itself: nothing is a folder here."""
        info = self.info(path)
        return [info] if detail else [info["name"]]

    def glob(self, path: str, **_: object) -> list[str]:
        """The file of exactly that name: a star is a letter like any other."""
        name = self._strip_protocol(path)
        return [ServedFiles.url(name)] if name in self._files else []

    def exists(self, path: str, **_: object) -> bool:
        """Whether it is one of the files."""
        return self._strip_protocol(path) in self._files

    def isfile(self, path: str) -> bool:
        """Whether it is one of the files."""
        return self.exists(path)

    def modified(self, path: str) -> datetime:
        """Always the same: data files never change, so what was cached of them stays true."""
        self._files.size(self._strip_protocol(path))
        return datetime.fromtimestamp(0, UTC)

    def _open(self, path: str, mode: str = "rb", **_: object) -> BinaryIO:
        if mode != "rb":
            raise PermissionError(f"`{path}` can only be read")
        return self._files.open(self._strip_protocol(path))

"""Configurations as users write them down: JSON or XML, in a file or on stdin."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.errors import ConfigurationError
from stocktake.model.xml import parse_configuration_xml

CONFIGURATION_BYTES_MAX = 2**20  # AWS's own documents are a few hundred bytes


def read_configuration(source: Path | BinaryIO) -> InventoryConfiguration:
    """The configuration in a file, JSON or XML, whichever it is.

    Raises:
        ConfigurationError: it cannot be read, or AWS would refuse what it says.
    """
    where = source if isinstance(source, Path) else "stdin"
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                body = file.read(CONFIGURATION_BYTES_MAX + 1)
        else:
            body = source.read(CONFIGURATION_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationError(
            f"the configuration {where} cannot be read: {error.strerror}"
        ) from error
    if len(body) > CONFIGURATION_BYTES_MAX:
        raise ConfigurationError(f"{where} is larger than a configuration can be")
    body = body.removeprefix(b"\xef\xbb\xbf")
    is_xml = body.lstrip().startswith(b"<")
    return parse_configuration_xml(body) if is_xml else parse_configuration_json(body)

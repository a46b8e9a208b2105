"""S3 Inventory for every S3-compatible store.

The public API, and nothing else is: whatever is not named in `__all__` may change in any release.
Names are fetched when they are first used (PEP 562), so `import stocktake` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocktake.analysis.report import Report
    from stocktake.model.configuration import (
        Format,
        Frequency,
        IncludedObjectVersions,
        InventoryConfiguration,
    )
    from stocktake.model.errors import (
        InventoryError,
        ReportError,
        StoppedError,
        StoreError,
        UndecidedError,
        UsageError,
    )
    from stocktake.model.manifest import Manifest
    from stocktake.model.runs import InventoryResult, Progress
    from stocktake.service.commands.report import open_report
    from stocktake.service.commands.run import take_inventory

__version__ = "0.1.0"

__all__ = [
    "Format",
    "Frequency",
    "IncludedObjectVersions",
    "InventoryConfiguration",
    "InventoryError",
    "InventoryResult",
    "Manifest",
    "Progress",
    "Report",
    "ReportError",
    "StoppedError",
    "StoreError",
    "UndecidedError",
    "UsageError",
    "__version__",
    "open_report",
    "take_inventory",
]

_HOMES = {
    "Format": "stocktake.model.configuration",
    "Frequency": "stocktake.model.configuration",
    "IncludedObjectVersions": "stocktake.model.configuration",
    "InventoryConfiguration": "stocktake.model.configuration",
    "InventoryError": "stocktake.model.errors",
    "InventoryResult": "stocktake.model.runs",
    "Manifest": "stocktake.model.manifest",
    "Progress": "stocktake.model.runs",
    "Report": "stocktake.analysis.report",
    "ReportError": "stocktake.model.errors",
    "StoppedError": "stocktake.model.errors",
    "StoreError": "stocktake.model.errors",
    "UndecidedError": "stocktake.model.errors",
    "UsageError": "stocktake.model.errors",
    "open_report": "stocktake.service.commands.report",
    "take_inventory": "stocktake.service.commands.run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `stocktake` has no attribute `{name}`")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

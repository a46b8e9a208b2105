"""S3 Inventory for every S3-compatible store.

The public API, and nothing else is: whatever is not named in `__all__` may change in any release.
Names are fetched when they are first used (PEP 562), so `import stocktake` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stocktake.analysis.audits.findings import AuditReport
    from stocktake.analysis.opened import OpenReport
    from stocktake.analysis.session import Answer
    from stocktake.analysis.usage.usage import Usage
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
    from stocktake.service.commands.reading import open_report, query
    from stocktake.service.commands.run import take_inventory
    from stocktake.service.commands.telling import audit, usage

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AuditReport",
    "Format",
    "Frequency",
    "IncludedObjectVersions",
    "InventoryConfiguration",
    "InventoryError",
    "InventoryResult",
    "Manifest",
    "OpenReport",
    "Progress",
    "ReportError",
    "StoppedError",
    "StoreError",
    "UndecidedError",
    "Usage",
    "UsageError",
    "__version__",
    "audit",
    "open_report",
    "query",
    "take_inventory",
    "usage",
]

_HOMES = {
    "Answer": "stocktake.analysis.session",
    "AuditReport": "stocktake.analysis.audits.findings",
    "Format": "stocktake.model.configuration",
    "Frequency": "stocktake.model.configuration",
    "IncludedObjectVersions": "stocktake.model.configuration",
    "InventoryConfiguration": "stocktake.model.configuration",
    "InventoryError": "stocktake.model.errors",
    "InventoryResult": "stocktake.model.runs",
    "Manifest": "stocktake.model.manifest",
    "OpenReport": "stocktake.analysis.opened",
    "Progress": "stocktake.model.runs",
    "ReportError": "stocktake.model.errors",
    "StoppedError": "stocktake.model.errors",
    "StoreError": "stocktake.model.errors",
    "UndecidedError": "stocktake.model.errors",
    "Usage": "stocktake.analysis.usage.usage",
    "UsageError": "stocktake.model.errors",
    "audit": "stocktake.service.commands.telling",
    "open_report": "stocktake.service.commands.reading",
    "query": "stocktake.service.commands.reading",
    "take_inventory": "stocktake.service.commands.run",
    "usage": "stocktake.service.commands.telling",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `stocktake` has no attribute `{name}`")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""A worker process: `python -m stocktake.inventory TASKS REPORTS`, the numbers of its two pipes."""

from __future__ import annotations

import gc
import sys

# New objects. Imports make very many that stay, and so does nothing else here: batches are counted, not traced.
GARBAGE_LOOKED_FOR_AFTER = 250_000


def main() -> None:
    """Serve one run."""
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    from stocktake.inventory.worker import serve  # noqa: PLC0415 - the threshold is for what this makes, too

    gc.freeze()
    serve(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    main()

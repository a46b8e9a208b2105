"""The workers of a run: `python -m stocktake.inventory SETTINGS TASKS REPORTS [TASKS REPORTS]...`, the names of what
only they are to find in their environment, and the numbers of the two pipes of each.

What they need takes longer to load than a small bucket takes to list. So it is loaded once: all but the first are
forked from the first, before that has a thread, a connection or anything else that two processes cannot share.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

from stocktake.startup import start_lean


def main() -> None:
    """Serve one run."""
    start_lean()
    from stocktake.inventory.processes import forget_settings  # noqa: PLC0415 - as the next one
    from stocktake.inventory.worker import serve  # noqa: PLC0415 - what this loads is what should be lean

    settings, *numbers = sys.argv[1:]
    forget_settings(settings)
    gc.freeze()
    atexit.register(gc.freeze)  # when all ends, nothing is worth looking for
    pipes = list(zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True))
    own = pipes[0]
    others: list[int] = []
    for pair in pipes[1:]:
        if (process := os.fork()) == 0:
            own, others = pair, []
            break
        others.append(process)
    for pair in pipes:
        if pair is not own:
            os.close(pair[0])
            os.close(pair[1])
    serve(*own)
    for process in others:
        os.waitpid(process, 0)


if __name__ == "__main__":
    main()

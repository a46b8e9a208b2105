"""Floor 4: the command line. It parses, calls one command and renders."""

import gc

# Little of what is imported at the start ever becomes garbage, and looking for it takes a seventh of
# the time that `stocktake --help` has.
gc.disable()
from stocktake.cli.app import main, program  # noqa: E402

gc.freeze()
gc.enable()

__all__ = ["main", "program"]

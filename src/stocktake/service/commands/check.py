"""The use case of trying out what a run would do."""

from __future__ import annotations

from stocktake.model.checks import CheckResult
from stocktake.model.errors import UsageError
from stocktake.service import house
from stocktake.service.checking import CHECK_S_MAX, check_run
from stocktake.service.commands.run import plan
from stocktake.service.options import RunOptions

TIME_S_MIN, TIME_S_MAX = 1.0, 3600.0


def check(options: RunOptions, *, time_s_max: float | None = None) -> CheckResult:
    """Try what a run with these options would do; nothing stays of it.

    Raises:
        UsageError: what was asked for makes no sense.
    """
    allowed_s = CHECK_S_MAX if time_s_max is None else time_s_max
    if not TIME_S_MIN <= allowed_s <= TIME_S_MAX:
        raise UsageError(
            f"{allowed_s:g} seconds are out of bounds; expected {TIME_S_MIN:g} to {TIME_S_MAX:g}"
        )
    return check_run(plan(options), monotonic=house.monotonic, time_s_max=allowed_s)

"""Commands that take words of `stocktake run`: what can be run can be planned and tried, in the very same words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from typing import TypeVar

from stocktake.cli.run import run

_Command = TypeVar("_Command", bound=Callable[..., None])


def takes_the_words_of_run(
    own: Callable[..., None], *, without: Container[str] = ()
) -> Callable[[_Command], _Command]:
    """Declare for a command the parameters of `run` that are not in `without`, and those of `own`, which come first."""
    of_run = inspect.signature(run, eval_str=True).parameters
    its_own = inspect.signature(own, eval_str=True).parameters
    taken = {name: each for name, each in of_run.items() if name not in without}
    parameters = list({**taken, **its_own}.values())

    def declare(command: _Command) -> _Command:
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return declare

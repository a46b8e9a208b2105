"""What a run shows while it is under way."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from stocktake.cli.progress import LINE_EVERY_S, Lines, Pace, Silence, progress_line
from stocktake.cli.screen import screen
from stocktake.model.runs import Progress, RunStage

PROGRESS = Progress(
    RunStage.LIST,
    Counter(
        {
            "rows": 12_000,
            "object_bytes": 3 * 2**30,
            "requests.list": 12,
            "requests.head": 11_990,
            "retries": 2,
            "problems.refused": 7,
        }
    ),
    done=0.42,
    key="logs/\x1b[2J" + "deep/" * 30 + "end",
)


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_pace_is_that_of_the_last_seconds_not_of_the_whole_run(clock: Clock) -> None:
    pace = Pace(clock)
    clock.now_s += 100
    assert pace.rate(1000) == pytest.approx(10)
    clock.now_s += 5
    pace.rate(2000)
    clock.now_s += 10
    assert pace.rate(4000) == pytest.approx(200)
    assert pace.elapsed_s == 115


def test_a_line_says_everything_at_once(clock: Clock) -> None:
    pace = Pace(clock)
    clock.now_s += 60
    assert progress_line(PROGRESS, pace) == (
        "0:01:00 listing 42%: objects 12,000 (200/s), bytes 3.0 GiB,"
        " requests head 11,990, list 12, retries 2, problems refused 7"
    )


def test_a_line_without_an_estimate_or_a_problem_claims_none(clock: Clock) -> None:
    line = progress_line(Progress(RunStage.SURVEY, Counter(), None), Pace(clock))
    assert line == (
        "0:00:00 surveying: objects 0 (0/s), bytes 0 bytes, requests 0, retries 0, problems none"
    )


def test_lines_come_every_few_seconds_and_only_once_there_is_something_to_say(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(clock)
    clock.now_s += LINE_EVERY_S
    lines.draw()
    assert capsys.readouterr().err == ""
    lines.take(PROGRESS)
    lines.draw()
    lines.draw()
    assert capsys.readouterr().err.count("\n") == 1
    clock.now_s += LINE_EVERY_S
    lines.take(replace(PROGRESS, done=0.5))
    lines.draw()
    told = capsys.readouterr()
    assert "listing 50%" in told.err
    assert told.out == ""


def test_quiet_shows_no_figures_but_says_what_must_be_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    silence = Silence()
    silence.take(PROGRESS)
    silence.draw()
    silence.say("stopping")
    assert capsys.readouterr().err == "stopping\n"


def test_the_screen_shows_all_figures_without_colour_and_tames_the_key(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=100, no_color=True)
    console.print(screen("s3://photos/", PROGRESS, Pace(clock)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for expected in (
        "listing s3://photos/",
        "42%",
        "12,000",
        "3.0 GiB",
        "head 11,990",
        "refused 7",
    ):
        assert expected in shown
    assert "\x1b" not in shown
    assert "...p/deep/" in shown

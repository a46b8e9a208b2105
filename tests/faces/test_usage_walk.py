"""Walking through usage on the terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from stocktake.analysis.report import Report
from stocktake.analysis.usage.usage import UsageSource
from stocktake.cli.usage_walk import HELP, Walk, walking
from stocktake.model.configuration import Format
from stocktake.model.prices import AWS
from stocktake.model.usage import Dimension
from stocktake.service.usage import counted
from tests.acceptance.command_line import command, stocktake
from tests.analysis.questions import opened
from tests.analysis.reports import objects, our_report

KEYS = ["a/1", "a/b/c/1", "a/b/c/2", "d\n/\x1b[2J", "top"]
DOWN, UP, RIGHT, LEFT, END = "\x1b[B", "\x1b[A", "\x1b[C", "\x1b[D", "\x1b[F"


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return opened(our_report(tmp_path, Format.PARQUET, [objects(KEYS)]).manifest_path)


@pytest.fixture
def walk(report: Report) -> Walk:
    return Walk(UsageSource([report], AWS, count=counted, warn=pytest.fail))


def press(walk: Walk, keys: str) -> None:
    """Type into the real application until it ends."""
    with create_pipe_input() as pipe:
        pipe.send_text(keys)
        walking(walk, input=pipe, output=DummyOutput()).run()


def names(walk: Walk) -> list[str]:
    return [each.name for each in walk.entries]


def test_the_largest_is_first_and_what_lies_here_is_an_entry(walk: Walk) -> None:
    assert names(walk) == ["(directly here)", "a/", "d\\n/"]
    shown = [line for line, _ in walk.lines(24)]
    assert len(shown) == 24
    assert shown[0] == "s3://source/"
    assert shown[1].startswith("10 bytes, 5 objects, ")
    assert shown[-1] == HELP
    assert all(line.isprintable() for line in shown)


def test_keys_go_in_and_out_again(walk: Walk) -> None:
    press(walk, DOWN + RIGHT + "q")
    assert walk.here.prefix == "a/"
    press(walk, "\rq")
    assert walk.here.prefix == "a/b/"
    press(walk, LEFT + LEFT + LEFT + "q")
    assert walk.here.prefix == ""
    assert names(walk)[walk.place] == "a/"
    press(walk, UP * 9 + RIGHT + "q")
    assert walk.here.prefix == "", "what lies here is no folder to go into"


def test_entries_are_sorted_by_what_one_likes(walk: Walk) -> None:
    press(walk, "sq")
    assert (walk.sort, names(walk)[0]) == ("objects", "a/")
    press(walk, "sq")
    assert (walk.sort, names(walk)) == ("name", ["(directly here)", "a/", "d\\n/"])


def test_letters_filter_and_can_be_taken_back(walk: Walk) -> None:
    press(walk, "/Ax\x7f\rq")
    assert (walk.filter, walk.typing) == ("A", False)
    assert names(walk) == ["a/"]
    press(walk, RIGHT + "q")
    assert (walk.here.prefix, walk.filter) == ("a/", "")


def test_arrows_choose_while_one_types_and_are_no_letters(walk: Walk) -> None:
    press(walk, "//\t" + DOWN + RIGHT + LEFT + "\r" + RIGHT + "q")
    assert (walk.filter, walk.here.prefix) == ("", "d\n/")


def test_a_folder_is_told_by_every_dimension(walk: Walk) -> None:
    press(walk, DOWN + "\rb" + "q")
    assert walk.by is Dimension.CLASS
    assert [(each.name, each.measured.objects) for each in walk.entries] == [("STANDARD", 3)]
    press(walk, "b" * (len(walk.source.dimensions) - 1) + "q")
    assert walk.by is Dimension.PREFIX


def test_below_the_folders_whose_values_are_kept_it_says_of_which_they_are(walk: Walk) -> None:
    press(walk, DOWN + "\r\r\rb" + "q")
    assert walk.here.prefix == "a/b/c/"
    assert "(values are kept of s3://source/a/b/)" in walk.lines(24)[0][0]


def test_many_entries_scroll(tmp_path: Path) -> None:
    keys = [f"{number:03}/x" for number in range(200)]
    report = opened(our_report(tmp_path, Format.PARQUET, [objects(keys)]).manifest_path)
    walk = Walk(UsageSource([report], AWS, count=counted, warn=pytest.fail), sort="name")
    walk.move(150)
    lines = walk.lines(24)
    assert len(lines) == 24
    [chosen] = [line for line, chosen in lines if chosen]
    assert chosen.endswith("150/")


def test_it_needs_a_terminal(report: Report) -> None:
    stocktake("usage", report.address, "-i").failed_clearly(2, "wants a terminal")


def test_on_a_terminal_it_shows_folders_and_leaves_on_q(report: Report) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("usage", report.address, "-i"), stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    said, sent, give_up = b"", False, time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
        if b"filter" in said and not sent:
            os.write(ours, b"q")
            sent = True
    assert process.wait(60) == 0
    os.close(ours)
    assert b"s3://source/" in said

"""The benchmarks' plots, as SVG in the folder of results. Each function tells what its file shows, by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.results import RESULTS

_OURS, _THEIRS = "#1668a7", "#b4b8bd"
_RUN_COLOURS = ("#1668a7", "#2a9d62", "#c44e52")
_STYLE: dict[Any, Any] = {
    "axes.spines.right": False, "axes.spines.top": False, "font.size": 9,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "stocktake",  # the same figures give the same file
}  # fmt: skip


def draw_bench(document: Mapping[str, Any]) -> dict[str, str]:
    """CPU time an object of stocktake and its peers, in both disciplines."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=(7, 3))
        _bars(upper, "listing", document)
        _bars(lower, "with HEAD", document["head"])
        return _saved(figure, "bench.svg", "CPU time an object, stocktake and its peers")


def _bars(axes: Axes, title: str, compared: Mapping[str, Any]) -> None:
    figures = {"stocktake": compared["stocktake"], **compared["peers"]}
    costs = [each["cpu_us_per_object"] for each in figures.values()]
    colours = [_OURS] + [_THEIRS] * len(compared["peers"])
    bars = axes.barh(list(figures), costs, color=colours)
    axes.bar_label(bars, [f" {cost:,.1f}" for cost in costs])
    axes.set_xscale("log")
    axes.set_xlim(left=1)
    axes.invert_yaxis()
    axes.set_title(f"{title}: CPU microseconds an object", loc="left")


def draw_scale(
    document: Mapping[str, Any], memory: Mapping[str, Sequence[tuple[float, float]]]
) -> dict[str, str]:
    """What size does to CPU time, and the memory of the largest process during each run; `memory` is (share of the run,
    MB) by the number of objects.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        runs = document["sizes"].values()
        left.plot(
            [run["objects"] for run in runs], [run["cpu_us_per_object"] for run in runs],
            "o-", color=_OURS,
        )  # fmt: skip
        left.set(xscale="log", xlabel="objects", title="CPU microseconds an object")
        left.set_ylim(bottom=0)
        for (name, samples), colour in zip(memory.items(), _RUN_COLOURS, strict=False):
            shares, peaks = zip(*samples, strict=True)
            right.plot(shares, peaks, color=colour, label=f"{name} objects")
        right.set(xlabel="share of the run", title="peak MB of the largest process so far")
        right.set_ylim(bottom=0)
        right.legend(frameon=False)
        return _saved(figure, "scale.svg", "CPU time and memory against the number of objects")


def draw_shapes(
    lanes: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], lanes_max: int
) -> dict[str, str]:
    """The requests in flight over time, as the server saw them: a panel a shape, a line a run."""
    with mpl.rc_context(_STYLE):
        columns = 3
        rows = -(-len(lanes) // columns)
        figure = Figure(figsize=(9, 1.9 * rows + 0.4), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for panel, (shape, runs) in zip(panels, lanes.items(), strict=False):
            for (seconds, counts), colour in zip(runs.values(), _RUN_COLOURS, strict=True):
                panel.plot(seconds, counts, color=colour, linewidth=1.2)
            lines = panel.get_lines()
            panel.axhline(lanes_max, color="#888888", linewidth=0.6, linestyle=":")
            panel.set_title(shape, loc="left")
            panel.set_ylim(0, lanes_max * 1.1)
        for panel in panels[len(lanes) :]:
            panel.set_axis_off()
        names = list(next(iter(lanes.values())))  # the same for all shapes
        figure.legend(lines, names, loc="outside upper center", ncols=3, frameon=False)
        figure.supxlabel("seconds since the first request")
        figure.supylabel("requests in flight")
        return _saved(figure, "shapes.svg", "Requests in flight over time, for each shape of keys")


def _saved(figure: Figure, name: str, text: str) -> dict[str, str]:
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / name, metadata={"Date": None})
    return {name: text}

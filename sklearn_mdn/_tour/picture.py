"""The picture of the tour: predicted densities of held-out rows with the values observed there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn.plotting._conditional import ConditionalDensityDisplay
from sklearn_mdn.plotting._drawing import VERMILION, Palette, prepare_axes
from sklearn_mdn.plotting._rows import UnivariateRows, range_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 150
LETTERS = "ABCDE"


def draw_densities(
    density: PredictiveDistribution,
    baseline: PredictiveDistribution,
    y: NDArray[np.float64],
    *,
    names: tuple[str, str],
    target: str,
    confidence: float,
    path: Path,
) -> None:
    """Write a picture of predicted densities: many rows as shading, a few as curves beside a baseline's.

    Parameters
    ----------
    density, baseline : PredictiveDistribution
        Predictions for n rows of a 1-d target.
    y : ndarray of shape (n,)
        Observed values.
    names : tuple of two str
        What the two predictions are called.
    target : str
        What y is called.
    confidence : float
        Of the central interval drawn.
    path : Path
        The file, its format by its suffix.
    """
    from matplotlib.figure import Figure

    rows = np.random.default_rng(0).permutation(len(y))[:MAX_ROWS]
    rows = rows[np.argsort(density.median()[rows])]
    density, baseline, y, n_rows = density[rows], baseline[rows], y[rows], len(y)
    grid = range_of(UnivariateRows(density), y)
    chosen = np.round(np.linspace(0.1, 0.9, len(LETTERS)) * (len(y) - 1)).astype(int)

    figure = Figure(figsize=(9.0, 7.5), layout="constrained")
    layout = figure.add_gridspec(2, len(LETTERS), height_ratios=[2, 1])
    strip = figure.add_subplot(layout[0, :])
    _draw_strip(strip, density, y, grid, confidence)
    shown = f"{len(y)} held-out rows" if len(y) == n_rows else f"{len(y)} of {n_rows:,} held-out rows"
    strip.set(xlabel=f"{shown}, in the order of their predicted median", ylabel=target)
    grey = Palette.of(strip).grey
    strip.set_title(f"Densities predicted by {names[0]}", loc="left", pad=18)
    panels: list[Axes] = []
    for number, (letter, row) in enumerate(zip(LETTERS, chosen, strict=True)):
        strip.annotate(letter, (row, 1.01), xycoords=("data", "axes fraction"), ha="center", color=grey)
        curves = figure.add_subplot(layout[1, number], sharex=panels[-1] if panels else None)
        panels.append(curves)
        _draw_curves(curves, density[row], baseline[row], y[row], grid, names)
        curves.set_title(f"row {letter}", fontsize="medium", color=grey)
        if number == len(LETTERS) // 2:
            curves.set_xlabel(target)
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def _draw_strip(
    axes: Axes,
    density: PredictiveDistribution,
    y: NDArray[np.float64],
    grid: NDArray[np.float64],
    confidence: float,
) -> None:
    """Each row's density as a column of shading, its central interval, and what was observed."""
    rows, (lower, upper) = np.arange(len(y)), density.interval(confidence)
    tail = 0.5 * (1.0 - confidence)
    palette = Palette.of(axes)
    line = {"color": palette.deep, "linestyle": "-", "linewidth": 0.8, "drawstyle": "steps-mid"}
    display = ConditionalDensityDisplay(x=rows, y_dist=density)
    display.plot(axes, levels=[tail, 1.0 - tail], y_grid=grid, line_kw=line)
    for bound, label in zip(display.lines_, (f"central {confidence:.0%} interval", None), strict=True):
        bound.set_label(label)
    inside, low, high = (lower <= y) & (y <= upper), grid[0], grid[-1]
    axes.plot(rows[inside], y[inside], "o", color=palette.ink, markersize=3, label="observed, inside")
    axes.plot(rows[~inside], y[~inside], "o", color=VERMILION, markersize=4, label="observed, outside")
    # What lies beyond the frame points there from its edge.
    for beyond, edge, marker in ((y > high, high, "^"), (y < low, low, "v")):
        axes.plot(rows[beyond], np.full(beyond.sum(), edge), marker, color=VERMILION)
    axes.set(xlim=(-0.5, len(y) - 0.5), ylim=(low, high))  # the legend is beside the title
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.05),
        borderaxespad=0,
        fontsize="small",
        ncols=3,
        frameon=False,
    )


def _draw_curves(
    axes: Axes,
    density: PredictiveDistribution,
    baseline: PredictiveDistribution,
    y: float,
    grid: NDArray[np.float64],
    names: tuple[str, str],
) -> None:
    """One row's density beside the baseline's, and what was observed."""
    prepare_axes(axes, "draw_densities")
    palette = Palette.of(axes)
    height = density.pdf(grid[:, None])[:, 0]
    axes.fill_between(grid, height, color=palette.deep, alpha=0.25, linewidth=0)
    axes.plot(grid, height, color=palette.deep, label=names[0])
    height = baseline.pdf(grid[:, None])[:, 0]
    axes.plot(grid, height, color=palette.ink, linestyle="--", linewidth=1, label=names[1])
    axes.axvline(y, color=VERMILION, linewidth=1.5, label="observed")
    axes.set(xlim=(grid[0], grid[-1]))
    axes.set_ylim(bottom=0)
    axes.set_yticks([])

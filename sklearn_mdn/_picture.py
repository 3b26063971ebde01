"""The picture of the tour: predicted densities of held-out rows with the values observed there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sklearn_mdn._distribution import MixtureDistribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 150
N_CURVES = 5
N_GRID = 400
BLUE, ORANGE, BLACK, GREY = "#2166ac", "#d95f02", "0.1", "0.4"


def draw_densities(
    density: MixtureDistribution,
    baseline: MixtureDistribution,
    y: np.ndarray,
    *,
    names: tuple[str, str],
    target: str,
    confidence: float,
    path: Path,
) -> None:
    """Write a picture of predicted densities: many rows as shading, a few as curves beside a baseline's.

    Parameters
    ----------
    density, baseline : MixtureDistribution
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
    grid = _grid(density, y)
    chosen = np.round(np.linspace(0.1, 0.9, N_CURVES) * (len(y) - 1)).astype(int)

    figure = Figure(figsize=(9.0, 7.5), layout="constrained")
    layout = figure.add_gridspec(2, N_CURVES, height_ratios=[2, 1])
    strip = figure.add_subplot(layout[0, :])
    _draw_strip(strip, density, y, grid, confidence)
    shown = f"{len(y)} held-out rows" if len(y) == n_rows else f"{len(y)} of {n_rows:,} held-out rows"
    strip.set(xlabel=f"{shown}, in the order of their predicted median", ylabel=target)
    strip.set_title(f"{names[0]}: density of {target} for each row", loc="left")
    first = None
    for number, row in enumerate(chosen, start=1):
        strip.annotate(
            f"{number}", (row, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", color=GREY
        )
        first = figure.add_subplot(layout[1, number - 1], sharey=first, sharex=first)
        _draw_curves(first, density[row], baseline[row], y[row], grid, names)
        first.set_title(f"row {number}", fontsize="medium", color=GREY)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def _grid(density: MixtureDistribution, y: np.ndarray) -> np.ndarray:
    """Values of y that show nearly all of nearly every density and every observed value."""
    low, high = density.interval(0.995)
    low, high = min(np.quantile(low, 0.05), y.min()), max(np.quantile(high, 0.95), y.max())
    return np.linspace(low, high, N_GRID)


def _draw_strip(
    axes: Axes, density: MixtureDistribution, y: np.ndarray, grid: np.ndarray, confidence: float
) -> None:
    """Each row's density as a column of shading, its central interval, and what was observed."""
    rows = np.arange(len(y))
    height = density.pdf(grid[:, None])
    axes.pcolormesh(rows, grid, height / height.max(axis=0), cmap="Blues", vmax=1.4, rasterized=True)
    lower, upper = density.interval(confidence)
    for bound, label in ((lower, f"central {confidence:.0%} interval"), (upper, None)):
        axes.plot(rows, bound, drawstyle="steps-mid", color=BLUE, linewidth=0.8, label=label)
    inside = (lower <= y) & (y <= upper)
    axes.plot(rows[inside], y[inside], "o", color=BLACK, markersize=3, label="observed, inside")
    axes.plot(rows[~inside], y[~inside], "o", color=ORANGE, markersize=4, label="observed, outside")
    axes.set(xlim=(-0.5, len(y) - 0.5), ylim=(grid[0], grid[-1]))
    axes.legend(loc="upper left", fontsize="small", ncols=3)


def _draw_curves(
    axes: Axes,
    density: MixtureDistribution,
    baseline: MixtureDistribution,
    y: float,
    grid: np.ndarray,
    names: tuple[str, str],
) -> None:
    """One row's density beside the baseline's, and what was observed."""
    height = density.pdf(grid)
    axes.fill_between(grid, height, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(grid, height, color=BLUE, label=names[0])
    axes.plot(grid, baseline.pdf(grid), color=BLACK, linestyle="--", linewidth=1, label=names[1])
    axes.axvline(y, color=ORANGE, linewidth=1.5, label="observed")
    axes.set_ylim(bottom=0)
    axes.set_yticks([])

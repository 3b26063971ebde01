"""What the displays share: colours that the colour-blind can tell apart, axes, and frames for data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._plotting import _validate_style_kwargs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008), "Color universal design", less yellow, which paper swallows.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#666666"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
REFERENCE = "sklearn_mdn reference"  # marks what several displays on the same axes need once


def prepare_axes(ax: Axes | None, caller: str, figsize: tuple[float, float] = (5.2, 3.7)) -> Axes:
    """The given axes, or those of a new figure; without the frame's upper and right side."""
    check_matplotlib_support(caller)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def options(given: dict | None, **defaults) -> dict:
    """Keyword arguments of an artist: the display's own, unless the caller gave them, by whatever alias."""
    return _validate_style_kwargs(defaults, given or {})


def has_reference(ax: Axes) -> bool:
    """Whether another display has drawn what all compare with."""
    return any(artist.get_gid() == REFERENCE for artist in ax.get_children())


def next_color(ax: Axes) -> str:
    """The first colour of the cycle that no display has used on these axes."""
    used = {line.get_color() for line in ax.get_lines()}
    return next((color for color in CYCLE if color not in used), CYCLE[0])

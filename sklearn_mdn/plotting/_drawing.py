"""What the displays share: colours that the colour-blind can tell apart, on paper of any colour, and axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._plotting import _validate_style_kwargs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.legend import Legend

# Okabe and Ito (2008), "Color universal design", less yellow, which paper swallows.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK, WHITE = "#CC79A7", "#56B4E9", "#000000", "#FFFFFF"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # and the colour of ink
# Dash patterns of curves, once the colours are used up; that of dots stands for components.
DASHES = ("-", "--", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
REFERENCE = "sklearn_mdn reference"  # marks what several displays on the same axes need once
MOST_OF_THE_AXES = 0.4  # a legend gets no more room than this share of their height


@dataclass(frozen=True)
class Palette:
    """Colours that depend on what is drawn upon.

    Parameters
    ----------
    paper : str
        The colour of the axes.
    ink : str
        The farthest from it: black or white.
    dark : bool
        Whether the paper is.
    """

    paper: str
    ink: str
    dark: bool

    @classmethod
    def of(cls, ax: Axes) -> Palette:
        """The palette for axes as they are now."""
        from matplotlib.colors import to_rgba

        behind = np.ones(3)  # what matplotlib saves a figure upon where all is transparent
        for color in (ax.figure.get_facecolor(), ax.get_facecolor()):
            *above, opacity = to_rgba(color)
            behind = opacity * np.array(above) + (1.0 - opacity) * behind
        # Relative luminance (WCAG 2.2), its gamma taken as 2.2.
        dark = bool(behind**2.2 @ [0.2126, 0.7152, 0.0722] < 0.18)
        return cls(_hex(behind), WHITE if dark else BLACK, dark)

    @property
    def grey(self) -> str:
        """For references and what is said on the side."""
        return self.mixed(self.ink, 0.62)

    @property
    def deep(self) -> str:
        """The blue that stands out from the paper."""
        return SKY if self.dark else BLUE

    @property
    def cycle(self) -> tuple[str, ...]:
        """Colours of curves."""
        return (*CYCLE, self.ink)

    @property
    def band(self) -> dict[str, Any]:
        """How what chance allows is shaded."""
        alpha = 0.4 if self.dark else 0.25
        return {"facecolor": self.grey, "edgecolor": "none", "alpha": alpha, "linewidth": 0}

    @property
    def legend(self) -> dict[str, Any]:
        """A legend that stays legible in front of points and lines."""
        return {"fontsize": "small", "facecolor": self.paper, "edgecolor": "none", "framealpha": 0.8}

    def mixed(self, color: str, share: float) -> str:
        """A colour thinned with that of the paper, opaque."""
        from matplotlib.colors import to_rgb

        return _hex(share * np.array(to_rgb(color)) + (1.0 - share) * np.array(to_rgb(self.paper)))

    def shades(self, n_shades: int) -> list[str]:
        """Blues that rise from the paper, the lightest first."""
        return [self.mixed(self.deep, share) for share in np.linspace(0.2, 0.7, n_shades)]

    def colormap(self) -> Colormap:
        """From the paper to the blue that stands out from it."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("density", [self.paper, self.deep])


def _hex(color: NDArray[np.float64]) -> str:
    from matplotlib.colors import to_hex

    red, green, blue = color.tolist()
    return to_hex((red, green, blue))


def prepare_axes(ax: Axes | None, caller: str, figsize: tuple[float, float] = (5.2, 3.7)) -> Axes:
    """The given axes, or those of a new figure; without the frame's upper and right side."""
    check_matplotlib_support(caller)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def options(given: dict[str, Any] | None, **defaults: Any) -> dict[str, Any]:
    """Keyword arguments of an artist: the display's own, unless the caller gave them, by whatever alias."""
    chosen: dict[str, Any] = _validate_style_kwargs({}, given or {})
    if "color" in chosen and "facecolor" in defaults:  # which matplotlib would warn of
        defaults = {key: value for key, value in defaults.items() if key not in ("facecolor", "edgecolor")}
    if "facecolor" in chosen:
        defaults.pop("color", None)
    return defaults | chosen


def has_reference(ax: Axes) -> bool:
    """Whether another display has drawn what all compare with."""
    return any(artist.get_gid() == REFERENCE for artist in ax.get_children())


def next_color(ax: Axes) -> str:
    """The first colour of the cycle that no display has used on these axes."""
    used, cycle = {line.get_color() for line in ax.get_lines()}, Palette.of(ax).cycle
    return next((color for color in cycle if color not in used), cycle[0])


def legend_above(ax: Axes, top: float) -> Legend | None:
    """A legend in room of its own: the vertical axis ends above ``top`` by as much as it needs."""
    handles, _ = ax.get_legend_handles_labels()
    bottom, _ = ax.get_ylim()
    if not handles:
        ax.set_ylim(bottom, top)
        return None
    frame = ax.get_window_extent()
    for n_columns in range(min(len(handles), 4), 0, -1):
        across = [handle for first in range(n_columns) for handle in handles[first::n_columns]]
        legend = ax.legend(
            handles=across, loc="upper center", ncols=n_columns, borderaxespad=0.0, columnspacing=1.2,
            handlelength=1.6, **Palette.of(ax).legend,
        )  # fmt: skip
        if legend.get_window_extent().width <= frame.width:
            break
    legend.set_in_layout(False)  # a long name must not make the axes narrow
    share = min(legend.get_window_extent().height / frame.height, MOST_OF_THE_AXES)
    ax.set_ylim(bottom, bottom + (top - bottom) / (1.0 - share))
    return legend

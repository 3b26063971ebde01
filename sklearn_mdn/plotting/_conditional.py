"""Display of predicted densities side by side, along a feature or the rows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_mdn._distributions.checks import as_numbers, check_count, check_level_list
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.plotting._drawing import ORANGE, VERMILION, Palette, legend_above, options, prepare_axes
from sklearn_mdn.plotting._names import as_fitted, names_of
from sklearn_mdn.plotting._profile import feature_profile
from sklearn_mdn.plotting._rows import UnivariateRows, grid_of, one_target

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

VISIBLE_MODE = 0.05  # modes lower than this share of the highest one are not drawn
BAND_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
LINE_LEVELS = (0.05, 0.5, 0.95)
MAX_COLUMNS = 500  # densities side by side: about as many as a figure has pixels for
MAX_POINTS = 5000
RASTERIZED_POINTS = 1000
HALF_CATEGORY = 0.4  # half the width of what is drawn of a category, of a distance of 1 to the next
ZIGZAG = 1 / 3  # share of turning points: next to none in a smooth curve, 2/3 in random order (Bienaymé 1874)
VISIBLE_STEP = 0.02  # of the range of the quantiles
MIN_ORDERED = 12  # of fewer rows turning points say little
SUBTITLE_LINES = 3


class ConditionalDensityDisplay:
    """Predicted densities side by side, along one feature or along the rows.

    It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    x : array-like of shape (n,)
        Where each density stands.
    y_dist : MixtureDistribution or object with cdf, logpdf and ppf
        One distribution of a 1-d target for each x.
    x_points, y_points : array-like of shape (m,), default=None
        Observed values to draw.
    x_label, y_label : str, default=None
        What the axes show.
    categories : sequence of str, default=None
        What to write at x = 0, 1, ... where x counts the values of a feature that holds no numbers.
    fixed : dict, default=None
        What the other features are held at, by their names.

    Attributes
    ----------
    rows_ : ndarray of shape (m,)
        Which of the n densities are drawn, in the order of x: all up to 500, beyond that some that are spread
        evenly over the axis.
    y_grid_ : ndarray of shape (G,)
        Values of y at which the densities were computed.
    density_ : ndarray of shape (G, m)
        The densities that are drawn.
    heatmap_ : matplotlib.collections.QuadMesh or None
    bands_ : list of matplotlib artists
        Filled bands between pairs of quantiles, the widest first.
    lines_ : list of matplotlib.lines.Line2D
        Quantile lines.
    modes_, points_ : matplotlib.lines.Line2D or None
    subtitle_ : matplotlib.text.Annotation or None
        What the other features are held at, below the axis.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    DensityCurvesDisplay : The curves of single rows, with their components.
    DensityRidgeDisplay : The curves of many rows.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from sklearn_mdn import MDNRegressor
    >>> from sklearn_mdn.plotting import ConditionalDensityDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(200, 1))
    >>> y = np.sin(6 * X[:, 0]) + rng.normal(0, 0.1 + 0.2 * X[:, 0])
    >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
    >>> display = ConditionalDensityDisplay.from_estimator(model, X, y)
    >>> display.density_.shape
    (400, 200)
    >>> plt.close(display.figure_)
    """

    rows_: NDArray[np.intp]
    y_grid_: NDArray[np.float64]
    density_: NDArray[np.float64]
    heatmap_: QuadMesh | None
    bands_: list[Artist]
    lines_: list[Line2D]
    modes_: Line2D | None
    points_: Line2D | None
    subtitle_: Annotation | None
    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self,
        *,
        x: ArrayLike,
        y_dist: Any,
        x_points: ArrayLike | None = None,
        y_points: ArrayLike | None = None,
        x_label: str | None = None,
        y_label: str | None = None,
        categories: Sequence[str] | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self.x = x
        self.y_dist = y_dist
        self.x_points = x_points
        self.y_points = y_points
        self.x_label = x_label
        self.y_label = y_label
        self.categories = categories
        self.fixed = fixed

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        feature: int | str = 0,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        grid_resolution: int = 200,
        kind: Literal["heatmap", "bands"] = "heatmap",
        levels: ArrayLike | None = None,
        modes: bool = False,
        y_grid: ArrayLike | None = None,
        ax: Axes | None = None,
        heatmap_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        mode_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the densities that a fitted estimator predicts along one feature.

        Parameters
        ----------
        estimator : estimator
            Fitted; predicts densities, also from inside scikit-learn's wrappers.
        X : array-like of shape (n, n_features)
            Rows. The feature runs over its range in them, or through its values where it holds no numbers;
            the others stand at their medians, or at the most frequent value where they hold no numbers, and
            the picture says so.
        y : array-like of shape (n,) or (n, D), default=None
            Observed targets, drawn as points. With several features they belong to other values of the
            others than the densities do.
        feature : int or str, default=0
            Column of X; a name for a data frame.
        target : int or str, default=None
            Which of several targets to draw.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names that the estimator was fitted with, or else
            those of ``y``.
        grid_resolution : int, default=200
            Values of the feature, if it holds numbers.
        kind, levels, modes, y_grid, ax, heatmap_kw, band_kw, line_kw, mode_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ConditionalDensityDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have a value for each row, there is no such feature or target, the feature has
            more than 40 values that are no numbers, several targets are left to choose from, or another
            argument is not as described.
        TypeError
            If the estimator inside scikit-learn's wrappers predicts no densities, or modes are asked for of a
            transformed target.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import ConditionalDensityDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = ConditionalDensityDisplay.from_estimator(model, X, y, feature=2, kind="bands")
        >>> len(display.bands_)
        3
        >>> plt.close(display.figure_)
        """
        profile = feature_profile(X, feature, check_count(grid_resolution, "grid_resolution"))
        y, target_names = as_fitted(estimator, y, target_names)
        density = predict_distribution(estimator, profile.rows)
        drawn = one_target(y, density, target, target_names, n_observed=len(profile.x_points))
        display = cls(
            x=profile.x,
            y_dist=drawn.densities.y_dist,
            x_points=None if y is None else profile.x_points,
            y_points=drawn.y,
            x_label=profile.name,
            y_label=drawn.label,
            categories=profile.categories,
            fixed=profile.fixed,
        )
        return display.plot(
            ax,
            kind=kind,
            levels=levels,
            modes=modes,
            y_grid=y_grid,
            heatmap_kw=heatmap_kw,
            band_kw=band_kw,
            line_kw=line_kw,
            mode_kw=mode_kw,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        x: ArrayLike | None = None,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        kind: Literal["heatmap", "bands"] = "heatmap",
        levels: ArrayLike | None = None,
        modes: bool = False,
        y_grid: ArrayLike | None = None,
        ax: Axes | None = None,
        heatmap_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        mode_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw predicted densities along a variable, or along the rows.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D), or None
            Observed targets, drawn as points.
        y_dist : MixtureDistribution or object with cdf, logpdf and ppf
            One distribution a row.
        x : array-like of shape (n,), default=None
            What to put the rows in order by: a variable that the densities follow, such as the only feature.
            None takes the rows in the order of their medians.
        target : int or str, default=None
            Which of several targets to draw.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names of ``y_true``, a series or a data frame.
        kind, levels, modes, y_grid, ax, heatmap_kw, band_kw, line_kw, mode_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ConditionalDensityDisplay

        Raises
        ------
        ValueError
            If ``y_true`` or ``x`` does not have a value for each row, the densities go up and down along
            ``x`` as rows do that differ in other features too, there is no such target, several targets are
            left to choose from, or another argument is not as described.
        TypeError
            If ``y_dist`` is an array of draws, which have no density, or modes are asked for of something
            else than a mixture.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import ConditionalDensityDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = ConditionalDensityDisplay.from_predictions(y, normal, x=x, levels=[0.1, 0.9])
        >>> len(display.lines_)
        2
        >>> plt.close(display.figure_)
        """
        drawn = one_target(y_true, y_dist, target, target_names)
        if x is None:
            medians = drawn.densities.quantiles([0.5])[0]
            places = np.argsort(np.argsort(medians, kind="stable")).astype(np.float64)
            label = "rows, in the order of their predicted median"
        else:
            places, (label,) = _check_x(x, drawn.densities), names_of(x) or ("x",)
        display = cls(
            x=places,
            y_dist=drawn.densities.y_dist,
            x_points=None if drawn.y is None else places,
            y_points=drawn.y,
            x_label=label,
            y_label=drawn.label,
        )
        return display.plot(
            ax,
            kind=kind,
            levels=levels,
            modes=modes,
            y_grid=y_grid,
            heatmap_kw=heatmap_kw,
            band_kw=band_kw,
            line_kw=line_kw,
            mode_kw=mode_kw,
            scatter_kw=scatter_kw,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        kind: Literal["heatmap", "bands"] = "heatmap",
        levels: ArrayLike | None = None,
        modes: bool = False,
        y_grid: ArrayLike | None = None,
        heatmap_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
        mode_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure.
        kind : {"heatmap", "bands"}, default="heatmap"
            Shading by density, each column relative to its own highest value, or filled bands between
            quantiles.
        levels : array-like, default=None
            Levels of quantiles inside (0, 1): lines on the heat map (None: 0.05, 0.5, 0.95; an empty list
            draws none), edges of bands, paired from outside in, with a line in the middle (None: 0.025, 0.1,
            0.25, 0.5 and their mirror).
        modes : bool, default=False
            Whether to mark the modes of each density that are at least a twentieth as high as its highest.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at, at least two. None covers nearly everything.
        heatmap_kw, band_kw, line_kw, mode_kw, scatter_kw : dict, default=None
            Keyword arguments of the mesh, the bands, the quantile lines, the modes and the points.

        Returns
        -------
        display : ConditionalDensityDisplay

        Raises
        ------
        ValueError
            If ``kind`` is neither of the two, a level lies outside (0, 1), there are fewer than two for
            bands, or ``y_grid`` does not hold two values.
        TypeError
            If modes are asked for of something else than a mixture.

        Notes
        -----
        Of more than 5,000 observed values as many are drawn, and the legend says so. In vector graphics the
        shading, and points from 1,000 on, are an image.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import ConditionalDensityDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = ConditionalDensityDisplay(x=x, y_dist=normal).plot(heatmap_kw={"cmap": "Greys"})
        >>> display.density_.shape
        (400, 50)
        >>> plt.close(display.figure_)
        """
        shares = _check_kind(kind, levels)
        if modes and not isinstance(self.y_dist, PredictiveDistribution):
            raise TypeError(
                f"modes are found for a distribution of sklearn_mdn only, got {type(self.y_dist).__name__}."
            )
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        places = np.asarray(self.x, dtype=np.float64)
        self.rows_ = _drawn_rows(places)
        self._apart = self.categories is not None or len(self.rows_) == 1
        x, rows = places[self.rows_], UnivariateRows(self.y_dist).take(self.rows_)
        observed = None if self.y_points is None else np.asarray(self.y_points, dtype=np.float64)
        self.y_grid_ = grid_of(rows, observed, y_grid)
        self.density_ = rows.pdf(self.y_grid_)
        quantiles = rows.quantiles(shares)
        self.heatmap_, self.bands_, lines = None, [], slice(None)
        if kind == "heatmap":
            self.heatmap_ = self._draw_heatmap(ax, x, heatmap_kw)
        else:
            n_bands, middle = divmod(len(shares), 2)
            self.bands_ = self._draw_bands(ax, x, shares, quantiles, band_kw)
            lines = slice(n_bands, n_bands + middle)
        self.lines_ = self._draw_lines(ax, x, shares[lines], quantiles[lines], line_kw)
        self.modes_ = self._draw_modes(ax, x, rows.y_dist, mode_kw) if modes else None
        self.points_ = None if observed is None else self._draw_points(ax, observed, scatter_kw)
        self._set_axes(ax, x)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_heatmap(self, ax: Axes, x: NDArray[np.float64], heatmap_kw: dict[str, Any] | None) -> QuadMesh:
        highest = self.density_.max(axis=0)
        relative = self.density_ / np.where(highest > 0, highest, 1.0)
        # The deepest colours are left out so that lines and points stand out against the shading.
        drawn = options(
            heatmap_kw,
            cmap=Palette.of(ax).colormap(),
            vmin=0.0,
            vmax=1.35,
            shading="nearest",
            rasterized=True,
        )
        ax.grid(False)  # of which the shading would leave pieces
        if not self._apart:
            return ax.pcolormesh(x, self.y_grid_, relative, **drawn)
        middle = 0.5 * (self.y_grid_[1:] + self.y_grid_[:-1])
        between = np.full((len(relative), 2 * len(x) - 1), np.nan)
        between[:, ::2] = relative
        edges = (x[:, None] + [-HALF_CATEGORY, HALF_CATEGORY]).ravel()
        return ax.pcolormesh(
            edges, [self.y_grid_[0], *middle, self.y_grid_[-1]], between, **drawn | {"shading": "flat"}
        )

    def _draw_lines(
        self,
        ax: Axes,
        x: NDArray[np.float64],
        levels: NDArray[np.float64],
        quantiles: NDArray[np.float64],
        line_kw: dict[str, Any] | None,
    ) -> list[Line2D]:
        lines = []
        for level, values in zip(levels, quantiles, strict=True):
            style, label = ("-", "median") if level == 0.5 else ("--", f"{level:.3g} quantile")
            drawn = options(line_kw, color=VERMILION, linestyle=style, linewidth=1.3, label=label)
            lines += ax.plot(*self._stretch(x, values), **drawn)
        return lines

    def _draw_bands(
        self,
        ax: Axes,
        x: NDArray[np.float64],
        levels: NDArray[np.float64],
        quantiles: NDArray[np.float64],
        band_kw: dict[str, Any] | None,
    ) -> list[Artist]:
        bands: list[Artist] = []
        for i, shade in enumerate(Palette.of(ax).shades(len(levels) // 2)):
            low, high = levels[i], levels[-1 - i]
            central = np.isclose(low + high, 1.0)
            label = f"central {100 * (high - low):.4g}%" if central else f"{low:.3g} to {high:.3g}"
            drawn = options(band_kw, color=shade, linewidth=0, label=label)
            along, bounds = self._stretch(x, quantiles[[i, -1 - i]])
            bands.append(ax.fill_between(along, *bounds, **drawn))
        return bands

    def _stretch(
        self, x: NDArray[np.float64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Curves as they are; of categories and of one row, a level stretch for each, with gaps between."""
        if not self._apart:
            return x, values
        stretch = x[:, None] + [-HALF_CATEGORY, HALF_CATEGORY, np.nan]
        levels = np.repeat(values, 3, axis=-1)
        levels[..., 2::3] = np.nan
        return stretch.ravel(), levels

    def _draw_modes(
        self, ax: Axes, x: NDArray[np.float64], y_dist: PredictiveDistribution, mode_kw: dict[str, Any] | None
    ) -> Line2D:
        modes: NDArray[np.float64] = y_dist.modes()
        heights = np.exp(y_dist.logpdf(np.where(np.isnan(modes), 0.0, modes).T)).T
        heights = np.where(np.isnan(modes), 0.0, heights)
        seen = heights > VISIBLE_MODE * heights.max(axis=1, keepdims=True)
        drawn = options(
            mode_kw,
            marker="o",
            linestyle="none",
            color=ORANGE,
            markersize=2.5,
            markeredgewidth=0,
            label="modes",
        )
        return ax.plot(np.broadcast_to(x[:, None], modes.shape)[seen], modes[seen], **drawn)[0]

    def _draw_points(
        self, ax: Axes, observed: NDArray[np.float64], scatter_kw: dict[str, Any] | None
    ) -> Line2D:
        x, y, label = np.asarray(self.x_points, dtype=np.float64), observed, "observed"
        if self.categories is not None:
            x = x + np.random.default_rng(0).uniform(-0.6, 0.6, len(x)) * HALF_CATEGORY
        if len(y) > MAX_POINTS:
            some = np.linspace(0, len(y) - 1, MAX_POINTS).round().astype(np.intp)
            x, y, label = x[some], y[some], f"{MAX_POINTS:,} of {len(y):,} observed"
        drawn = options(
            scatter_kw, marker="o", linestyle="none", color=Palette.of(ax).ink, alpha=0.45,
            markersize=3.0 if len(y) < 500 else 1.5, markeredgewidth=0, label=label, zorder=2.5,
            rasterized=len(y) > RASTERIZED_POINTS,
        )  # fmt: skip
        return ax.plot(x, y, **drawn)[0]

    def _set_axes(self, ax: Axes, x: NDArray[np.float64]) -> None:
        ax.set(ylim=(self.y_grid_[0], self.y_grid_[-1]), xlabel=self.x_label, ylabel=self.y_label)
        ax.set_xlim(x[0] - 0.5 * self._apart, x[-1] + 0.5 * self._apart)
        if self._apart:
            ax.set_xticks(x, self.categories)
        self.subtitle_ = None
        if self.fixed:
            self.subtitle_ = ax.annotate(
                _held_at(self.fixed, _characters(ax)), (0.5, 0.0), xycoords=ax.xaxis.label, xytext=(0, -2),
                textcoords="offset points", ha="center", va="top", fontsize="x-small",
                color=Palette.of(ax).grey,
            )  # fmt: skip
        legend_above(ax, self.y_grid_[-1])


def _check_kind(kind: object, levels: ArrayLike | None) -> NDArray[np.float64]:
    """Levels of the quantiles to draw, rising."""
    if kind not in ("heatmap", "bands"):
        raise ValueError(f"kind must be 'heatmap' or 'bands', got {kind!r}.")
    if levels is None:
        return np.array(LINE_LEVELS if kind == "heatmap" else BAND_LEVELS)
    return np.unique(check_level_list(levels, "levels", at_least=0 if kind == "heatmap" else 2))


def _check_x(x: ArrayLike, densities: UnivariateRows) -> NDArray[np.float64]:
    """Places of the rows, along which their densities must not go up and down like rows in any order."""
    flat = column_or_1d(as_numbers(x, "x"), input_name="x")
    places: NDArray[np.float64] = check_array(flat, ensure_2d=False, dtype=np.float64, input_name="x")
    lower, medians, upper = densities.quantiles([0.05, 0.5, 0.95])
    check_consistent_length(places, medians)
    if len(places) > 1 and np.ptp(places) == 0:
        raise ValueError(
            f"x must hold different values for the rows to stand at, got nothing but {places[0]}."
        )
    steps = np.diff(medians[np.argsort(places, kind="stable")])
    visible = VISIBLE_STEP * (np.quantile(upper, 0.95) - np.quantile(lower, 0.05))
    steps = np.where(np.abs(steps) > visible, steps, 0.0)
    turns = steps[1:] * steps[:-1] < 0
    if len(places) >= MIN_ORDERED and turns.mean() > ZIGZAG:
        raise ValueError(
            "x must be a variable that the densities follow, but their medians go up and down along it: "
            f"{turns.mean():.0%} of the rows are turning points. Rows that are neighbours in one of several "
            "features differ in the others. ConditionalDensityDisplay.from_estimator varies one feature and "
            "holds the others fixed; x=None takes the rows in the order of their medians."
        )
    return places


def _drawn_rows(x: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows in the order of x; of too many for a picture, the first in each of many intervals."""
    order = np.argsort(x, kind="stable")
    first, last = x[order[0]], x[order[-1]]
    if first == last:
        return order[:1]
    if len(x) <= MAX_COLUMNS:
        return order
    interval = np.floor((x[order] - first) / (last - first) * (MAX_COLUMNS - 1))
    return order[np.unique(interval, return_index=True)[1]]


def _characters(ax: Axes) -> int:
    """About how many of the smallest letters stand below the axes."""
    return int(ax.get_window_extent().width / ax.figure.dpi * 72 / 3.6)


def _held_at(fixed: Mapping[str, Any], width: int) -> str:
    """A few lines that say what the other features are held at."""
    # Names and values do not break inside.
    pairs = [f"{name} = {_short(value)}".replace(" ", "\N{NO-BREAK SPACE}") for name, value in fixed.items()]
    for n_named in range(min(len(pairs), width), 0, -1):
        rest = f" and {len(pairs) - n_named} more" * (n_named < len(pairs))
        lines = textwrap.wrap(
            f"held fixed: {', '.join(pairs[:n_named])}{rest}", width, break_long_words=False
        )
        if len(lines) <= SUBTITLE_LINES:
            break
    return "\n".join(lines)


def _short(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return f"{value:.3g}"
    text = str(value)
    return text if len(text) <= 20 else f"{text[:19]}…"

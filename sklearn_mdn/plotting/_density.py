"""Display of predicted densities side by side, along a feature or the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_mdn._distributions.checks import check_count, check_index, check_level_list
from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.transformed import TransformedDensity, predict_density
from sklearn_mdn.metrics._forecast import DrawsForecast, MixtureForecast, as_forecast
from sklearn_mdn.plotting._drawing import BLACK, ORANGE, VERMILION, options, prepare_axes
from sklearn_mdn.plotting._profile import feature_profile

N_GRID = 400
SHOWN = 0.995  # probability of the central intervals that a range of y is made to show
VISIBLE_MODE = 0.05  # modes lower than this share of the highest one are not drawn
BAND_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
LINE_LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class UnivariateRows:
    """Densities of one target in n rows, of a mixture or of an object with cdf, logpdf and ppf."""

    y_dist: object
    n_rows: int

    def pdf(self, grid: np.ndarray) -> np.ndarray:
        """Densities (G, n) on a common grid."""
        return np.exp(np.asarray(self.y_dist.logpdf(np.repeat(grid[:, None], self.n_rows, axis=1))))

    def quantiles(self, levels) -> np.ndarray:
        """Quantiles (Q, n)."""
        return np.asarray(self.y_dist.ppf(np.reshape(levels, (-1, 1)))) + np.zeros((1, self.n_rows))


def univariate_rows(y_dist, target) -> UnivariateRows:
    """The distribution of one target, as the displays need it."""
    forecast = as_forecast(y_dist)
    shape = forecast.shape
    if isinstance(forecast, DrawsForecast):
        raise TypeError("y_dist must have densities to draw, got an array of draws.")
    if isinstance(forecast, MixtureForecast) and len(shape) == 2:
        target = 0 if target is None and shape[1] == 1 else target
        if target is None:
            raise ValueError(f"target must say which of the {shape[1]} targets to draw, got None.")
        y_dist = y_dist.marginal(check_index(target, shape[1], "target"))
    elif len(shape) != 1:
        raise ValueError(f"y_dist must hold one univariate distribution a row, got the shape {shape}.")
    return UnivariateRows(y_dist, shape[0])


def check_observed(y_true, n_rows: int, target) -> np.ndarray | None:
    """Observed values (n,) of the target that is drawn."""
    if y_true is None:
        return None
    y = check_array(y_true, ensure_2d=False, dtype=np.float64, input_name="y_true")
    if y.ndim == 2:
        y = y[:, check_index(0 if target is None and y.shape[1] == 1 else target, y.shape[1], "target")]
    if y.shape != (n_rows,):
        raise ValueError(
            f"y_true must hold one value for each of the {n_rows} rows, got the shape {y.shape}."
        )
    return y


def grid_of(rows: UnivariateRows, y, y_grid) -> np.ndarray:
    """The values of y that were asked for, or else those that ``range_of`` chooses."""
    if y_grid is None:
        return range_of(rows, y)
    return check_array(y_grid, ensure_2d=False, dtype=np.float64, input_name="y_grid")


def range_of(rows: UnivariateRows, y) -> np.ndarray:
    """A grid of values that shows nearly all of nearly every density, and nearly every observed value."""
    low, high = rows.quantiles([0.5 - SHOWN / 2, 0.5 + SHOWN / 2])
    low, high = np.quantile(low, 0.02), np.quantile(high, 0.98)
    if y is not None:
        low, high = min(low, np.quantile(y, 0.01)), max(high, np.quantile(y, 0.99))
    # Behind a transform of the target there may be nothing beyond what it maps to.
    margin = 0.0 if isinstance(rows.y_dist, TransformedDensity) else 0.03 * (high - low)
    return np.linspace(low - margin, high + margin, N_GRID)


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

    Attributes
    ----------
    y_grid_ : ndarray of shape (G,)
        Values of y at which the densities were computed.
    density_ : ndarray of shape (G, n)
        The densities.
    heatmap_ : matplotlib QuadMesh or None
    bands_ : list of matplotlib artists
        Filled bands between pairs of quantiles, the widest first.
    lines_ : list of matplotlib Line2D
        Quantile lines.
    modes_, points_ : matplotlib Line2D or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

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

    def __init__(self, *, x, y_dist, x_points=None, y_points=None, x_label=None, y_label=None):
        self.x = x
        self.y_dist = y_dist
        self.x_points = x_points
        self.y_points = y_points
        self.x_label = x_label
        self.y_label = y_label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        feature=0,
        target=None,
        grid_resolution=200,
        kind="heatmap",
        levels=None,
        modes=False,
        y_grid=None,
        ax=None,
    ):
        """Draw the densities that a fitted estimator predicts along one feature.

        Parameters
        ----------
        estimator : estimator
            Fitted; predicts densities, also from inside scikit-learn's wrappers.
        X : array-like of shape (n, n_features)
            Rows. The feature runs over its range in them; the others stand at their medians (at the most
            frequent value where a data frame's column holds no numbers).
        y : array-like of shape (n,) or (n, D), default=None
            Observed targets, drawn as points. With several features they belong to other values of the
            others than the densities do.
        feature : int or str, default=0
            Column of X; a name for a data frame.
        target : int, default=None
            Which of several targets to draw.
        grid_resolution : int, default=200
            Values of the feature.
        kind : {"heatmap", "bands"}, default="heatmap"
            Shading by density, or filled bands between quantiles.
        levels : array-like, default=None
            Levels of quantiles inside (0, 1): lines on the heat map (None: 0.05, 0.5, 0.95), edges of bands,
            paired from outside in, with a line in the middle (None: 0.025, 0.1, 0.25, 0.5 and their mirror).
        modes : bool, default=False
            Whether to mark the modes of each density.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : ConditionalDensityDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have a value for each row, there is no such feature or target, several targets
            are left to choose from, or another argument is not as described.
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
        check_count(grid_resolution, "grid_resolution")
        profile, values, name = feature_profile(X, feature, grid_resolution)
        x = np.linspace(np.nanmin(values), np.nanmax(values), grid_resolution)
        display = cls(
            x=x,
            y_dist=univariate_rows(predict_density(estimator, profile), target).y_dist,
            x_points=None if y is None else values,
            y_points=check_observed(y, len(values), target),
            x_label=name,
            y_label="y" if target is None else f"target {target}",
        )
        return display.plot(ax, kind=kind, levels=levels, modes=modes, y_grid=y_grid)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_dist,
        *,
        x=None,
        target=None,
        kind="heatmap",
        levels=None,
        modes=False,
        y_grid=None,
        ax=None,
    ):
        """Draw predicted densities along a variable, or along the rows.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D), or None
            Observed targets, drawn as points.
        y_dist : MixtureDistribution or object with cdf, logpdf and ppf
            One distribution a row.
        x : array-like of shape (n,), default=None
            What to put the rows in order by. None takes the rows in the order of their medians.
        target : int, default=None
            Which of several targets to draw.
        kind : {"heatmap", "bands"}, default="heatmap"
            Shading by density, or filled bands between quantiles.
        levels : array-like, default=None
            As in :meth:`from_estimator`.
        modes : bool, default=False
            Whether to mark the modes of each density.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : ConditionalDensityDisplay

        Raises
        ------
        ValueError
            If ``y_true`` or ``x`` does not have a value for each row, there is no such target, several
            targets are left to choose from, or another argument is not as described.
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
        rows = univariate_rows(y_dist, target)
        y = check_observed(y_true, rows.n_rows, target)
        if x is None:
            order = np.argsort(rows.quantiles([0.5])[0], kind="stable")
            x, label = np.argsort(order), "rows, in the order of their predicted median"
        else:
            x = check_array(
                column_or_1d(x, input_name="x"), ensure_2d=False, dtype=np.float64, input_name="x"
            )
            check_consistent_length(x, np.empty(rows.n_rows))
            label = "x"
        display = cls(
            x=x,
            y_dist=rows.y_dist,
            x_points=None if y is None else x,
            y_points=y,
            x_label=label,
            y_label="y" if target is None else f"target {target}",
        )
        return display.plot(ax, kind=kind, levels=levels, modes=modes, y_grid=y_grid)

    def plot(
        self,
        ax=None,
        *,
        kind="heatmap",
        levels=None,
        modes=False,
        y_grid=None,
        heatmap_kw=None,
        band_kw=None,
        line_kw=None,
        scatter_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        kind : {"heatmap", "bands"}, default="heatmap"
            Shading by density, each column relative to its own highest value, or filled bands between
            quantiles.
        levels : array-like, default=None
            As in :meth:`from_estimator`.
        modes : bool, default=False
            Whether to mark the modes of each density that are at least a twentieth as high as its highest.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        heatmap_kw, band_kw, line_kw, scatter_kw : dict, default=None
            Keyword arguments of the mesh, the bands, the quantile lines and the points.

        Returns
        -------
        display : ConditionalDensityDisplay

        Raises
        ------
        ValueError
            If ``kind`` is neither of the two or a level lies outside (0, 1).
        TypeError
            If modes are asked for of something else than a mixture.

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
        if kind not in ("heatmap", "bands"):
            raise ValueError(f"kind must be 'heatmap' or 'bands', got {kind!r}.")
        if modes and not isinstance(self.y_dist, MixtureDistribution):
            raise TypeError(
                f"modes are found for a MixtureDistribution only, got {type(self.y_dist).__name__}."
            )
        default = LINE_LEVELS if kind == "heatmap" else BAND_LEVELS
        levels = np.sort(check_level_list(default if levels is None else levels, "levels", at_least=0))
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        rows = UnivariateRows(self.y_dist, len(self.x))
        self.y_grid_ = grid_of(rows, self.y_points, y_grid)
        self.density_ = rows.pdf(self.y_grid_)
        order = np.argsort(self.x, kind="stable")
        x, quantiles = np.asarray(self.x)[order], rows.quantiles(levels)[:, order]
        self.heatmap_, self.bands_ = None, []
        if kind == "heatmap":
            self.heatmap_ = self._draw_heatmap(ax, x, self.density_[:, order], heatmap_kw)
            self.lines_ = self._draw_lines(ax, x, levels, quantiles, line_kw)
        else:
            n_bands, middle = divmod(len(levels), 2)
            self.bands_ = self._draw_bands(ax, x, levels, quantiles, band_kw)
            inner = slice(n_bands, n_bands + middle)
            self.lines_ = self._draw_lines(ax, x, levels[inner], quantiles[inner], line_kw)
        self.modes_ = self._draw_modes(ax) if modes else None
        self.points_ = self._draw_points(ax, scatter_kw)
        ax.set(ylim=(self.y_grid_[0], self.y_grid_[-1]), xlabel=self.x_label, ylabel=self.y_label)
        if x[0] < x[-1]:
            ax.set_xlim(x[0], x[-1])
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="best", fontsize="small", framealpha=0.85, edgecolor="none")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_heatmap(self, ax, x, density, heatmap_kw):
        highest = density.max(axis=0)
        relative = density / np.where(highest > 0, highest, 1.0)
        # The deepest colours are left out so that lines and points stand out against the shading.
        drawn = options(heatmap_kw, cmap="Blues", vmin=0.0, vmax=1.35, shading="nearest", rasterized=True)
        return ax.pcolormesh(x, self.y_grid_, relative, **drawn)

    def _draw_lines(self, ax, x, levels, quantiles, line_kw):
        lines = []
        for level, values in zip(levels, quantiles, strict=True):
            style, label = ("-", "median") if level == 0.5 else ("--", f"{level:.3g} quantile")
            drawn = options(line_kw, color=VERMILION, linestyle=style, linewidth=1.3, label=label)
            lines += ax.plot(x, values, **drawn)
        return lines

    def _draw_bands(self, ax, x, levels, quantiles, band_kw):
        from matplotlib import colormaps

        bands, shades = [], colormaps["Blues"](np.linspace(0.2, 0.6, len(levels) // 2))
        for i, shade in enumerate(shades):
            low, high = levels[i], levels[-1 - i]
            central = np.isclose(low + high, 1.0)
            label = f"central {100 * (high - low):.4g}%" if central else f"{low:.3g} to {high:.3g}"
            drawn = options(band_kw, color=shade, linewidth=0, label=label)
            bands.append(ax.fill_between(x, quantiles[i], quantiles[-1 - i], **drawn))
        return bands

    def _draw_modes(self, ax):
        modes = self.y_dist.modes()
        heights = np.exp(self.y_dist.logpdf(np.where(np.isnan(modes), 0.0, modes).T)).T
        heights = np.where(np.isnan(modes), 0.0, heights)
        seen = heights > VISIBLE_MODE * heights.max(axis=1, keepdims=True)
        x = np.broadcast_to(np.asarray(self.x)[:, None], modes.shape)
        return ax.plot(x[seen], modes[seen], ".", color=ORANGE, markersize=2.5, label="modes")[0]

    def _draw_points(self, ax, scatter_kw):
        if self.y_points is None:
            return None
        size = 3.0 if len(self.y_points) < 500 else 1.5
        drawn = options(
            scatter_kw, marker="o", linestyle="none", color=BLACK, alpha=0.45, markersize=size,
            markeredgewidth=0, label="observed", zorder=2.5,
        )  # fmt: skip
        return ax.plot(self.x_points, self.y_points, **drawn)[0]

"""Displays of the predicted densities of chosen rows: curves with components, and ridges."""

from __future__ import annotations

import numpy as np

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.transformed import predict_density
from sklearn_mdn.plotting._density import UnivariateRows, check_observed, grid_of, univariate_rows
from sklearn_mdn.plotting._drawing import BLUE, CYCLE, GREY, SKY, VERMILION, options, prepare_axes

VISIBLE_COMPONENT = 0.02  # components lower than this share of the highest one are not drawn


def check_rows(rows, medians: np.ndarray, n_default: int) -> np.ndarray:
    """Indices of rows; by default some that are spread evenly over the order of the medians."""
    n_rows = len(medians)
    if rows is None:
        n_default = min(n_default, n_rows)
        places = np.round((np.arange(n_default) + 0.5) / n_default * n_rows - 0.5).astype(int)
        return np.argsort(medians, kind="stable")[places]
    chosen = np.atleast_1d(np.asarray(rows))
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not len(chosen):
        raise ValueError(f"rows must be an index of a row or a list of them, got {rows!r}.")
    if (chosen < -n_rows).any() or (chosen >= n_rows).any():
        raise ValueError(f"rows must lie between {-n_rows} and {n_rows - 1}, got {rows!r}.")
    return chosen % n_rows


class DensityCurvesDisplay:
    """The predicted densities of a few rows as curves over the target, with their components.

    It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    y_dist : MixtureDistribution or object with cdf, logpdf and ppf
        One distribution of a 1-d target for each of n rows.
    rows : array-like of int
        Which rows to draw.
    y_points : array-like of shape (n,), default=None
        Observed values of all n rows.
    y_label : str, default=None
        What the target is called.

    Attributes
    ----------
    y_grid_ : ndarray of shape (G,)
        Values of y at which the densities were computed.
    lines_ : list of matplotlib Line2D
        A curve for each row.
    component_lines_ : list of lists of matplotlib Line2D
        The weighted components of each row, those that can be seen; empty for other distributions
        than mixtures.
    points_ : list of matplotlib Line2D
        The observed value of each row.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn_mdn import MixtureDistribution
    >>> from sklearn_mdn.plotting import DensityCurvesDisplay
    >>> distribution = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
    >>> display = DensityCurvesDisplay.from_predictions([1.5], distribution)
    >>> len(display.lines_), len(display.component_lines_[0])
    (1, 2)
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, y_dist, rows, y_points=None, y_label=None):
        self.y_dist = y_dist
        self.rows = rows
        self.y_points = y_points
        self.y_label = y_label

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, rows=None, target=None, components=True, y_grid=None, ax=None
    ):
        """Draw the densities that a fitted estimator predicts for some rows.

        Parameters
        ----------
        estimator : estimator
            Fitted; predicts densities, also from inside scikit-learn's wrappers.
        X : array-like of shape (n, n_features)
            Rows.
        y : array-like of shape (n,) or (n, D), default=None
            Observed targets, marked on the curves.
        rows : int or array-like of int, default=None
            Which rows to draw. None takes three, spread over the order of the medians.
        target : int, default=None
            Which of several targets to draw.
        components : bool, default=True
            Whether to draw the weighted components of mixtures.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : DensityCurvesDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have a value for each row, there is no such row or target, or several targets
            are left to choose from.
        TypeError
            If the estimator inside scikit-learn's wrappers predicts no densities.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import DensityCurvesDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = DensityCurvesDisplay.from_estimator(model, X, y, rows=[0, 1])
        >>> len(display.lines_)
        2
        >>> plt.close(display.figure_)
        """
        return cls.from_predictions(
            y,
            predict_density(estimator, X),
            rows=rows,
            target=target,
            components=components,
            y_grid=y_grid,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_dist, *, rows=None, target=None, components=True, y_grid=None, ax=None
    ):
        """Draw predicted densities of some rows.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D), or None
            Observed targets, marked on the curves.
        y_dist : MixtureDistribution or object with cdf, logpdf and ppf
            One distribution a row.
        rows : int or array-like of int, default=None
            Which rows to draw. None takes three, spread over the order of the medians.
        target : int, default=None
            Which of several targets to draw.
        components : bool, default=True
            Whether to draw the weighted components of mixtures.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : DensityCurvesDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have a value for each row, there is no such row or target, or several
            targets are left to choose from.
        TypeError
            If ``y_dist`` is an array of draws, which have no density.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import DensityCurvesDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = DensityCurvesDisplay.from_predictions(y, normal)
        >>> len(display.lines_)
        3
        >>> plt.close(display.figure_)
        """
        densities = univariate_rows(y_dist, target)
        display = cls(
            y_dist=densities.y_dist,
            rows=check_rows(rows, densities.quantiles([0.5])[0], 3),
            y_points=check_observed(y_true, densities.n_rows, target),
            y_label="y" if target is None else f"target {target}",
        )
        return display.plot(ax, components=components, y_grid=y_grid)

    def plot(
        self, ax=None, *, components=True, y_grid=None, line_kw=None, component_kw=None, scatter_kw=None
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        components : bool, default=True
            Whether to draw the weighted components of mixtures.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        line_kw, component_kw, scatter_kw : dict, default=None
            Keyword arguments of the curves, the components and the marks of the observed values.

        Returns
        -------
        display : DensityCurvesDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import DensityCurvesDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = DensityCurvesDisplay(y_dist=normal, rows=[0, 49]).plot(y_grid=np.linspace(-3, 5, 100))
        >>> display.y_grid_.shape
        (100,)
        >>> plt.close(display.figure_)
        """
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        chosen = np.asarray(self.rows)
        shown = shown_rows(self.y_dist, chosen)
        observed = None if self.y_points is None else np.asarray(self.y_points)[chosen]
        self.y_grid_ = grid_of(shown, observed, y_grid)
        heights = shown.pdf(self.y_grid_)
        self.lines_, self.component_lines_, self.points_ = [], [], []
        for j, row in enumerate(chosen):
            drawn = options(line_kw, color=CYCLE[j % len(CYCLE)], linewidth=1.8, label=f"row {row}")
            self.lines_ += ax.plot(self.y_grid_, heights[:, j], **drawn)
            self.component_lines_.append(
                self._draw_components(ax, row, drawn["color"], component_kw) if components else []
            )
            if observed is not None:
                height = np.interp(observed[j], self.y_grid_, heights[:, j])
                marked = options(
                    scatter_kw,
                    marker="o",
                    color=drawn["color"],
                    markeredgecolor="white",
                    markersize=7,
                    zorder=3,
                )
                self.points_ += ax.plot(observed[j], height, **marked)
        if self.points_:
            ax.plot([], [], "o", color=GREY, markeredgecolor="white", markersize=7, label="observed")
        if any(self.component_lines_):
            ax.plot([], [], color=GREY, linestyle=":", linewidth=1.2, label="components")
        ax.set(xlim=(self.y_grid_[0], self.y_grid_[-1]), xlabel=self.y_label, ylabel="density")
        ax.set_ylim(bottom=0)
        ax.legend(loc="best", fontsize="small", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_components(self, ax, row, color, component_kw):
        if not isinstance(self.y_dist, MixtureDistribution):
            return []
        lines = []
        curves = [
            weight * part.pdf(self.y_grid_[:, None])[:, 0]
            for weight, part in weighted_components(self.y_dist[int(row)])
        ]
        highest = max(curve.max() for curve in curves)
        for curve in curves:
            if curve.max() >= VISIBLE_COMPONENT * highest:
                drawn = options(component_kw, color=color, linestyle=":", linewidth=1.1)
                lines += ax.plot(self.y_grid_, curve, **drawn)
        return lines


def shown_rows(y_dist, chosen: np.ndarray) -> UnivariateRows:
    """Only some of the rows; of an object that cannot be indexed, the others are computed and left out."""
    if isinstance(y_dist, MixtureDistribution):
        return UnivariateRows(y_dist[chosen], len(chosen))
    return UnivariateRows(_Rows(y_dist, chosen), len(chosen))


class _Rows:
    """Some rows of a distribution that has methods only."""

    def __init__(self, y_dist, chosen: np.ndarray):
        self._y_dist = y_dist
        self._chosen = chosen
        self._n_rows = univariate_rows(y_dist, None).n_rows

    def logpdf(self, y):
        everywhere = np.zeros((len(y), self._n_rows)) + np.asarray(y)[:, :1]
        return np.asarray(self._y_dist.logpdf(everywhere))[:, self._chosen]

    def ppf(self, q):
        return np.asarray(self._y_dist.ppf(q))[:, self._chosen]


def weighted_components(row: MixtureDistribution):
    """Weight and density of each component of one row that has any weight."""
    weights, means, variances = row.weights[0], row.means[0], row.covariances[0]
    for weight, mean, variance in zip(weights, means, variances, strict=True):
        if weight > 0:
            yield weight, MixtureDistribution([[1.0]], [[mean]], [[variance]])


class DensityRidgeDisplay:
    """The predicted densities of many rows, one above the other.

    It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    y_dist : MixtureDistribution or object with cdf, logpdf and ppf
        One distribution of a 1-d target for each of n rows.
    rows : array-like of int
        Which rows to draw, from the top down.
    y_points : array-like of shape (n,), default=None
        Observed values of all n rows.
    y_label : str, default=None
        What the target is called.

    Attributes
    ----------
    y_grid_ : ndarray of shape (G,)
        Values of y at which the densities were computed.
    density_ : ndarray of shape (G, len(rows))
        The densities.
    ridges_ : list of matplotlib artists
        The filled curve of each row.
    points_ : matplotlib Line2D or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.plotting import DensityRidgeDisplay
    >>> normal = norm(np.linspace(0, 5, 40), 1.0)
    >>> display = DensityRidgeDisplay.from_predictions(normal.mean(), normal)
    >>> len(display.ridges_)
    10
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, y_dist, rows, y_points=None, y_label=None):
        self.y_dist = y_dist
        self.rows = rows
        self.y_points = y_points
        self.y_label = y_label

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, rows=None, target=None, overlap=1.0, y_grid=None, ax=None
    ):
        """Draw the densities that a fitted estimator predicts for some rows.

        Parameters
        ----------
        estimator : estimator
            Fitted; predicts densities, also from inside scikit-learn's wrappers.
        X : array-like of shape (n, n_features)
            Rows.
        y : array-like of shape (n,) or (n, D), default=None
            Observed targets, marked on the ridges.
        rows : int or array-like of int, default=None
            Which rows to draw, from the top down. None takes ten, spread over the order of the medians.
        target : int, default=None
            Which of several targets to draw.
        overlap : float, default=1.0
            How far the highest ridge reaches into the one above, in units of their distance.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : DensityRidgeDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have a value for each row, there is no such row or target, or several targets
            are left to choose from.
        TypeError
            If the estimator inside scikit-learn's wrappers predicts no densities.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import DensityRidgeDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = DensityRidgeDisplay.from_estimator(model, X, rows=[0, 1, 2])
        >>> len(display.ridges_)
        3
        >>> plt.close(display.figure_)
        """
        return cls.from_predictions(
            y, predict_density(estimator, X), rows=rows, target=target, overlap=overlap, y_grid=y_grid, ax=ax
        )

    @classmethod
    def from_predictions(cls, y_true, y_dist, *, rows=None, target=None, overlap=1.0, y_grid=None, ax=None):
        """Draw predicted densities of some rows.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D), or None
            Observed targets, marked on the ridges.
        y_dist : MixtureDistribution or object with cdf, logpdf and ppf
            One distribution a row.
        rows : int or array-like of int, default=None
            Which rows to draw, from the top down. None takes ten, spread over the order of the medians.
        target : int, default=None
            Which of several targets to draw.
        overlap : float, default=1.0
            How far the highest ridge reaches into the one above, in units of their distance.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : DensityRidgeDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have a value for each row, there is no such row or target, or several
            targets are left to choose from.
        TypeError
            If ``y_dist`` is an array of draws, which have no density.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import DensityRidgeDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = DensityRidgeDisplay.from_predictions(y, normal)
        >>> len(display.ridges_)
        10
        >>> plt.close(display.figure_)
        """
        densities = univariate_rows(y_dist, target)
        display = cls(
            y_dist=densities.y_dist,
            rows=check_rows(rows, densities.quantiles([0.5])[0], 10),
            y_points=check_observed(y_true, densities.n_rows, target),
            y_label="y" if target is None else f"target {target}",
        )
        return display.plot(ax, overlap=overlap, y_grid=y_grid)

    def plot(self, ax=None, *, overlap=1.0, y_grid=None, ridge_kw=None, scatter_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        overlap : float, default=1.0
            How far the highest ridge reaches into the one above, in units of their distance.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at. None covers nearly everything.
        ridge_kw, scatter_kw : dict, default=None
            Keyword arguments of the filled curves and of the marks of the observed values.

        Returns
        -------
        display : DensityRidgeDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import DensityRidgeDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = DensityRidgeDisplay(y_dist=normal, rows=[0, 25, 49]).plot(overlap=0.5)
        >>> display.density_.shape
        (400, 3)
        >>> plt.close(display.figure_)
        """
        chosen = np.asarray(self.rows)
        shown = shown_rows(self.y_dist, chosen)
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(5.2, 1.2 + 0.32 * len(chosen)))
        observed = None if self.y_points is None else np.asarray(self.y_points)[chosen]
        self.y_grid_ = grid_of(shown, observed, y_grid)
        self.density_ = shown.pdf(self.y_grid_)
        heights = (1.0 + overlap) * self.density_ / self.density_.max()
        floors = -np.arange(len(chosen), dtype=np.float64)
        self.ridges_ = []
        for j, floor in enumerate(floors):
            drawn = options(
                ridge_kw, facecolor=SKY, edgecolor=BLUE, alpha=0.85, linewidth=1.0, zorder=2 + 0.01 * j
            )
            self.ridges_.append(ax.fill_between(self.y_grid_, floor, floor + heights[:, j], **drawn))
        self.points_ = None
        if observed is not None:
            marked = options(
                scatter_kw,
                marker="o",
                linestyle="none",
                color=VERMILION,
                markeredgecolor="white",
                label="observed",
            )
            (self.points_,) = ax.plot(observed, floors, zorder=4, clip_on=False, **marked)
            ax.legend(loc="best", fontsize="small", frameon=False)
        highest = (floors + heights.max(axis=0)).max()
        ax.set(xlim=(self.y_grid_[0], self.y_grid_[-1]), ylim=(floors[-1] - 0.3, highest + 0.3))
        ax.set_yticks(floors, [f"row {row}" for row in chosen])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(self.y_label)
        self.ax_, self.figure_ = ax, ax.figure
        return self

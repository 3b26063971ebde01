"""Display of the predicted densities of many rows: ridges, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.checks import as_numbers
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.plotting._chosen import ChosenRowsDisplay
from sklearn_mdn.plotting._drawing import VERMILION, Palette, legend_above, options, prepare_axes
from sklearn_mdn.plotting._names import as_fitted
from sklearn_mdn.plotting._rows import grid_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

N_ROWS = 10


class DensityRidgeDisplay(ChosenRowsDisplay):
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
    points_ : matplotlib.lines.Line2D or None
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

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

    density_: NDArray[np.float64]
    ridges_: list[Artist]
    points_: Line2D | None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        rows: ArrayLike | None = None,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        overlap: float = 1.0,
        y_grid: ArrayLike | None = None,
        ax: Axes | None = None,
        ridge_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
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
        target : int or str, default=None
            Which of several targets to draw.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names that the estimator was fitted with, or else
            those of ``y``.
        overlap, y_grid, ax, ridge_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : DensityRidgeDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have a value for each row, there is no such row or target, several targets are
            left to choose from, or another argument is not as described.
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
        y, target_names = as_fitted(estimator, y, target_names)
        density = predict_distribution(estimator, X)
        display = cls._of_predictions(
            y, density, rows=rows, n_rows=N_ROWS, target=target, target_names=target_names
        )
        return display.plot(ax, overlap=overlap, y_grid=y_grid, ridge_kw=ridge_kw, scatter_kw=scatter_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        rows: ArrayLike | None = None,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        overlap: float = 1.0,
        y_grid: ArrayLike | None = None,
        ax: Axes | None = None,
        ridge_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw predicted densities of some rows.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D), or None
            Observed targets, marked on the ridges.
        y_dist : MixtureDistribution or object with cdf, logpdf and ppf
            One distribution a row.
        rows : int or array-like of int, default=None
            Which rows to draw, from the top down. None takes ten, spread over the order of the medians.
        target : int or str, default=None
            Which of several targets to draw.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names of ``y_true``, a series or a data frame.
        overlap, y_grid, ax, ridge_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : DensityRidgeDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have a value for each row, there is no such row or target, several targets
            are left to choose from, or another argument is not as described.
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
        display = cls._of_predictions(
            y_true, y_dist, rows=rows, n_rows=N_ROWS, target=target, target_names=target_names
        )
        return display.plot(ax, overlap=overlap, y_grid=y_grid, ridge_kw=ridge_kw, scatter_kw=scatter_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        overlap: float = 1.0,
        y_grid: ArrayLike | None = None,
        ridge_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure.
        overlap : float, default=1.0
            How far the highest ridge reaches into the one above, in units of their distance; not negative.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at, at least two. None covers nearly everything.
        ridge_kw, scatter_kw : dict, default=None
            Keyword arguments of the filled curves and of the marks of the observed values.

        Returns
        -------
        display : DensityRidgeDisplay

        Raises
        ------
        ValueError
            If ``overlap`` is negative or ``y_grid`` does not hold two values.

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
        overlap = _check_overlap(overlap)
        chosen, shown, observed = self._chosen()
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(5.2, 1.2 + 0.32 * len(chosen)))
        palette = Palette.of(ax)
        self.y_grid_ = grid_of(shown, observed, y_grid)
        self.density_ = shown.pdf(self.y_grid_)
        heights = (1.0 + overlap) * self.density_ / (self.density_.max() or 1.0)
        floors = -np.arange(len(chosen), dtype=np.float64)
        self.ridges_ = []
        for j, floor in enumerate(floors):
            drawn = options(
                ridge_kw, facecolor=palette.mixed(palette.deep, 0.5), edgecolor=palette.deep, alpha=0.85,
                linewidth=1.0, zorder=2 + 0.01 * j,
            )  # fmt: skip
            self.ridges_.append(ax.fill_between(self.y_grid_, floor, floor + heights[:, j], **drawn))
        self.points_ = None
        if observed is not None:
            # A mark on the edge is whole; one beyond it is not drawn.
            beyond = bool(((observed < self.y_grid_[0]) | (observed > self.y_grid_[-1])).any())
            marked = options(
                scatter_kw, marker="o", linestyle="none", color=VERMILION, markeredgecolor=palette.paper,
                label="observed", zorder=4, clip_on=beyond,
            )  # fmt: skip
            (self.points_,) = ax.plot(observed, floors, **marked)
        ax.set(xlim=(self.y_grid_[0], self.y_grid_[-1]), xlabel=self.y_label)
        ax.set_ylim(bottom=floors[-1] - 0.3)
        ax.set_yticks(floors, [f"row {row}" for row in chosen])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        legend_above(ax, float((floors + heights.max(axis=0)).max()) + 0.3)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _check_overlap(overlap: object) -> float:
    number = as_numbers(overlap, "overlap")
    if number.ndim or not np.isfinite(number) or number < 0:
        raise ValueError(f"overlap must be a number of at least 0, got {overlap!r}.")
    return float(number)

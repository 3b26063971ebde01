"""Display of the predicted densities of a few rows: curves with their components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.plotting._chosen import ChosenRowsDisplay
from sklearn_mdn.plotting._drawing import DASHES, Palette, legend_above, options, prepare_axes
from sklearn_mdn.plotting._names import as_fitted
from sklearn_mdn.plotting._rows import grid_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

VISIBLE_COMPONENT = 0.02  # components lower than this share of the highest one are not drawn
N_ROWS = 3
MAX_COMPONENTS = 8  # of more components the picture is about dots


class DensityCurvesDisplay(ChosenRowsDisplay):
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
    lines_ : list of matplotlib.lines.Line2D
        A curve for each row.
    component_lines_ : list of lists of matplotlib.lines.Line2D
        The weighted components of each row, those that can be seen; empty for other distributions
        than mixtures, and where there are too many.
    points_ : list of matplotlib.lines.Line2D
        The observed value of each row.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

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

    lines_: list[Line2D]
    component_lines_: list[list[Line2D]]
    points_: list[Line2D]

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
        components: bool | Literal["auto"] = "auto",
        y_grid: ArrayLike | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        component_kw: dict[str, Any] | None = None,
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
            Observed targets, marked on the curves.
        rows : int or array-like of int, default=None
            Which rows to draw. None takes three, spread over the order of the medians.
        target : int or str, default=None
            Which of several targets to draw.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names that the estimator was fitted with, or else
            those of ``y``.
        components, y_grid, ax, line_kw, component_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : DensityCurvesDisplay

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
        >>> from sklearn_mdn.plotting import DensityCurvesDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = DensityCurvesDisplay.from_estimator(model, X, y, rows=[0, 1])
        >>> len(display.lines_)
        2
        >>> plt.close(display.figure_)
        """
        y, target_names = as_fitted(estimator, y, target_names)
        density = predict_distribution(estimator, X)
        display = cls._of_predictions(
            y, density, rows=rows, n_rows=N_ROWS, target=target, target_names=target_names
        )
        return display.plot(
            ax,
            components=components,
            y_grid=y_grid,
            line_kw=line_kw,
            component_kw=component_kw,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        rows: ArrayLike | None = None,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        components: bool | Literal["auto"] = "auto",
        y_grid: ArrayLike | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        component_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw predicted densities of some rows.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D), or None
            Observed targets, marked on the curves.
        y_dist : MixtureDistribution or object with cdf, logpdf and ppf
            One distribution a row.
        rows : int or array-like of int, default=None
            Which rows to draw. None takes three, spread over the order of the medians.
        target : int or str, default=None
            Which of several targets to draw.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names of ``y_true``, a series or a data frame.
        components, y_grid, ax, line_kw, component_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : DensityCurvesDisplay

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
        >>> from sklearn_mdn.plotting import DensityCurvesDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = DensityCurvesDisplay.from_predictions(y, normal)
        >>> len(display.lines_)
        3
        >>> plt.close(display.figure_)
        """
        display = cls._of_predictions(
            y_true, y_dist, rows=rows, n_rows=N_ROWS, target=target, target_names=target_names
        )
        return display.plot(
            ax,
            components=components,
            y_grid=y_grid,
            line_kw=line_kw,
            component_kw=component_kw,
            scatter_kw=scatter_kw,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        components: bool | Literal["auto"] = "auto",
        y_grid: ArrayLike | None = None,
        line_kw: dict[str, Any] | None = None,
        component_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure.
        components : bool or "auto", default="auto"
            Whether to draw the weighted components of mixtures. "auto" draws up to eight in a row, and none
            where more can be seen, as of an ensemble.
        y_grid : array-like of shape (G,), default=None
            Values of y to compute densities at, at least two. None covers nearly everything.
        line_kw, component_kw, scatter_kw : dict, default=None
            Keyword arguments of the curves, the components and the marks of the observed values.

        Returns
        -------
        display : DensityCurvesDisplay

        Raises
        ------
        ValueError
            If there are more than 28 rows, whose curves could not be told apart, or another argument is not
            as described.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import DensityCurvesDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = DensityCurvesDisplay(y_dist=normal, rows=[0, 49])
        >>> display = display.plot(y_grid=np.linspace(-3, 5, 100))
        >>> display.y_grid_.shape
        (100,)
        >>> plt.close(display.figure_)
        """
        if not isinstance(components, bool) and components != "auto":
            raise ValueError(f"components must be True, False or 'auto', got {components!r}.")
        chosen, shown, observed = self._chosen()
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        palette = Palette.of(ax)
        styles = [(color, dash) for dash in DASHES for color in palette.cycle]
        if len(chosen) > len(styles):
            raise ValueError(
                f"rows must be at most {len(styles)}, for curves that can be told apart, got {len(chosen)}; "
                "DensityRidgeDisplay draws more."
            )
        self.y_grid_ = grid_of(shown, observed, y_grid)
        heights = shown.pdf(self.y_grid_)
        self.lines_, self.component_lines_, self.points_ = [], [], []
        for row, curve, (color, dash) in zip(chosen, heights.T, styles, strict=False):
            drawn = options(line_kw, color=color, linestyle=dash, linewidth=1.8, label=f"row {row}")
            self.lines_ += ax.plot(self.y_grid_, curve, **drawn)
            curves = self._visible_components(row, components)
            dotted = options(component_kw, color=drawn["color"], linestyle=":", linewidth=1.1)
            self.component_lines_.append([ax.plot(self.y_grid_, part, **dotted)[0] for part in curves])
        if observed is not None:
            self._draw_points(ax, observed, heights, scatter_kw)
        if any(self.component_lines_):
            ax.plot([], [], color=palette.grey, linestyle=":", linewidth=1.2, label="components")
        ax.set(xlim=(self.y_grid_[0], self.y_grid_[-1]), xlabel=self.y_label, ylabel="density")
        ax.set_ylim(bottom=0)
        legend_above(ax, 1.05 * heights.max())
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_points(
        self,
        ax: Axes,
        observed: NDArray[np.float64],
        heights: NDArray[np.float64],
        scatter_kw: dict[str, Any] | None,
    ) -> None:
        """Each observed value on the curve of its row."""
        palette = Palette.of(ax)
        for y, curve, line in zip(observed, heights.T, self.lines_, strict=True):
            marked = options(
                scatter_kw, marker="o", linestyle="none", color=line.get_color(),
                markeredgecolor=palette.paper, markersize=7, zorder=3,
            )  # fmt: skip
            self.points_ += ax.plot(y, np.interp(y, self.y_grid_, curve), **marked)
        example = options(
            scatter_kw, marker="o", linestyle="none", color=palette.grey, markeredgecolor=palette.paper,
            markersize=7, label="observed",
        )  # fmt: skip
        ax.plot([], [], **example)

    def _visible_components(
        self, row: np.intp, components: bool | Literal["auto"]
    ) -> list[NDArray[np.float64]]:
        """Weighted densities of the components of a row that can be seen, if they are to be drawn."""
        if not components or not isinstance(self.y_dist, PredictiveDistribution):
            return []
        density, grid = self.y_dist[int(row)], self.y_grid_[:, None]
        curves = list((density.responsibilities(grid) * density.pdf(grid)[..., None])[:, 0].T)
        highest = max(curve.max() for curve in curves)
        seen = [curve for curve in curves if curve.max() >= VISIBLE_COMPONENT * highest]
        return [] if components == "auto" and len(seen) > MAX_COMPONENTS else seen

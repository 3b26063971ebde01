"""Display of the predicted density of two targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_mdn._distributions.checks import check_index, check_levels, check_targets
from sklearn_mdn._distributions.foreign import adapted
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.plotting._drawing import ORANGE, VERMILION, Palette, options, prepare_axes
from sklearn_mdn.plotting._names import as_fitted, check_names, in_order, target_index, target_label

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

REGIONS = (0.5, 0.8, 0.95)
N_GRID = 250
Grid = tuple[NDArray[np.float64], NDArray[np.float64]]


class JointDensityDisplay:
    """The predicted density of two targets in one row, as contours of its highest-density regions.

    It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    distribution : MixtureDistribution
        Of two targets, one row.
    y_point : array-like of shape (2,), default=None
        What was observed.
    labels : sequence of two str, default=("target 0", "target 1")
        What the targets are called.
    row : int, default=None
        Which row it is, for the legend.

    Attributes
    ----------
    y_grid_ : tuple of two ndarrays of shape (G,)
        Values of the targets at which the density was computed.
    density_ : ndarray of shape (G, G)
        The density; the second target runs along the first axis. The grid holds the largest region and what
        was observed, not every component.
    thresholds_ : ndarray
        Densities at the borders of the regions, the lowest first.
    contours_ : matplotlib.contour.QuadContourSet
    components_ : matplotlib.collections.PathCollection or None
    point_ : matplotlib.lines.Line2D or None
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn_mdn import MixtureDistribution
    >>> from sklearn_mdn.plotting import JointDensityDisplay
    >>> means, variances = [[[0.0, 0.0], [2.0, 1.0]]], [[1.0, 0.5]]
    >>> distribution = MixtureDistribution([[0.3, 0.7]], means, variances, covariance_type="spherical")
    >>> display = JointDensityDisplay.from_predictions([[1.0, 1.0]], distribution)
    >>> len(display.thresholds_)
    3
    >>> plt.close(display.figure_)
    """

    y_grid_: Grid
    density_: NDArray[np.float64]
    thresholds_: NDArray[np.float64]
    contours_: QuadContourSet
    components_: PathCollection | None
    point_: Line2D | None
    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self,
        *,
        distribution: PredictiveDistribution,
        y_point: ArrayLike | None = None,
        labels: Sequence[str] = ("target 0", "target 1"),
        row: int | None = None,
    ) -> None:
        self.distribution = distribution
        self.y_point = y_point
        self.labels = labels
        self.row = row

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        row: int = 0,
        targets: Sequence[int | str] = (0, 1),
        target_names: ArrayLike | None = None,
        confidence: ArrayLike = REGIONS,
        components: bool = True,
        ax: Axes | None = None,
        contour_kw: dict[str, Any] | None = None,
        component_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the density that a fitted estimator predicts for one row.

        Parameters
        ----------
        estimator : estimator
            Fitted; predicts densities of at least two targets, also from inside scikit-learn's wrappers.
        X : array-like of shape (n, n_features)
            Rows.
        y : array-like of shape (n, D), default=None
            Observed targets.
        row : int, default=0
            Which row to draw.
        targets : sequence of two int or str, default=(0, 1)
            The targets on the two axes.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names that the estimator was fitted with, or else
            those of ``y``.
        confidence, components, ax, contour_kw, component_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : JointDensityDisplay

        Raises
        ------
        ValueError
            If there are no two targets to draw, there is no such row, ``y`` does not have the shape of the
            targets, or a confidence lies outside (0, 1).
        TypeError
            If the estimator inside scikit-learn's wrappers predicts no densities, or its target is
            transformed.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_linnerud
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import JointDensityDisplay
        >>> X, y = load_linnerud(return_X_y=True)
        >>> model = MDNRegressor(2, covariance_type="full", max_iter=5, random_state=0).fit(X, y)
        >>> display = JointDensityDisplay.from_estimator(model, X, y, row=3, targets=(0, 2))
        >>> len(display.thresholds_)
        3
        >>> plt.close(display.figure_)
        """
        y, target_names = as_fitted(estimator, y, target_names)
        display = cls._of_predictions(y, predict_distribution(estimator, X), row, targets, target_names)
        return display.plot(
            ax,
            confidence=confidence,
            components=components,
            contour_kw=contour_kw,
            component_kw=component_kw,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        row: int = 0,
        targets: Sequence[int | str] = (0, 1),
        target_names: ArrayLike | None = None,
        confidence: ArrayLike = REGIONS,
        components: bool = True,
        ax: Axes | None = None,
        contour_kw: dict[str, Any] | None = None,
        component_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the predicted density of one row.

        Parameters
        ----------
        y_true : array-like of shape (n, D), or None
            Observed targets.
        y_dist : MixtureDistribution
            Of at least two targets, one mixture a row.
        row : int, default=0
            Which row to draw.
        targets : sequence of two int or str, default=(0, 1)
            The targets on the two axes.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names of ``y_true``, a data frame.
        confidence, components, ax, contour_kw, component_kw, scatter_kw
            As in :meth:`plot`.

        Returns
        -------
        display : JointDensityDisplay

        Raises
        ------
        TypeError
            If ``y_dist`` is no mixture.
        ValueError
            If it does not have two targets to draw, there is no such row, ``y_true`` does not have the shape
            of the targets, or a confidence lies outside (0, 1).

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn_mdn import MixtureDistribution
        >>> from sklearn_mdn.plotting import JointDensityDisplay
        >>> means = [[[0.0, 0.0], [2.0, 1.0]]]
        >>> dist = MixtureDistribution([[0.3, 0.7]], means, [[1.0, 0.25]], covariance_type="spherical")
        >>> display = JointDensityDisplay.from_predictions(None, dist, confidence=[0.5, 0.9])
        >>> len(display.thresholds_)
        2
        >>> plt.close(display.figure_)
        """
        display = cls._of_predictions(y_true, y_dist, row, targets, target_names)
        return display.plot(
            ax,
            confidence=confidence,
            components=components,
            contour_kw=contour_kw,
            component_kw=component_kw,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def _of_predictions(
        cls, y_true: Any, y_dist: Any, row: int, targets: Sequence[int | str], target_names: ArrayLike | None
    ) -> Self:
        """The display of predicted distributions, not drawn yet."""
        y_dist = adapted(y_dist)
        if not isinstance(y_dist, PredictiveDistribution):
            raise TypeError(
                "y_dist must be a MixtureDistribution or another PredictiveDistribution, got "
                f"{type(y_dist).__name__}."
            )
        shape: tuple[int, ...] = y_dist.mean().shape
        if len(shape) != 2 or shape[1] < 2:
            raise ValueError(f"targets must be two of several, got a y_dist with a mean of shape {shape}.")
        names = check_names(target_names, y_true, shape[1])
        listed = np.atleast_1d(np.asarray(targets, dtype=object)).tolist()
        chosen = check_targets([target_index(one, shape[1], names, "targets") for one in listed], shape[1])
        if len(chosen) != 2:
            raise ValueError(f"targets must be two of several, got {targets!r}.")
        row = check_index(row, shape[0], "row")
        point = None
        if y_true is not None:
            y = check_array(in_order(y_true, names), dtype=np.float64, input_name="y_true")
            if y.shape != shape:
                raise ValueError(f"y_true must have the shape {shape}, got {y.shape}.")
            point = y[row][chosen]
        return cls(
            distribution=y_dist[row].marginal(chosen),
            y_point=point,
            labels=tuple(target_label(j, shape[1], names) for j in chosen),
            row=row,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        confidence: ArrayLike = REGIONS,
        components: bool = True,
        contour_kw: dict[str, Any] | None = None,
        component_kw: dict[str, Any] | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure.
        confidence : array-like, default=(0.5, 0.8, 0.95)
            Probabilities of the regions, inside (0, 1).
        components : bool, default=True
            Whether to mark the means of the components, with areas like their weights. Those beyond the
            largest region may be out of sight.
        contour_kw, component_kw, scatter_kw : dict, default=None
            Keyword arguments of the filled contours, of the marks of the components and of the mark of what
            was observed.

        Returns
        -------
        display : JointDensityDisplay

        Raises
        ------
        ValueError
            If a confidence lies outside (0, 1), or there is none.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn_mdn import MixtureDistribution
        >>> from sklearn_mdn.plotting import JointDensityDisplay
        >>> means = [[[0.0, 0.0], [2.0, 1.0]]]
        >>> dist = MixtureDistribution([[0.3, 0.7]], means, [[1.0, 0.25]], covariance_type="spherical")
        >>> display = JointDensityDisplay(distribution=dist).plot(contour_kw={"alpha": 0.5})
        >>> len(display.thresholds_)
        3
        >>> plt.close(display.figure_)
        """
        shares = np.unique(check_levels(confidence, "confidence"))[::-1]
        if not len(shares):
            raise ValueError("confidence must hold at least one level, got none.")
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(5.4, 4.0))
        palette, shown = Palette.of(ax), _limits(ax)
        thresholds = self._find_regions(shares)
        # Regions that the grid cannot tell apart are one.
        self.thresholds_, place = np.unique(thresholds, return_index=True)
        handles = self._draw_regions(ax, shares[place], contour_kw)
        self.components_ = self.point_ = None
        if components:
            weights, means = self.distribution.weights[0], self.distribution._centers()[0]
            dots = options(
                component_kw, s=160 * weights, color=ORANGE, edgecolor=palette.paper, linewidth=0.8,
                label="components", zorder=3,
            )  # fmt: skip
            self.components_ = ax.scatter(means[:, 0], means[:, 1], **dots)
            handles.append(self.components_)
        if self.y_point is not None:
            marked = options(
                scatter_kw, marker="X", linestyle="none", color=VERMILION, markeredgecolor=palette.paper,
                markersize=10, label="observed", zorder=4,
            )  # fmt: skip
            (self.point_,) = ax.plot(*np.asarray(self.y_point)[:, None], **marked)
            handles.append(self.point_)
        ends = [(grid[0], grid[-1]) for grid in self.y_grid_]
        (left, bottom), (right, top) = (
            np.min([*shown, ends], axis=0)[:, 0],
            np.max([*shown, ends], axis=0)[:, 1],
        )
        ax.set(xlim=(left, right), ylim=(bottom, top), xlabel=self.labels[0], ylabel=self.labels[1])
        ax.legend(
            handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False,
            title=None if self.row is None else f"row {self.row}",
        )  # fmt: skip
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_regions(
        self, ax: Axes, confidence: NDArray[np.float64], contour_kw: dict[str, Any] | None
    ) -> list[Artist]:
        from matplotlib.patches import Patch

        palette = Palette.of(ax)
        colors = {} if "cmap" in (contour_kw or {}) else {"colors": palette.shades(len(confidence))}
        levels = [*self.thresholds_, 1.01 * max(self.density_.max(), self.thresholds_[-1])]
        filled = options(contour_kw, levels=levels, **colors)
        self.contours_ = ax.contourf(*self.y_grid_, self.density_, **filled)
        border = palette.deep
        ax.contour(*self.y_grid_, self.density_, levels=self.thresholds_, colors=border, linewidths=0.8)
        faces: Any = self.contours_.get_facecolor()
        return [
            Patch(facecolor=shade, edgecolor=border, linewidth=0.8, label=f"{share:.0%}")
            for share, shade in zip(confidence, faces, strict=True)
        ]

    def _find_regions(self, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Thresholds of the regions, the largest first, and the density on a grid that just holds them."""
        tail = 0.02 * (1.0 - confidence[0])
        low, high = self.distribution.ppf(tail)[0], self.distribution.isf(tail)[0]
        grid, density = self._on_grid(low, high)
        # The marginals reach for components of so little weight that no region holds them.
        inside = density >= region_thresholds(density, confidence[:1], _cell(grid))[0]
        corners = [axis[inside.any(axis=j)][[0, -1]] for j, axis in enumerate(grid)]
        cell = (high - low) / (N_GRID - 1)
        low, high = np.transpose(corners)
        if self.y_point is not None:
            low, high = np.minimum(low, self.y_point), np.maximum(high, self.y_point)
        margin = np.maximum(0.08 * (high - low), cell)
        self.y_grid_, self.density_ = self._on_grid(low - margin, high + margin)
        return region_thresholds(self.density_, confidence, _cell(self.y_grid_))

    def _on_grid(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[Grid, NDArray[np.float64]]:
        """An even grid and the density there."""
        first, second = (np.linspace(a, b, N_GRID) for a, b in zip(low, high, strict=True))
        points = np.stack(np.meshgrid(first, second), axis=-1)
        density: NDArray[np.float64] = self.distribution.pdf(points.reshape(-1, 1, 2))
        return (first, second), density.reshape(N_GRID, N_GRID)


def _limits(ax: Axes) -> list[list[tuple[float, float]]]:
    """What both axes show already, of other displays here or on axes that share them; else nothing."""
    others = {*ax.get_shared_x_axes().get_siblings(ax), *ax.get_shared_y_axes().get_siblings(ax)}
    return [[ax.get_xlim(), ax.get_ylim()]] if any(other.has_data() for other in others) else []


def _cell(grid: Grid) -> float:
    """Area of a cell."""
    first, second = grid
    return float((first[1] - first[0]) * (second[1] - second[0]))


def region_thresholds(
    density: NDArray[np.float64], shares: NDArray[np.float64], cell: float
) -> NDArray[np.float64]:
    """Densities above which the equal cells of a grid hold probabilities (Hyndman 1996)."""
    descending = np.sort(density, axis=None)[::-1]
    probability = np.cumsum(descending) * cell
    probability /= max(probability[-1], 1.0)  # cells too large for a narrow peak can make more than there is
    place: NDArray[np.intp] = np.minimum(np.searchsorted(probability, shares), descending.size - 1)
    return descending[place]

"""Display of the predicted density of two targets."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array

from sklearn_mdn._distributions.checks import check_index, check_levels, check_targets
from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.transformed import predict_density
from sklearn_mdn.plotting._drawing import BLUE, ORANGE, VERMILION, options, prepare_axes

REGIONS = (0.5, 0.8, 0.95)


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

    Attributes
    ----------
    y_grid_ : tuple of two ndarrays of shape (G,)
        Values of the targets at which the density was computed.
    density_ : ndarray of shape (G, G)
        The density; the second target runs along the first axis.
    thresholds_ : ndarray
        Densities at the borders of the regions, the lowest first.
    contours_ : matplotlib QuadContourSet
    components_, point_ : matplotlib artist or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

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

    def __init__(self, *, distribution, y_point=None, labels=("target 0", "target 1")):
        self.distribution = distribution
        self.y_point = y_point
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        row=0,
        targets=(0, 1),
        confidence=REGIONS,
        components=True,
        ax=None,
    ):
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
        targets : sequence of two int, default=(0, 1)
            The targets on the two axes.
        confidence : array-like, default=(0.5, 0.8, 0.95)
            Probabilities of the regions, inside (0, 1).
        components : bool, default=True
            Whether to mark the means of the components, with areas like their weights.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

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
        return cls.from_predictions(
            y,
            predict_density(estimator, X),
            row=row,
            targets=targets,
            confidence=confidence,
            components=components,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_dist, *, row=0, targets=(0, 1), confidence=REGIONS, components=True, ax=None
    ):
        """Draw the predicted density of one row.

        Parameters
        ----------
        y_true : array-like of shape (n, D), or None
            Observed targets.
        y_dist : MixtureDistribution
            Of at least two targets, one mixture a row.
        row : int, default=0
            Which row to draw.
        targets : sequence of two int, default=(0, 1)
            The targets on the two axes.
        confidence : array-like, default=(0.5, 0.8, 0.95)
            Probabilities of the regions, inside (0, 1).
        components : bool, default=True
            Whether to mark the means of the components, with areas like their weights.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : JointDensityDisplay

        Raises
        ------
        TypeError
            If ``y_dist`` is no mixture.
        ValueError
            If it does not have two targets to draw.

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
        if not isinstance(y_dist, MixtureDistribution):
            raise TypeError(f"y_dist must be a MixtureDistribution, got {type(y_dist).__name__}.")
        chosen = check_targets(targets, y_dist.means.shape[2]) if y_dist.means.ndim == 3 else []
        if len(chosen) != 2:
            raise ValueError(
                f"targets must be two of several, got {targets!r} for a mean of shape {y_dist.mean().shape}."
            )
        row = check_index(row, y_dist.mean().shape[0], "row")
        point = None
        if y_true is not None:
            y = check_array(y_true, dtype=np.float64, input_name="y_true")
            if y.shape != y_dist.mean().shape:
                raise ValueError(f"y_true must have the shape {y_dist.mean().shape}, got {y.shape}.")
            point = y[row][chosen]
        display = cls(
            distribution=y_dist[row].marginal(chosen),
            y_point=point,
            labels=tuple(f"target {j}" for j in chosen),
        )
        return display.plot(ax, confidence=confidence, components=components)

    def plot(self, ax=None, *, confidence=REGIONS, components=True, contour_kw=None, scatter_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        confidence : array-like, default=(0.5, 0.8, 0.95)
            Probabilities of the regions, inside (0, 1).
        components : bool, default=True
            Whether to mark the means of the components, with areas like their weights.
        contour_kw, scatter_kw : dict, default=None
            Keyword arguments of the filled contours and of the mark of what was observed.

        Returns
        -------
        display : JointDensityDisplay

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
        confidence = np.unique(check_levels(confidence, "confidence"))[::-1]
        if not len(confidence):
            raise ValueError("confidence must hold at least one level, got none.")
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(5.4, 4.0))
        self.y_grid_ = self._grids(confidence[0])
        points = np.stack(np.meshgrid(*self.y_grid_), axis=-1)
        self.density_ = self.distribution.pdf(points.reshape(-1, 1, 2)).reshape(points.shape[:2])
        # Regions that the grid cannot tell apart are one.
        self.thresholds_, place = np.unique(region_thresholds(self.density_, confidence), return_index=True)
        confidence = confidence[place]
        regions = self._draw_regions(ax, confidence, contour_kw)
        self.components_ = self.point_ = None
        if components:
            weights, means = self.distribution.weights[0], self.distribution.means[0]
            self.components_ = ax.scatter(
                *means.T,
                s=160 * weights,
                color=ORANGE,
                edgecolor="white",
                linewidth=0.8,
                label="components",
                zorder=3,
            )
        if self.y_point is not None:
            marked = options(
                scatter_kw,
                marker="X",
                linestyle="none",
                color=VERMILION,
                markeredgecolor="white",
                markersize=10,
            )
            (self.point_,) = ax.plot(*self.y_point, label="observed", zorder=4, **marked)
        ax.set(xlabel=self.labels[0], ylabel=self.labels[1])
        handles = [*regions, *ax.get_legend_handles_labels()[0]]
        ax.legend(
            handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_regions(self, ax, confidence, contour_kw):
        from matplotlib import colormaps
        from matplotlib.patches import Patch

        shades = colormaps["Blues"](np.linspace(0.2, 0.65, len(confidence)))
        levels = [*self.thresholds_, 1.01 * max(self.density_.max(), self.thresholds_[-1])]
        drawn = options(contour_kw, **({} if "cmap" in (contour_kw or {}) else {"colors": shades}))
        self.contours_ = ax.contourf(*self.y_grid_, self.density_, levels=levels, **drawn)
        ax.contour(*self.y_grid_, self.density_, levels=self.thresholds_, colors=BLUE, linewidths=0.8)
        return [
            Patch(facecolor=shade, edgecolor=BLUE, linewidth=0.8, label=f"{share:.0%}")
            for share, shade in zip(confidence, self.contours_.get_facecolor(), strict=True)
        ]

    def _grids(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Values that hold the largest region, and what was observed."""
        tail = 0.1 * (1.0 - confidence)
        low, high = self.distribution.ppf(tail)[0], self.distribution.isf(tail)[0]
        if self.y_point is not None:
            low, high = np.minimum(low, self.y_point), np.maximum(high, self.y_point)
        margin = 0.05 * (high - low)
        return tuple(np.linspace(a, b, 250) for a, b in zip(low - margin, high + margin, strict=True))


def region_thresholds(density: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Densities above which a grid of equal cells holds shares of its sum (Hyndman 1996)."""
    descending = np.sort(density, axis=None)[::-1]
    share = np.cumsum(descending) / descending.sum()
    return descending[np.searchsorted(share, confidence)]

"""Display of the coverage of sets in parts of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.metrics._sets import ConditionalCoverage, conditional_coverage, coverage_band
from sklearn_mdn.plotting._drawing import (
    REFERENCE,
    Palette,
    has_reference,
    next_color,
    options,
    prepare_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


class SetCoverageDisplay:
    """Coverage of prediction sets in parts of the rows, beside the band that chance allows.

    Sets that are right on average may hold too few of the rows that are hard to predict and too many of the
    others. It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`; several can
    share axes.

    Parameters
    ----------
    parts : ConditionalCoverage
        What :func:`~sklearn_mdn.metrics.conditional_coverage` gives.
    confidence_level : float
        What the sets were made for.
    name : str, default=None
        What was judged, for the legend.
    part_name : str, default=None
        What the rows were parted by, for the axis.

    Attributes
    ----------
    band_ : tuple of two ndarrays of shape (G,)
        Bounds of the band in each part.
    line_ : matplotlib.lines.Line2D
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from sklearn_mdn.plotting import SetCoverageDisplay
    >>> spread = np.linspace(0.5, 2.0, 1000)
    >>> y = spread * np.random.default_rng(0).normal(size=1000)
    >>> sets = [[-2.0, 2.0]] * 1000
    >>> display = SetCoverageDisplay.from_predictions(y, sets, by=spread, confidence_level=0.9)
    >>> display.parts.coverage.shape
    (10,)
    >>> plt.close(display.figure_)
    """

    band_: tuple[NDArray[np.float64], NDArray[np.float64]]
    line_: Line2D

    def __init__(
        self,
        parts: ConditionalCoverage,
        *,
        confidence_level: float,
        name: str | None = None,
        part_name: str | None = None,
    ) -> None:
        self.parts = parts
        self.confidence_level = confidence_level
        self.name = name
        self.part_name = part_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        confidence_level: float | None = None,
        by: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        n_bins: int = 10,
        name: str | None = None,
        part_name: str | None = None,
        band: float = 0.95,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display of a calibrated estimator.

        Parameters
        ----------
        estimator : ConformalDensityRegressor
            Calibrated.
        X : array-like of shape (n, n_features)
            Rows, neither those it was fitted to nor those it was calibrated by.
        y : array-like of shape (n,) or (n, D)
            Observed targets.
        confidence_level : float, default=None
            Of the sets. None takes that of the estimator.
        by : array-like of shape (n,), default=None
            A number for each row by which rows are parted. None takes the predicted standard deviation, of
            several targets the first one's.
        groups : array-like of shape (n,), default=None
            Labels of rows in place of a number.
        n_bins : int, default=10
            Parts of about as many rows each.
        name : str, default=None
            For the legend. None takes the name of the class.
        part_name : str, default=None
            For the axis.
        band, ax, line_kw, band_kw
            As in :meth:`plot`.

        Returns
        -------
        display : SetCoverageDisplay

        Raises
        ------
        ValueError
            If the shapes differ or a level lies outside (0, 1).

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import BayesianRidge
        >>> from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
        >>> from sklearn_mdn.plotting import SetCoverageDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), random_state=0)
        >>> model = model.fit(X[:300], y[:300])
        >>> display = SetCoverageDisplay.from_estimator(model, X[300:], y[300:], n_bins=4)
        >>> display.parts.n_rows
        array([36, 35, 36, 35])
        >>> plt.close(display.figure_)
        """
        sets = estimator.predict_set(X, confidence_level)
        if by is None and groups is None:
            deviation = predict_distribution(estimator, X).std()
            by = deviation if deviation.ndim == 1 else deviation[:, 0]
            part_name = "predicted standard deviation" if part_name is None else part_name
        return cls.from_predictions(
            y,
            sets,
            confidence_level=sets.confidence_level,
            by=by,
            groups=groups,
            n_bins=n_bins,
            name=type(estimator).__name__ if name is None else name,
            part_name=part_name,
            band=band,
            ax=ax,
            line_kw=line_kw,
            band_kw=band_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_set: Any,
        *,
        confidence_level: float | None = None,
        by: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        n_bins: int = 10,
        name: str | None = None,
        part_name: str | None = None,
        band: float = 0.95,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display of sets, or of intervals from anywhere.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D)
            Observed targets.
        y_set : PredictionSets or array-like of shape (n, 2) or (n, J, 2)
            Sets, or intervals.
        confidence_level : float, default=None
            What they were made for; sets know it themselves.
        by : array-like of shape (n,), default=None
            A number for each row by which rows are parted. None takes the size of the sets.
        groups : array-like of shape (n,), default=None
            Labels of rows in place of a number.
        n_bins : int, default=10
            Parts of about as many rows each.
        name : str, default=None
            For the legend.
        part_name : str, default=None
            For the axis.
        band, ax, line_kw, band_kw
            As in :meth:`plot`.

        Returns
        -------
        display : SetCoverageDisplay

        Raises
        ------
        ValueError
            If the shapes differ, or intervals come without their confidence level.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn_mdn.plotting import SetCoverageDisplay
        >>> display = SetCoverageDisplay.from_predictions(
        ...     [1, 2, 3, 4], [[0, 2]] * 4, groups=["a", "a", "b", "b"], confidence_level=0.5
        ... )
        >>> display.parts.coverage
        array([1., 0.])
        >>> plt.close(display.figure_)
        """
        parts = conditional_coverage(y_true, y_set, by=by, groups=groups, n_bins=n_bins)
        level = parts.confidence_level if confidence_level is None else confidence_level
        if level is None:
            raise ValueError("confidence_level must say what the intervals were made for, got None.")
        if part_name is None:
            part_name = "group" if groups is not None else ("size of the set" if by is None else None)
        display = cls(parts, confidence_level=level, name=name, part_name=part_name)
        return display.plot(ax, band=band, line_kw=line_kw, band_kw=band_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        band: float = 0.95,
        line_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure. The band of the first display on the axes stays.
        name : str, default=None
            For the legend. None takes the one that is stored.
        band : float, default=0.95
            Probability that the share of a part lies in the band, if its rows are covered as they should be.
        line_kw : dict, default=None
            Keyword arguments of the line.
        band_kw : dict, default=None
            Keyword arguments of the band.

        Returns
        -------
        display : SetCoverageDisplay

        Raises
        ------
        ValueError
            If ``band`` lies outside (0, 1).

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn_mdn.metrics import conditional_coverage
        >>> from sklearn_mdn.plotting import SetCoverageDisplay
        >>> parts = conditional_coverage([1, 2, 3, 4], [[0, 2]] * 4, groups=["a", "a", "b", "b"])
        >>> display = SetCoverageDisplay(parts, confidence_level=0.5).plot(band=0.8)
        >>> len(display.band_)
        2
        >>> plt.close(display.figure_)
        """
        self.band_ = coverage_band(self.confidence_level, self.parts.n_rows, band=band)
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(5.6, 3.7))
        place = np.arange(len(self.parts.labels))
        if not has_reference(ax):
            self._draw_band(ax, place, f"{band:.0%} band", band_kw)
        name = self.name if name is None else name
        drawn = options(line_kw, color=next_color(ax), label=name, linewidth=1.8, marker="o", markersize=4)
        (self.line_,) = ax.plot(place, self.parts.coverage, **drawn)
        labels = [label.replace(" to ", "\nto ") for label in self.parts.labels]
        ax.set_xticks(place, labels, fontsize="small")
        lowest = min(float(np.nanmin(self.parts.coverage)), float(self.band_[0].min()), ax.get_ylim()[0])
        ax.set(xlim=(-0.5, len(place) - 0.5), ylabel="coverage", ylim=(max(0.0, lowest - 0.02), 1.0))
        if self.part_name is not None:
            ax.set_xlabel(self.part_name)
        ax.legend(loc="best", **Palette.of(ax).legend)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_band(
        self, ax: Axes, place: NDArray[np.intp], label: str, band_kw: dict[str, Any] | None
    ) -> None:
        palette = Palette.of(ax)
        drawn = options(band_kw, **palette.band, label=label)
        edges = np.repeat(place, 2) + np.tile([-0.5, 0.5], len(place))
        lower, upper = (np.repeat(bound, 2) for bound in self.band_)
        ax.fill_between(edges, lower, upper, gid=REFERENCE, **drawn)
        ax.axhline(self.confidence_level, color=palette.grey, linestyle="--", linewidth=1.2)

"""Display of calibration: observed against nominal coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.checks import check_confidence
from sklearn_mdn.plotting._calibration import CalibrationDisplay
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

WORDS = {"interval": ("nominal coverage", "observed coverage"), "quantile": ("quantile level", "share below")}


class ReliabilityDisplay(CalibrationDisplay):
    """Observed against nominal coverage, at all levels at once.

    On the diagonal where the predicted distributions are calibrated; below it the intervals are too
    narrow. It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`; several
    can share axes.

    Parameters
    ----------
    pit : array-like of shape (n,) or (n, D)
        Probability integral transforms, as :func:`~sklearn_mdn.metrics.pit_values` gives them, at random
        where values have a probability. What lies outside [0, 1] by rounding is brought back.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    name : str, default=None
        What was judged, for the legend.
    target_names : sequence of D str, default=None
        What the targets are called.

    Attributes
    ----------
    nominal_ : ndarray of shape (101,)
        Levels.
    observed_ : ndarray of shape (D, 101)
        Share of the rows inside, for each target.
    band_ : tuple of two ndarrays of shape (101,)
        Bounds of the band around the diagonal.
    lines_ : list of matplotlib.lines.Line2D
        One a target.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a value lies outside [0, 1], there is not one non-negative weight for each row, or not one name
        for each target.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.plotting import ReliabilityDisplay
    >>> truth = norm([0.0] * 500, 1.0)
    >>> display = ReliabilityDisplay.from_predictions(truth.rvs(random_state=0), truth)
    >>> float(display.observed_[0, 90])  # the share of rows in their 90% interval
    0.892
    >>> plt.close(display.figure_)
    """

    nominal_: NDArray[np.float64]
    observed_: NDArray[np.float64]
    band_: tuple[NDArray[np.float64], NDArray[np.float64]]
    lines_: list[Line2D]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        kind: Literal["interval", "quantile"] = "interval",
        confidence: float = 0.95,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted; predicts densities, also from inside scikit-learn's wrappers.
        X : array-like of shape (n, n_features)
            Rows, not those it was fitted with.
        y : array-like of shape (n,) or (n, D)
            Observed targets.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.
        name : str, default=None
            For the legend. None takes the name of the class.
        target : int or str, default=None
            Which of several targets to judge. None judges each.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names that the estimator was fitted with, or else
            those of ``y``.
        kind, confidence, ax, line_kw, band_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have the shape of the target in ``fit``, there is no such target, not one
            non-negative weight for each row, ``kind`` is neither of the two, or ``confidence`` lies outside
            (0, 1).
        TypeError
            If the estimator inside scikit-learn's wrappers predicts no densities.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import ReliabilityDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = ReliabilityDisplay.from_estimator(model, X, y, name="five epochs")
        >>> display.observed_.shape
        (1, 101)
        >>> plt.close(display.figure_)
        """
        display = cls._of_estimator(
            estimator, X, y, sample_weight=sample_weight, name=name, target=target, target_names=target_names
        )
        return display.plot(ax, kind=kind, confidence=confidence, line_kw=line_kw, band_kw=band_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        target: int | str | None = None,
        target_names: ArrayLike | None = None,
        kind: Literal["interval", "quantile"] = "interval",
        confidence: float = 0.95,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display of predicted distributions.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, D)
            Observed targets.
        y_dist : MixtureDistribution, array-like, or object with cdf, logpdf and ppf
            One distribution a row, or an array (n, M) or (n, D, M) of M draws from it.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.
        name : str, default=None
            For the legend.
        target : int or str, default=None
            Which of several targets to judge. None judges each.
        target_names : array-like of D str, default=None
            What the targets are called. None takes the names of ``y_true``, a series or a data frame.
        kind, confidence, ax, line_kw, band_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have the shape of the distributions, there is no such target, not one
            non-negative weight for each row, ``kind`` is neither of the two, or ``confidence`` lies outside
            (0, 1).
        TypeError
            If ``y_dist`` is none of the three.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import ReliabilityDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = ReliabilityDisplay.from_predictions(y, normal, kind="quantile")
        >>> display.observed_.shape
        (1, 101)
        >>> plt.close(display.figure_)
        """
        display = cls._of_predictions(
            y_true, y_dist, sample_weight=sample_weight, name=name, target=target, target_names=target_names
        )
        return display.plot(ax, kind=kind, confidence=confidence, line_kw=line_kw, band_kw=band_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        kind: Literal["interval", "quantile"] = "interval",
        confidence: float = 0.95,
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
        kind : {"interval", "quantile"}, default="interval"
            Coverage of central intervals, or share of the targets below quantiles.
        confidence : float, default=0.95
            Probability that a calibrated prediction lies in the band at a level: that of a binomial share
            of the rows, each level on its own. With weights the rows count as many as their effective
            number.
        line_kw : dict, default=None
            Keyword arguments of the lines.
        band_kw : dict, default=None
            Keyword arguments of the band.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If ``kind`` is neither of the two or ``confidence`` lies outside (0, 1).

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import ReliabilityDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = ReliabilityDisplay(pit=normal.cdf(y)).plot(confidence=0.5)
        >>> len(display.lines_)
        1
        >>> plt.close(display.figure_)
        """
        if kind not in tuple(WORDS):
            raise ValueError(f"kind must be 'interval' or 'quantile', got {kind!r}.")
        confidence = check_confidence(confidence)
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(4.4, 4.2))
        self.nominal_ = np.linspace(0.0, 1.0, 101)
        needed = [np.abs(2.0 * u - 1.0) if kind == "interval" else u for u in self._columns()]
        self.observed_ = np.array([self._share_up_to(levels) for levels in needed])
        self.band_ = self._band(self.nominal_, confidence)
        if not has_reference(ax):
            self._draw_band(ax, f"{confidence:.0%} band", band_kw)
        self.lines_ = []
        for j, observed in enumerate(self.observed_):
            drawn = options(line_kw, color=next_color(ax), label=self._label(j, name), linewidth=1.8)
            self.lines_ += ax.plot(self.nominal_, observed, **drawn)
        nominal, found = WORDS[kind]
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel=nominal, ylabel=self._quantity(found))
        ax.legend(loc="best", **Palette.of(ax).legend)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_band(self, ax: Axes, label: str, band_kw: dict[str, Any] | None) -> None:
        palette = Palette.of(ax)
        drawn = options(band_kw, **palette.band, label=label)
        ax.fill_between(self.nominal_, *self.band_, gid=REFERENCE, **drawn)
        ax.plot([0, 1], [0, 1], color=palette.grey, linestyle="--", linewidth=1.2)

    def _share_up_to(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted share of the values up to each nominal level."""
        order = np.argsort(values)
        share: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(self.sample_weight[order])])
        share /= self.sample_weight.sum()
        return share[np.searchsorted(values[order], self.nominal_, side="right")]

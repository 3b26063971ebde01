"""Display of calibration: the histogram of the probability integral transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.checks import check_confidence, check_count
from sklearn_mdn.plotting._calibration import CalibrationDisplay
from sklearn_mdn.plotting._drawing import (
    REFERENCE,
    Palette,
    has_reference,
    legend_above,
    options,
    prepare_axes,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


class PITDisplay(CalibrationDisplay):
    """Histogram of the probability integral transform, with the band that calibration leaves it.

    Flat where the predicted distributions are right; a hill means that they are too wide, a valley that
    they are too narrow, a slope that they are biased. It is recommended to make one with
    :meth:`from_estimator` or :meth:`from_predictions`.

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
    heights_ : ndarray of shape (D, n_bins)
        Heights of the histogram of each target; 1 is uniform.
    band_ : tuple of two floats
        Bounds of the band.
    bars_ : list of matplotlib artists
        The bars of one target, or an outline for each of several.
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
    >>> from sklearn_mdn.plotting import PITDisplay
    >>> truth = norm([0.0] * 500, 1.0)
    >>> display = PITDisplay.from_predictions(truth.rvs(random_state=0), truth)
    >>> display.heights_.shape
    (1, 10)
    >>> plt.close(display.figure_)
    """

    heights_: NDArray[np.float64]
    band_: tuple[float, float]
    bars_: list[Artist]

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
        n_bins: int = 10,
        confidence: float = 0.95,
        ax: Axes | None = None,
        bar_kw: dict[str, Any] | None = None,
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
        n_bins, confidence, ax, bar_kw, band_kw
            As in :meth:`plot`.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have the shape of the target in ``fit``, there is no such target, not one
            non-negative weight for each row, ``n_bins`` is not a positive integer, or ``confidence`` lies
            outside (0, 1).
        TypeError
            If the estimator inside scikit-learn's wrappers predicts no densities.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import PITDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = PITDisplay.from_estimator(model, X, y, n_bins=5)
        >>> display.heights_.shape
        (1, 5)
        >>> plt.close(display.figure_)
        """
        display = cls._of_estimator(
            estimator, X, y, sample_weight=sample_weight, name=name, target=target, target_names=target_names
        )
        return display.plot(ax, n_bins=n_bins, confidence=confidence, bar_kw=bar_kw, band_kw=band_kw)

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
        n_bins: int = 10,
        confidence: float = 0.95,
        ax: Axes | None = None,
        bar_kw: dict[str, Any] | None = None,
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
        n_bins, confidence, ax, bar_kw, band_kw
            As in :meth:`plot`.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have the shape of the distributions, there is no such target, not one
            non-negative weight for each row, ``n_bins`` is not a positive integer, or ``confidence`` lies
            outside (0, 1).
        TypeError
            If ``y_dist`` is none of the three.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import PITDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = PITDisplay.from_predictions(y, normal, bar_kw={"color": "0.8"})
        >>> display.heights_.shape
        (1, 10)
        >>> plt.close(display.figure_)
        """
        display = cls._of_predictions(
            y_true, y_dist, sample_weight=sample_weight, name=name, target=target, target_names=target_names
        )
        return display.plot(ax, n_bins=n_bins, confidence=confidence, bar_kw=bar_kw, band_kw=band_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        n_bins: int = 10,
        confidence: float = 0.95,
        bar_kw: dict[str, Any] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a figure. The band of the first display on the axes stays.
        name : str, default=None
            For the legend. None takes the one that is stored.
        n_bins : int, default=10
            Bars.
        confidence : float, default=0.95
            Probability that a bar of a calibrated prediction lies in the band: that of a binomial share of
            the rows, each bar on its own. With weights the rows count as many as their effective number.
        bar_kw : dict, default=None
            Keyword arguments of the bars, or of the outlines for several targets.
        band_kw : dict, default=None
            Keyword arguments of the band.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If ``n_bins`` is not a positive integer or ``confidence`` lies outside (0, 1).

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from sklearn_mdn.plotting import PITDisplay
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> normal = norm(x, 0.1 + x)
        >>> y = normal.rvs(random_state=0)
        >>> display = PITDisplay(pit=normal.cdf(y)).plot(n_bins=4)
        >>> len(display.bars_)
        4
        >>> plt.close(display.figure_)
        """
        n_bins, confidence = check_count(n_bins, "n_bins"), check_confidence(confidence)
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        edges = np.linspace(0.0, 1.0, n_bins + 1)
        self.heights_ = np.array(
            [np.histogram(u, edges, weights=self.sample_weight, density=True)[0] for u in self._columns()]
        )
        low, high = self._band(1.0 / n_bins, confidence)
        self.band_ = (float(low * n_bins), float(high * n_bins))
        drawn_before = ax.get_ylim()[1] if has_reference(ax) else 0.0
        self._draw_bars(ax, edges, name, bar_kw)
        if not has_reference(ax):
            self._draw_band(ax, f"{confidence:.0%} band", band_kw)
        ax.set(xlim=(0, 1), xlabel=self._quantity("probability integral transform"), ylabel="density")
        ax.set_ylim(bottom=0)
        legend_above(ax, max(drawn_before, 1.05 * max(self.heights_.max(), self.band_[1])))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_bars(
        self, ax: Axes, edges: NDArray[np.float64], name: str | None, bar_kw: dict[str, Any] | None
    ) -> None:
        palette = Palette.of(ax)
        if len(self.heights_) == 1:
            color = palette.mixed(palette.deep, 0.6 if palette.dark else 0.45)
            drawn = options(bar_kw, color=color, edgecolor=palette.paper, label=self._label(0, name))
            self.bars_ = list(
                ax.bar(edges[:-1], self.heights_[0], 1.0 / (len(edges) - 1), align="edge", **drawn)
            )
            return
        self.bars_ = []
        for j, heights in enumerate(self.heights_):
            color = palette.cycle[j % len(palette.cycle)]
            drawn = options(bar_kw, color=color, linewidth=1.8, label=self._label(j, name))
            self.bars_.append(ax.stairs(heights, edges, baseline=None, **drawn))

    def _draw_band(self, ax: Axes, label: str, band_kw: dict[str, Any] | None) -> None:
        """Shading behind the bars, its borders and the uniform density in front of them."""
        palette = Palette.of(ax)
        drawn = options(band_kw, **palette.band, zorder=0.5, label=label)
        ax.axhspan(*self.band_, gid=REFERENCE, **drawn)
        for height, style in ((self.band_[0], ":"), (1.0, "--"), (self.band_[1], ":")):
            ax.axhline(height, color=palette.grey, linestyle=style, linewidth=1.2)

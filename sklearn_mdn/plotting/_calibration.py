"""Displays of calibration: the PIT histogram and the reliability of intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.utils import check_array

from sklearn_mdn._distributions.checks import check_confidence, check_count
from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._distributions.transformed import predict_density
from sklearn_mdn.metrics._scores import pit_values
from sklearn_mdn.plotting._drawing import (
    CYCLE,
    GREY,
    REFERENCE,
    SKY,
    has_reference,
    next_color,
    options,
    prepare_axes,
)


def binomial_band(probability: np.ndarray, n_rows: float, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the share of n rows that falls where each does with some probability."""
    n_rows, tail = max(round(n_rows), 1), 0.5 * (1.0 - confidence)
    return tuple(stats.binom.ppf(level, n_rows, probability) / n_rows for level in (tail, 1.0 - tail))


def effective_rows(sample_weight: np.ndarray) -> float:
    """Number of equally weighted rows whose mean varies as much (Kish 1965, "Survey Sampling")."""
    return sample_weight.sum() ** 2 / (sample_weight**2).sum()


class _PITBased:
    """What the two displays have in common: they are drawn from PIT values and weights alone.

    Parameters
    ----------
    pit : ndarray of shape (n,) or (n, D)
        Probability integral transforms.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    name : str, default=None
        What was judged, for the legend.
    """

    def __init__(self, *, pit, sample_weight=None, name=None):
        self.pit = check_array(pit, ensure_2d=False, dtype=np.float64, input_name="pit")
        outside = (self.pit < 0.0) | (self.pit > 1.0)
        if outside.any():
            raise ValueError(f"pit must lie between 0 and 1, got {self.pit[outside][0]}.")
        self.sample_weight = check_row_weights(sample_weight, self.pit)
        self.name = name

    def _columns(self):
        """PIT values of each target."""
        return self.pit.reshape(len(self.pit), -1).T

    def _label(self, target: int, name) -> str | None:
        """Legend entry of a target."""
        name = self.name if name is None else name
        if self.pit.ndim == 1 or self.pit.shape[1] == 1:
            return name
        return f"target {target}" if name is None else f"{name}, target {target}"


class PITDisplay(_PITBased):
    """Histogram of the probability integral transform, with the band that calibration leaves it.

    Flat where the predicted distributions are right; a hill means that they are too wide, a valley that
    they are too narrow, a slope that they are biased. It is recommended to make one with
    :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    pit : array-like of shape (n,) or (n, D)
        Probability integral transforms, as :func:`~sklearn_mdn.metrics.pit_values` gives them.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    name : str, default=None
        What was judged, for the legend.

    Attributes
    ----------
    heights_ : ndarray of shape (D, n_bins)
        Heights of the histogram of each target; 1 is uniform.
    band_ : tuple of two floats
        Bounds of the band.
    bars_ : list of matplotlib artists
        The bars of one target, or an outline for each of several.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Raises
    ------
    ValueError
        If there is not one non-negative weight for each row.

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

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        sample_weight=None,
        name=None,
        n_bins=10,
        confidence=0.95,
        ax=None,
        bar_kw=None,
    ):
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
        n_bins : int, default=10
            Bars.
        confidence : float, default=0.95
            Probability that a bar of a calibrated prediction lies in the band.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        bar_kw : dict, default=None
            Keyword arguments of the bars, or of the outlines for several targets.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have the shape of the target in ``fit``, there is not one non-negative weight
            for each row, ``n_bins`` is not a positive integer, or ``confidence`` lies outside (0, 1).
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
        return cls.from_predictions(
            y,
            predict_density(estimator, X),
            sample_weight=sample_weight,
            name=type(estimator).__name__ if name is None else name,
            n_bins=n_bins,
            confidence=confidence,
            ax=ax,
            bar_kw=bar_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_dist,
        *,
        sample_weight=None,
        name=None,
        n_bins=10,
        confidence=0.95,
        ax=None,
        bar_kw=None,
    ):
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
        n_bins : int, default=10
            Bars.
        confidence : float, default=0.95
            Probability that a bar of a calibrated prediction lies in the band.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        bar_kw : dict, default=None
            Keyword arguments of the bars, or of the outlines for several targets.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have the shape of the distributions, there is not one non-negative weight
            for each row, ``n_bins`` is not a positive integer, or ``confidence`` lies outside (0, 1).
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
        >>> display = PITDisplay.from_predictions(y, normal)
        >>> display.heights_.shape
        (1, 10)
        >>> plt.close(display.figure_)
        """
        display = cls(pit=pit_values(y_true, y_dist), sample_weight=sample_weight, name=name)
        return display.plot(ax, n_bins=n_bins, confidence=confidence, bar_kw=bar_kw)

    def plot(self, ax=None, *, name=None, n_bins=10, confidence=0.95, bar_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        name : str, default=None
            For the legend. None takes the one that is stored.
        n_bins : int, default=10
            Bars.
        confidence : float, default=0.95
            Probability that a bar of a calibrated prediction lies in the band: that of a binomial share of
            the rows, each bar on its own. With weights the rows count as many as their effective number.
        bar_kw : dict, default=None
            Keyword arguments of the bars, or of the outlines for several targets.

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
        share = binomial_band(np.array(1.0 / n_bins), effective_rows(self.sample_weight), confidence)
        self.band_ = (float(share[0] * n_bins), float(share[1] * n_bins))
        if len(self.heights_) == 1:
            drawn = options(bar_kw, color=SKY, edgecolor="white", label=self._label(0, name))
            self.bars_ = list(ax.bar(edges[:-1], self.heights_[0], 1.0 / n_bins, align="edge", **drawn))
        else:
            self.bars_ = []
            for j, heights in enumerate(self.heights_):
                color = CYCLE[j % len(CYCLE)]
                drawn = options(bar_kw, color=color, linewidth=1.8, label=self._label(j, name))
                self.bars_.append(ax.stairs(heights, edges, baseline=None, **drawn))
        top = ax.get_ylim()[1] if has_reference(ax) else 0.0
        if not has_reference(ax):
            label = f"{confidence:.0%} band"
            ax.axhspan(*self.band_, color=GREY, alpha=0.25, linewidth=0, label=label, gid=REFERENCE)
            ax.axhline(1.0, color=GREY, linestyle="--", linewidth=1.2)
        legend = ax.legend(loc="upper center", ncols=2, fontsize="small", frameon=False)
        legend.set_in_layout(False)  # a long name must not make the axes narrow
        room = 1.1 + 0.1 * np.ceil(len(legend.get_texts()) / 2)
        ax.set(xlim=(0, 1), ylim=(0, max(top, room * max(self.heights_.max(), self.band_[1]))))
        ax.set(xlabel="probability integral transform", ylabel="density")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ReliabilityDisplay(_PITBased):
    """Observed against nominal coverage, at all levels at once.

    On the diagonal where the predicted distributions are calibrated; below it the intervals are too
    narrow. It is recommended to make one with :meth:`from_estimator` or :meth:`from_predictions`; several
    can share axes.

    Parameters
    ----------
    pit : array-like of shape (n,) or (n, D)
        Probability integral transforms, as :func:`~sklearn_mdn.metrics.pit_values` gives them.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    name : str, default=None
        What was judged, for the legend.

    Attributes
    ----------
    nominal_ : ndarray of shape (101,)
        Levels.
    observed_ : ndarray of shape (D, 101)
        Share of the rows inside, for each target.
    band_ : tuple of two ndarrays of shape (101,)
        Bounds of the band around the diagonal.
    lines_ : list of matplotlib Line2D
        One a target.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Raises
    ------
    ValueError
        If there is not one non-negative weight for each row.

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

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        sample_weight=None,
        name=None,
        kind="interval",
        confidence=0.95,
        ax=None,
        line_kw=None,
    ):
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
        kind : {"interval", "quantile"}, default="interval"
            Coverage of central intervals, or share of the targets below quantiles.
        confidence : float, default=0.95
            Probability that a calibrated prediction lies in the band at a level.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        line_kw : dict, default=None
            Keyword arguments of the lines.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If ``y`` does not have the shape of the target in ``fit``, there is not one non-negative weight
            for each row, ``kind`` is neither of the two, or ``confidence`` lies outside (0, 1).
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
        return cls.from_predictions(
            y,
            predict_density(estimator, X),
            sample_weight=sample_weight,
            name=type(estimator).__name__ if name is None else name,
            kind=kind,
            confidence=confidence,
            ax=ax,
            line_kw=line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_dist,
        *,
        sample_weight=None,
        name=None,
        kind="interval",
        confidence=0.95,
        ax=None,
        line_kw=None,
    ):
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
        kind : {"interval", "quantile"}, default="interval"
            Coverage of central intervals, or share of the targets below quantiles.
        confidence : float, default=0.95
            Probability that a calibrated prediction lies in the band at a level.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        line_kw : dict, default=None
            Keyword arguments of the lines.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If ``y_true`` does not have the shape of the distributions, there is not one non-negative weight
            for each row, ``kind`` is neither of the two, or ``confidence`` lies outside (0, 1).
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
        display = cls(pit=pit_values(y_true, y_dist), sample_weight=sample_weight, name=name)
        return display.plot(ax, kind=kind, confidence=confidence, line_kw=line_kw)

    def plot(self, ax=None, *, name=None, kind="interval", confidence=0.95, line_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
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
        if kind not in ("interval", "quantile"):
            raise ValueError(f"kind must be 'interval' or 'quantile', got {kind!r}.")
        confidence = check_confidence(confidence)
        ax = prepare_axes(ax, f"{type(self).__name__}.plot", figsize=(4.4, 4.2))
        self.nominal_ = np.linspace(0.0, 1.0, 101)
        needed = [np.abs(2.0 * u - 1.0) if kind == "interval" else u for u in self._columns()]
        self.observed_ = np.array([self._share_up_to(levels) for levels in needed])
        self.band_ = binomial_band(self.nominal_, effective_rows(self.sample_weight), confidence)
        if not has_reference(ax):
            label = f"{confidence:.0%} band"
            ax.fill_between(
                self.nominal_, *self.band_, color=GREY, alpha=0.25, linewidth=0, label=label, gid=REFERENCE
            )
            ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2)
        self.lines_ = []
        for j, observed in enumerate(self.observed_):
            drawn = options(line_kw, color=next_color(ax), label=self._label(j, name), linewidth=1.8)
            self.lines_ += ax.plot(self.nominal_, observed, **drawn)
        words = (
            ("nominal coverage", "observed coverage")
            if kind == "interval"
            else ("quantile level", "share below")
        )
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel=words[0], ylabel=words[1])
        ax.legend(loc="lower right", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _share_up_to(self, values: np.ndarray) -> np.ndarray:
        """Weighted share of the values up to each nominal level."""
        order = np.argsort(values)
        share = np.concatenate([[0.0], np.cumsum(self.sample_weight[order])]) / self.sample_weight.sum()
        return share[np.searchsorted(values[order], self.nominal_, side="right")]

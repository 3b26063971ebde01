"""Display of the course of training."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.unwrap import unwrap
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn.plotting._drawing import BLUE, VERMILION, options, prepare_axes


class TrainingCurveDisplay:
    """Loss of the training rows and of the held-out rows by epoch, a pair of lines for each network.

    It is recommended to make one with :meth:`from_estimator`.

    Parameters
    ----------
    loss_curves : list of E arrays
        Mean negative log-likelihood of the training batches of each epoch.
    validation_scores : list of E arrays, default=None
        Held-out log-likelihood after each epoch; empty arrays, or None, without held-out rows.

    Attributes
    ----------
    loss_lines_, validation_lines_ : list of matplotlib Line2D
        One for each network that has such values.
    best_ : matplotlib Line2D or None
        Marks at the lowest held-out loss of each network.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mdn import MDNRegressor
    >>> from sklearn_mdn.plotting import TrainingCurveDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MDNRegressor(n_estimators=3, max_iter=5, random_state=0).fit(X, y)
    >>> display = TrainingCurveDisplay.from_estimator(model)
    >>> len(display.loss_lines_)
    3
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, loss_curves, validation_scores=None):
        self.loss_curves = loss_curves
        self.validation_scores = validation_scores

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, loss_kw=None, validation_kw=None):
        """Draw the display of a fitted estimator.

        Parameters
        ----------
        estimator : MDNRegressor
            Fitted; also inside scikit-learn's wrappers.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        loss_kw, validation_kw : dict, default=None
            Keyword arguments of the lines of the training and the held-out loss.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        TypeError
            If the estimator inside is no :class:`~sklearn_mdn.MDNRegressor`.
        sklearn.exceptions.NotFittedError
            If it is not fitted.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> from sklearn_mdn.plotting import TrainingCurveDisplay
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(max_iter=5, random_state=0).fit(X, y)
        >>> display = TrainingCurveDisplay.from_estimator(model, loss_kw={"color": "0.5"})
        >>> len(display.loss_lines_)
        1
        >>> plt.close(display.figure_)
        """
        regressor = unwrap(estimator).regressor
        if not isinstance(regressor, MDNRegressor):
            raise TypeError(f"estimator must be a fitted MDNRegressor, got {type(regressor).__name__}.")
        check_is_fitted(regressor)
        display = cls(loss_curves=regressor.loss_curve_, validation_scores=regressor.validation_scores_)
        return display.plot(ax, loss_kw=loss_kw, validation_kw=validation_kw)

    def plot(self, ax=None, *, loss_kw=None, validation_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        loss_kw, validation_kw : dict, default=None
            Keyword arguments of the lines of the training and the held-out loss.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        ValueError
            If there is no training loss to draw.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn_mdn.plotting import TrainingCurveDisplay
        >>> curves = {"loss_curves": [[2.0, 1.5, 1.2]], "validation_scores": [[-2.1, -1.7, -1.8]]}
        >>> display = TrainingCurveDisplay(**curves).plot()
        >>> display.best_.get_xdata()  # the epoch with the lowest held-out loss
        array([2])
        >>> plt.close(display.figure_)
        """
        if not any(np.isfinite(curve).any() for curve in self.loss_curves):
            raise ValueError("loss_curves must hold a curve with a finite value, got none.")
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        curves = [-np.asarray(scores) for scores in self.validation_scores or []]
        held_out = [curve for curve in curves if np.isfinite(curve).any()]
        many = len(self.loss_curves) > 1
        thin = {"linewidth": 1.0, "alpha": 0.6} if many else {"linewidth": 1.6}
        self.loss_lines_ = self._lines(ax, self.loss_curves, "training", options(loss_kw, color=BLUE, **thin))
        self.validation_lines_ = self._lines(
            ax, held_out, "held-out", options(validation_kw, color=VERMILION, **thin)
        )
        self.best_ = None
        if held_out:
            epochs = [int(np.nanargmin(curve)) for curve in held_out]
            lowest = [curve[epoch] for curve, epoch in zip(held_out, epochs, strict=True)]
            color = self.validation_lines_[0].get_color()
            (self.best_,) = ax.plot(
                np.array(epochs) + 1,
                lowest,
                "o",
                color=color,
                markeredgecolor="white",
                label="lowest held-out",
            )
        self._set_limits(ax, [*self.loss_curves, *held_out])
        ax.set(xlabel="epoch", ylabel="negative log-likelihood per row")
        ax.legend(loc="best", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _lines(self, ax, curves, label, drawn):
        lines = []
        for i, curve in enumerate(curves):
            named = options(drawn, label=label if i == 0 else None)
            lines += ax.plot(np.arange(1, len(curve) + 1), curve, **named)
        return lines

    def _set_limits(self, ax, curves):
        """Show where the loss ends up: the first epochs can be far above."""
        values = np.concatenate([np.asarray(curve) for curve in curves])
        values = values[np.isfinite(values)]
        late = np.concatenate([np.asarray(curve)[len(curve) // 20 :] for curve in curves])
        low, high = values.min(), np.nanmax(late[np.isfinite(late)])
        margin = 0.05 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + margin)

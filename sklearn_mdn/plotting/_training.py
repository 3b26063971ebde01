"""Display of the course of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.unwrap import unwrap
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn.plotting._drawing import VERMILION, Palette, options, prepare_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


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
    loss_lines_, validation_lines_ : list of matplotlib.lines.Line2D
        One for each network that has such values.
    best_ : matplotlib.lines.Line2D or None
        Marks at the lowest held-out loss of each network.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

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

    loss_lines_: list[Line2D]
    validation_lines_: list[Line2D]
    best_: Line2D | None
    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self, *, loss_curves: Sequence[ArrayLike], validation_scores: Sequence[ArrayLike] | None = None
    ) -> None:
        self.loss_curves = loss_curves
        self.validation_scores = validation_scores

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        loss_kw: dict[str, Any] | None = None,
        validation_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display of a fitted estimator.

        Parameters
        ----------
        estimator : MDNRegressor
            Fitted; also inside scikit-learn's wrappers.
        ax, loss_kw, validation_kw
            As in :meth:`plot`.

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

    def plot(
        self,
        ax: Axes | None = None,
        *,
        loss_kw: dict[str, Any] | None = None,
        validation_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
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
        losses = [np.asarray(curve, dtype=np.float64) for curve in self.loss_curves]
        if not any(np.isfinite(curve).any() for curve in losses):
            raise ValueError("loss_curves must hold a curve with a finite value, got none.")
        ax = prepare_axes(ax, f"{type(self).__name__}.plot")
        palette = Palette.of(ax)
        curves = [-np.asarray(scores, dtype=np.float64) for scores in self.validation_scores or []]
        held_out = [curve for curve in curves if np.isfinite(curve).any()]
        thin = {"linewidth": 1.0, "alpha": 0.6} if len(losses) > 1 else {"linewidth": 1.6}
        drawn = options(loss_kw, color=palette.deep, **thin)
        self.loss_lines_ = _draw_lines(ax, losses, "training", drawn)
        drawn = options(validation_kw, color=VERMILION, **thin)
        self.validation_lines_ = _draw_lines(ax, held_out, "held-out", drawn)
        self.best_ = None
        if held_out:
            epochs = [int(np.nanargmin(curve)) for curve in held_out]
            lowest = [curve[epoch] for curve, epoch in zip(held_out, epochs, strict=True)]
            (self.best_,) = ax.plot(
                np.array(epochs) + 1, lowest, "o", color=self.validation_lines_[0].get_color(),
                markeredgecolor=palette.paper, label="lowest held-out",
            )  # fmt: skip
        _set_limits(ax, [*losses, *held_out])
        ax.set(xlabel="epoch", ylabel="negative log-likelihood per row")
        ax.legend(loc="best", **palette.legend)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _draw_lines(
    ax: Axes, curves: list[NDArray[np.float64]], label: str, drawn: dict[str, Any]
) -> list[Line2D]:
    lines: list[Line2D] = []
    for i, curve in enumerate(curves):
        named = options(drawn, label=label if i == 0 else None)
        lines += ax.plot(np.arange(1, len(curve) + 1), curve, **named)
    return lines


def _set_limits(ax: Axes, curves: list[NDArray[np.float64]]) -> None:
    """Show where the loss ends up: the first epochs can be far above."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    late = np.concatenate([curve[len(curve) // 20 :] for curve in curves])
    low, high = values.min(), np.nanmax(late[np.isfinite(late)])
    margin = 0.05 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)

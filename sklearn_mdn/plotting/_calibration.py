"""What the displays of calibration share: PIT values, their weights, and the band that chance leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.utils import check_array

from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn.metrics._forecast import as_forecast
from sklearn_mdn.metrics._scores import pit_values
from sklearn_mdn.plotting._names import as_fitted, check_names, in_order, target_index

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

ROUNDING = 1e-9  # a probability may lie this far outside [0, 1] without being a mistake


class CalibrationDisplay:
    """What is drawn from PIT values and weights alone.

    Parameters
    ----------
    pit : array-like of shape (n,) or (n, D)
        Probability integral transforms.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    name : str, default=None
        What was judged, for the legend.
    target_names : sequence of D str, default=None
        What the targets are called.
    """

    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self,
        *,
        pit: ArrayLike,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        target_names: Sequence[str] | None = None,
    ) -> None:
        values: NDArray[np.float64] = check_array(pit, ensure_2d=False, dtype=np.float64, input_name="pit")
        outside = (values < -ROUNDING) | (values > 1.0 + ROUNDING)
        if outside.any():
            raise ValueError(f"pit must lie between 0 and 1, got {values[outside][0]}.")
        self.pit = np.clip(values, 0.0, 1.0)
        weights: NDArray[np.float64] = check_row_weights(sample_weight, self.pit)
        self.sample_weight = weights
        self.name = name
        self.target_names = check_names(target_names, None, len(self._columns()))

    @classmethod
    def _of_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None,
        name: str | None,
        target: int | str | None,
        target_names: ArrayLike | None,
    ) -> Self:
        """The display of what a fitted estimator predicts, not drawn yet."""
        y, target_names = as_fitted(estimator, y, target_names)
        return cls._of_predictions(
            y,
            predict_distribution(estimator, X),
            sample_weight=sample_weight,
            name=type(estimator).__name__ if name is None else name,
            target=target,
            target_names=target_names,
        )

    @classmethod
    def _of_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        sample_weight: ArrayLike | None,
        name: str | None,
        target: int | str | None,
        target_names: ArrayLike | None,
    ) -> Self:
        """The display of predicted distributions, not drawn yet."""
        shape = as_forecast(y_dist).shape
        n_targets = shape[1] if len(shape) == 2 else 1
        names = check_names(target_names, y_true, n_targets)
        pit: NDArray[np.float64] = pit_values(in_order(y_true, names), y_dist)
        if target is not None:
            index = target_index(target, n_targets, names)
            pit = pit.reshape(len(pit), n_targets)[:, index]
            names = None if names is None else names[index : index + 1]
        return cls(pit=pit, sample_weight=sample_weight, name=name, target_names=names)

    def _columns(self) -> NDArray[np.float64]:
        """PIT values of each target."""
        return self.pit.reshape(len(self.pit), -1).T

    def _label(self, target: int, name: str | None) -> str | None:
        """Legend entry of a target."""
        name = self.name if name is None else name
        if len(self._columns()) == 1:
            return name
        called = f"target {target}" if self.target_names is None else self.target_names[target]
        return called if name is None else f"{name}, {called}"

    def _quantity(self, words: str) -> str:
        """What an axis shows, and of which target where there is one with a name."""
        return (
            words
            if self.target_names is None or len(self.target_names) > 1
            else f"{words} of {self.target_names[0]}"
        )

    def _band(
        self, probability: ArrayLike, confidence: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds of the share of the rows that falls where each does with some probability."""
        return binomial_band(np.asarray(probability), effective_rows(self.sample_weight), confidence)


def binomial_band(
    probability: NDArray[np.float64], n_rows: float, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Central interval of the share of n rows that falls where each does with some probability."""
    n_rows, tail = max(round(n_rows), 1), 0.5 * (1.0 - confidence)
    lower, upper = (stats.binom.ppf(level, n_rows, probability) / n_rows for level in (tail, 1.0 - tail))
    return lower, upper


def effective_rows(sample_weight: NDArray[np.float64]) -> float:
    """Number of equally weighted rows whose mean varies as much (Kish 1965, "Survey Sampling")."""
    return float(sample_weight.sum() ** 2 / (sample_weight**2).sum())

"""What the displays of chosen rows share: densities, which rows of them, and what was observed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn.plotting._rows import UnivariateRows, check_rows, one_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class ChosenRowsDisplay:
    """The densities of some of n rows.

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
    """

    y_grid_: NDArray[np.float64]
    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(
        self, *, y_dist: Any, rows: ArrayLike, y_points: ArrayLike | None = None, y_label: str | None = None
    ) -> None:
        self.y_dist = y_dist
        self.rows = rows
        self.y_points = y_points
        self.y_label = y_label

    @classmethod
    def _of_predictions(
        cls,
        y_true: Any,
        y_dist: Any,
        *,
        rows: ArrayLike | None,
        n_rows: int,
        target: int | str | None,
        target_names: ArrayLike | None,
    ) -> Self:
        """The display of predicted distributions, not drawn yet; of ``n_rows`` rows if none are named."""
        drawn = one_target(y_true, y_dist, target, target_names)
        return cls(
            y_dist=drawn.densities.y_dist,
            rows=check_rows(rows, drawn.densities.quantiles([0.5])[0], n_rows),
            y_points=drawn.y,
            y_label=drawn.label,
        )

    def _chosen(self) -> tuple[NDArray[np.intp], UnivariateRows, NDArray[np.float64] | None]:
        """Which rows, their densities, and what was observed."""
        densities = UnivariateRows(self.y_dist)
        chosen = check_rows(self.rows, np.empty(densities.n_rows), 1)
        observed = None if self.y_points is None else np.asarray(self.y_points, dtype=np.float64)[chosen]
        return chosen, densities.take(chosen), observed

"""All scores of a prediction in one table."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.html import table
from sklearn_mdn._distributions.typing import DistributionLike
from sklearn_mdn.metrics._forecast import UnavailableScoreError, check_forecast
from sklearn_mdn.metrics._scores import (
    calibration_error,
    coverage,
    crps,
    energy_score,
    hdr_coverage,
    interval_score,
    interval_width,
    log_likelihood,
    pinball_loss,
)

JOINT_SCORES: dict[str, Callable[..., float]] = {
    "log_likelihood": log_likelihood,
    "energy_score": energy_score,
    "hdr_coverage": hdr_coverage,
}
TARGET_SCORES: dict[str, Callable[..., NDArray[np.float64]]] = {
    "crps": crps,
    "pinball_loss": pinball_loss,
    "interval_score": interval_score,
    "coverage": coverage,
    "interval_width": interval_width,
    "calibration_error": calibration_error,
}
OF_A_CONFIDENCE = {"interval_score", "coverage", "interval_width", "hdr_coverage"}
# The order of the rows of the table, and how to read each.
READING = {
    "log_likelihood": "higher is better",
    "crps": "lower is better",
    "energy_score": "lower is better",
    "pinball_loss": "lower is better",
    "interval_score": "lower is better",
    "coverage": "near {confidence:g}",
    "hdr_coverage": "near {confidence:g}",
    "interval_width": "lower, at equal coverage",
    "calibration_error": "lower; {chance:.2g} by chance",
}


class DistributionReport(dict[str, float]):
    """Scores by name, printed as a table: what :func:`distribution_report` returns.

    Parameters
    ----------
    scores : dict
        Scores by name, averaged over targets.
    per_target, n_rows, confidence
        Kept as attributes.

    Attributes
    ----------
    per_target : dict
        Arrays (D,) of the scores that each target has of its own; empty for a 1-d target.
    n_rows : int
        Rows that were judged.
    confidence : float
        Of the intervals and regions.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import distribution_report
    >>> normal = norm([[0.0, 1.0]] * 100, 1.0)
    >>> report = distribution_report(normal.rvs(random_state=0), normal)
    >>> report.per_target["crps"].shape
    (2,)
    """

    def __init__(
        self,
        scores: dict[str, float],
        per_target: dict[str, NDArray[np.float64]],
        n_rows: int,
        confidence: float,
    ) -> None:
        super().__init__(scores)
        self.per_target = per_target
        self.n_rows = n_rows
        self.confidence = confidence

    def __repr__(self) -> str:
        head, *rows = self._lines()
        width = max(len(name) for name in READING)
        lines = [f"{head[0]:<{width}}" + "".join(f"{text:>12}" for text in head[1:-1])]
        for name, *figures, reading in rows:
            lines.append(f"{name:<{width}}{''.join(f'{text:>12}' for text in figures)}   {reading}")
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        """Show the same table in a notebook."""
        head, *rows = self._lines()
        return table("", head, ([escape(text) for text in row] for row in rows))

    def _lines(self) -> list[list[str]]:
        """The head of the table, then a line for each score: name, figures and how to read them."""
        options = {"confidence": self.confidence, "chance": 0.31 / np.sqrt(self.n_rows)}
        n_targets = max((len(values) for values in self.per_target.values()), default=0)
        head = ["all" if n_targets else "", *(f"target {j}" for j in range(n_targets))]
        lines = [[f"{self.n_rows} rows", *head, ""]]
        for name, score in self.items():
            figures = [f"{value:.5g}" for value in (score, *self.per_target.get(name, []))]
            figures += [""] * (1 + n_targets - len(figures))
            lines.append([name, *figures, READING.get(name, "").format(**options)])
        return lines


def distribution_report(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
) -> DistributionReport:
    """All scores of predicted distributions, as a dict that prints as a table.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it, a row.
    confidence : float, default=0.9
        Probability inside the intervals and regions, between 0 and 1.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    report : DistributionReport
        A dict of floats: "log_likelihood", "crps", "energy_score" (of several targets), "pinball_loss",
        "interval_score", "coverage", "hdr_coverage", "interval_width" and "calibration_error", each what
        the function of that name gives, averaged over targets. Scores that the form of ``y_dist`` does not
        allow, such as the log-likelihood of draws, are left out. ``report.per_target`` has the scores of
        each of several targets.

    Raises
    ------
    ValueError
        If the shapes differ or ``confidence`` lies outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import distribution_report
    >>> mean = np.linspace(-1.0, 1.0, 200)
    >>> y = norm(mean, 1.0).rvs(random_state=0)
    >>> distribution_report(y, norm(mean, 1.0))
    200 rows
    log_likelihood        -1.4431   higher is better
    crps                  0.58593   lower is better
    pinball_loss          0.32134   lower is better
    interval_score         4.0241   lower is better
    coverage                 0.89   near 0.9
    hdr_coverage             0.89   near 0.9
    interval_width         3.2897   lower, at equal coverage
    calibration_error    0.020997   lower; 0.022 by chance
    """
    y, _ = check_forecast(y_true, y_dist)
    n_targets = 1 if y.ndim == 1 else y.shape[1]
    scores: dict[str, float] = {}
    per_target: dict[str, NDArray[np.float64]] = {}
    for name in READING:
        options: dict[str, Any] = {"confidence": confidence} if name in OF_A_CONFIDENCE else {}
        if name in TARGET_SCORES:
            values = TARGET_SCORES[name](
                y, y_dist, sample_weight=sample_weight, multioutput="raw_values", **options
            )
            scores[name] = float(values.mean())
            if n_targets > 1:
                per_target[name] = values
        elif name != "energy_score" or n_targets > 1:
            try:
                scores[name] = JOINT_SCORES[name](y, y_dist, sample_weight=sample_weight, **options)
            except UnavailableScoreError:
                continue
    return DistributionReport(scores, per_target, len(y), confidence)

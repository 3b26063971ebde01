"""Fits to what was recorded of a target whose density is known: how many nats are lost on the way."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_mdn import ClippedDistribution, MDNRegressor, MixtureDistribution

MARGIN = 0.05  # nats, beyond what a fit to the target itself loses
STEP, LOW, N_ROWS = 0.5, -1.0, 3000


def truth(X):
    """Two answers, whose shares, places and widths hang on x."""
    x = X[:, 0]
    weights = np.column_stack([0.5 - 0.3 * x, 0.5 + 0.3 * x])
    deviations = np.column_stack([0.25 + 0.15 * x, 0.4 - 0.1 * x])
    return MixtureDistribution(weights, np.column_stack([-1 - x, 1 + x]), deviations**2)


def rows(seed, n):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 1))
    return X, truth(X).rvs(random_state=rng)


X, Z = rows(0, N_ROWS)
X_NEW, Z_NEW = rows(1, 4000)
END = np.random.default_rng(2).uniform(-1, 4, N_ROWS)


def fitted(y, y_upper=None, **options):
    model = MDNRegressor(3, hidden_layer_sizes=(32,), max_iter=60, random_state=0, **options)
    return model.fit(X, y, y_upper=y_upper).predict_distribution(X_NEW)


@pytest.fixture(scope="module")
def of_the_target():
    return fitted(Z)


def log_density(density):
    return density.logpdf(Z_NEW)


def log_rounded(density):
    value = np.round(Z_NEW / STEP) * STEP
    return np.log(density.prob(value - STEP / 2, value + STEP / 2))


def log_clipped(density):
    clipped = (
        density if isinstance(density, ClippedDistribution) else ClippedDistribution(density, LOW, np.inf)
    )
    return clipped.logpdf(np.maximum(Z_NEW, LOW))


# By what was recorded: the fit, and what is judged.
RECORDED = {
    "censored": (lambda: fitted(np.minimum(Z, END), np.where(Z > END, np.inf, Z)), log_density),
    "rounded": (lambda: fitted(np.round(Z / STEP) * STEP, resolution=STEP), log_rounded),
    "clipped": (lambda: fitted(np.maximum(Z, LOW), limits=(LOW, None)), log_clipped),
}


@pytest.mark.parametrize("name", RECORDED)
def test_little_is_lost_by_what_was_recorded(name, of_the_target):
    """Kullback-Leibler divergence from the truth; a fourth of the rows is censored, a sixth clipped."""
    fit, judged = RECORDED[name]
    best = judged(truth(X_NEW))
    lost, reference = (float((best - judged(density)).mean()) for density in (fit(), of_the_target))
    assert reference < MARGIN
    assert lost < reference + MARGIN


def test_much_is_lost_by_taking_ends_for_values():
    assert (truth(X_NEW).logpdf(Z_NEW) - fitted(np.minimum(Z, END)).logpdf(Z_NEW)).mean() > 2 * MARGIN

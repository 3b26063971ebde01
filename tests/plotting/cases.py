"""Densities, estimators and readings of artists for the tests of displays."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator, RegressorMixin

from sklearn_mdn import MixtureDistribution
from tests._distributions.linear_density import LinearDensity

N = 30


def mixture(n=N, k=3, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(k), n), 3 * rng.normal(size=(n, k)), rng.uniform(0.2, 1.0, (n, k))
    )


def mixture_2d(n=N, k=2, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(k), n),
        2 * rng.normal(size=(n, k, 2)),
        rng.uniform(0.2, 1.0, (n, k, 2)),
        covariance_type="diag",
    )


def fitted(n_targets=1, n_features=3, wrap=lambda model: model):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, n_features))
    y = X @ rng.normal(size=(n_features, n_targets)) + rng.normal(size=(N, n_targets))
    y = y[:, 0] if n_targets == 1 else y
    return wrap(LinearDensity()).fit(X, y), X, y


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def corners(collection):
    """Vertices of the first polygon of what fill_between drew."""
    return collection.get_paths()[0].vertices


class Told(RegressorMixin, BaseEstimator):
    """An estimator that remembers what it was asked about; its densities rise with the row."""

    def __init__(self, target_names=None):
        self.target_names = target_names
        if target_names is not None:
            self.target_names_ = np.array(target_names)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y):
        return self

    def predict_distribution(self, X):
        self.X = X
        if hasattr(self, "target_names_") and len(self.target_names_) > 1:
            return mixture_2d(len(X))
        return MixtureDistribution(np.ones((len(X), 1)), np.arange(len(X))[:, None], np.ones((len(X), 1)))


def contrast(color, paper):
    """Contrast of two colours, from 1 to 21 (WCAG 2.2); a transparent one shows the paper through."""
    *above, opacity = to_rgba(color)
    paper = np.array(to_rgba(paper)[:3])
    lights = []
    for rgb in (opacity * np.array(above) + (1 - opacity) * paper, paper):
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        lights.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(lights) / min(lights)

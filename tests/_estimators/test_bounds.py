"""Targets with a support or limits: what is learned, predicted, scored and refused."""

from __future__ import annotations

import pickle
from itertools import combinations_with_replacement

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, PowerTransformer, StandardScaler

from sklearn_mdn import (
    ClippedDistribution,
    DensityPool,
    MDNRegressor,
    MDNSearchCV,
    TransformedDistribution,
    predict_distribution,
)
from sklearn_mdn.metrics import (
    cross_val_predict_distribution,
    distribution_report,
    log_likelihood,
    log_likelihood_scorer,
)

SMALL = {"n_components": 2, "hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0, "dtype": "float64"}


def data(n=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    return X, np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=n)


def network(**parameters):
    return MDNRegressor(**{**SMALL, **parameters})


X, Z = data()
TARGETS = {
    "positive": ({"support": "positive"}, np.exp(Z)),
    "from below": ({"support": (-1.0, None)}, np.exp(Z) - 1.0),
    "from above": ({"support": (None, 2.0)}, 2.0 - np.exp(-Z)),
    "between": ({"support": (0.0, 10.0)}, 10.0 / (1.0 + np.exp(-Z))),
    "limits": ({"limits": (0.0, None)}, np.maximum(Z, 0.0)),
    "two limits": ({"limits": (-0.5, 0.5)}, np.clip(Z, -0.5, 0.5)),
}


@pytest.mark.parametrize("name", ["positive", "from below", "from above", "between"])
def test_a_support_is_its_transform(name):
    """The fit is that of the logarithm, or logit, and the rest the change of variables."""
    options, y = TARGETS[name]
    model, plain = network(**options).fit(X, y), network().fit(X, Z)
    density, latent = model.predict_distribution(X), plain.predict_distribution(X)
    assert isinstance(density, TransformedDistribution)
    np.testing.assert_allclose(density.latent.means, latent.means, rtol=1e-6, atol=1e-9)
    slope = 1.0 / {
        "positive": y, "from below": y + 1.0, "from above": 2.0 - y, "between": y * (1.0 - y / 10.0)
    }[name]  # fmt: skip
    np.testing.assert_allclose(
        model.score_samples(X, y), latent.logpdf(Z) + np.log(slope), rtol=1e-6, atol=1e-6
    )
    assert model.score(X, y) == pytest.approx(log_likelihood(y, density))
    mean = density.rvs(4000, random_state=0).mean(axis=1)
    np.testing.assert_allclose(model.predict(X), mean, atol=6 * density.std().max() / 4000**0.5)
    np.testing.assert_array_equal(model.predict(X, quantiles=[0.1]), density.ppf(0.1)[:, None])
    np.testing.assert_array_equal(model.predict(X, return_std=True)[1], density.std())
    # What is watched in training is in units of y as well.
    watched = network(**options).fit(X, y, X_val=X, y_val=y)
    assert watched.best_validation_score_[0] >= watched.score(X, y) - 1e-9
    assert watched.validation_scores_[0].max() == pytest.approx(watched.best_validation_score_[0])


def test_a_transformed_target_regressor_has_the_same_density():
    options, y = TARGETS["positive"]
    wrapped = TransformedTargetRegressor(network(), func=np.log, inverse_func=np.exp).fit(X, y)
    model = network(**options).fit(X, y)
    assert log_likelihood_scorer(wrapped, X, y) == pytest.approx(model.score(X, y), rel=1e-9)
    np.testing.assert_allclose(predict_distribution(wrapped, X).mean(), model.predict(X), rtol=1e-7)


@pytest.mark.parametrize("name", TARGETS)
def test_everything_takes_bounds(name):
    options, y = TARGETS[name]
    model = network(n_estimators=2, **options).fit(X, y, sample_weight=np.linspace(1, 2, len(y)))
    kind = TransformedDistribution if "support" in options else ClippedDistribution
    density = model.predict_distribution(X)
    assert isinstance(density, kind)
    assert len(density.members()) == 2
    assert model.sample(X[:3], 4, random_state=0).shape == (3, 4)
    assert model.predict_proba(X).shape == (len(X), 4)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.score_samples(X, y), model.score_samples(X, y))
    more = clone(model).set_params(warm_start=True, max_iter=2).fit(X, y).fit(X, y)
    assert more.n_iter_.tolist() == [4, 4]
    with pytest.raises(ValueError, match=r"goes on with (support|limits)="):
        more.set_params(support=None, limits=(-99.0, None) if "support" in options else None).fit(X, y)
    report = distribution_report(y, density)
    assert np.isfinite(list(report.values())).all()
    pool = DensityPool.from_fitted([model, network(**options).fit(X, y)])
    assert isinstance(pool.predict_distribution(X), kind)
    pipeline = make_pipeline(StandardScaler(), network(**options))
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=2)).all()
    assert isinstance(cross_val_predict_distribution(pipeline, X, y, cv=2), kind)


@pytest.mark.parametrize("name", ["between", "limits"])
@pytest.mark.parametrize("refit", [True, "stacking"])
def test_searches(name, refit):
    options, y = TARGETS[name]
    search = MDNSearchCV(network(**options), {"n_components": [1, 2]}, cv=2, refit=refit).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict_distribution(X).logpdf(y).mean() == pytest.approx(search.score(X, y))


def test_a_search_reads_the_target_anew_for_other_bounds():
    y = TARGETS["positive"][1]
    grid = [{}, {"support": "positive"}, {"support": (0.0, 99.0)}, {"limits": (0.5, None)}]
    y = np.maximum(y, 0.5)
    candidates = [{name: [value] for name, value in options.items()} for options in grid]
    search = MDNSearchCV(network(), candidates, cv=2).fit(X, y)
    for i, options in enumerate(grid):
        alone = cross_val_score(network(**options), X, y, cv=2)
        np.testing.assert_allclose(search.cv_results_["mean_test_score"][i], alone.mean(), rtol=1e-9)


@pytest.mark.parametrize("name", ["support", "limits"])
def test_stacking_refuses_candidates_of_several_kinds_before_training(name, monkeypatch):
    def trained(*_):
        raise AssertionError("trained")

    monkeypatch.setattr("sklearn_mdn._search.search.MDNSearchCV._train", trained)
    search = MDNSearchCV(network(), {name: [None, (0.0, None)]}, cv=2, refit="stacking")
    message = r"refit=\"stacking\" pools candidates of one support and the same limits, got .*\(0.0, None\)"
    with pytest.raises(ValueError, match=message):
        search.fit(X, np.exp(Z))


# Members of pools of a positive target, and which are of one kind.
MEMBERS = {
    "plain": network(),
    "scaled": TransformedTargetRegressor(network(), transformer=StandardScaler()),
    "log": TransformedTargetRegressor(network(), func=np.log, inverse_func=np.exp),
    "log, scaled": TransformedTargetRegressor(
        network(), transformer=make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler())
    ),
    "positive": network(support="positive"),
    "up to 99": network(support=(0, 99)),
    "power": TransformedTargetRegressor(network(), transformer=PowerTransformer()),
    "limits": network(limits=(0.5, None)),
    "other limits": network(limits=(0.5, 99)),
}
ALIKE = [{"plain", "scaled"}, {"log", "log, scaled", "positive"}, *({name} for name in MEMBERS)]
POOLS = {
    "pool": lambda members: DensityPool.from_fitted(members),
    "vote": lambda members: VotingRegressor([(str(i), FrozenEstimator(m)) for i, m in enumerate(members)]),
}


@pytest.fixture(scope="module")
def members():
    y = np.maximum(np.exp(Z), 0.5)
    return {name: clone(member).fit(X, y) for name, member in MEMBERS.items()}


@pytest.mark.parametrize("way", POOLS)
@pytest.mark.parametrize("two", list(combinations_with_replacement(MEMBERS, 2)), ids="+".join)
def test_pools_of_several_kinds_are_exact_or_refused(two, way, members):
    y, given = np.maximum(np.exp(Z), 0.5), [members[name] for name in two]
    pool = POOLS[way](given)
    if way == "vote":
        pool.fit(X, y)
    if not any(set(two) <= kind for kind in ALIKE):
        message = "of one kind|transform their targets alike.*got .* and|have the same limits"
        with pytest.raises(ValueError, match=f"estimators must .*({message})"):
            predict_distribution(pool, X)
        return
    density, parts = predict_distribution(pool, X), [predict_distribution(each, X) for each in given]
    for question in ("pdf", "cdf", "sf"):
        expected = np.mean([getattr(part, question)(y) for part in parts], axis=0)
        np.testing.assert_allclose(getattr(density, question)(y), expected, rtol=1e-9, err_msg=question)
    np.testing.assert_allclose(density.mean(), np.mean([part.mean() for part in parts], axis=0), rtol=1e-9)


def test_counts():
    counts = np.random.default_rng(1).poisson(np.exp(Z))
    model = network(support="positive", resolution=1).fit(X, counts)
    density = model.predict_distribution(X)
    probabilities = density.probabilities(np.arange(2000))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-4)
    own = density[np.arange(len(X))].probabilities(np.arange(60))[np.arange(len(X)), counts]
    np.testing.assert_allclose(model.score_samples(X, counts), np.log(own), rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"support": "positive"}, {"support": (-9.0, 99.0)}])
def test_a_resolution_is_known_outside(options):
    """Scorers see it, behind a scaler of the target too."""
    counts = 1.0 + np.round(np.exp(Z))
    plain = network(resolution=1, **options).fit(X, counts)
    assert log_likelihood_scorer(plain, X, counts) == pytest.approx(plain.score(X, counts), rel=1e-12)
    scaler = MinMaxScaler((1.0, 2.0)).fit(counts[:, None])
    bounds = None if not options else (scaler.transform([[0.0]])[0, 0], None)
    if options.get("support") == (-9.0, 99.0):
        bounds = tuple(scaler.transform([[-9.0], [99.0]])[:, 0])
    scaled = TransformedTargetRegressor(
        network(resolution="auto", support=bounds), transformer=scaler, check_inverse=False
    ).fit(X, counts)
    density = predict_distribution(scaled, X)
    assert repr(density) == repr(plain.predict_distribution(X))
    np.testing.assert_allclose(
        density.probabilities(np.arange(9)),
        plain.predict_distribution(X).probabilities(np.arange(9)),
        rtol=1e-6,
        atol=1e-9,
    )
    assert log_likelihood_scorer(scaled, X, counts) == pytest.approx(plain.score(X, counts), rel=1e-6)


def test_rows_on_a_limit_are_censored():
    options, y = TARGETS["limits"]
    model = network(**options).fit(X, y)
    upper = np.where(y == 0.0, 0.0, y)
    censored = network().fit(X, np.where(y == 0.0, -np.inf, y), y_upper=upper)
    np.testing.assert_allclose(model.coefs_[0], censored.coefs_[0], rtol=1e-9)
    np.testing.assert_allclose(
        model.predict_distribution(X).latent.means, censored.predict_distribution(X).means
    )


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        (
            {"support": "positive"},
            np.maximum(Z, 0.0),
            r"of 80 values do not.*limits=\(0, inf\) is for bounds",
        ),
        ({"support": (0, 1)}, Z, r"y must lie between 0 and 1, .*of 80 values do not.*limits is for"),
        ({"limits": (0, None)}, Z, r"y must lie from 0 to inf with limits=.*of 80 values do not"),
        (
            {"support": "positive", "limits": (0, 1)},
            np.exp(Z),
            "support and limits must not be given together",
        ),
        ({"support": (1, 0)}, Z, r"support must be None, \"positive\" or a pair"),
        ({"support": (None, None)}, Z, "support must be None"),
        ({"limits": (0, 1, 2)}, Z, "limits must be None, a pair"),
        (
            {"limits": (-9, 9), "covariance_type": "full"},
            np.column_stack([Z, Z]),
            "limits need targets that are independent",
        ),
    ],
)
def test_refusals(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        network(**parameters).fit(X, y)

"""Fits to what was recorded of targets: rounded values, and intervals with open ends."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_mdn._estimators.regressor
from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV, MixtureDistribution, predict_distribution
from sklearn_mdn._estimators.likelihood import CALIBRATIONS, MixtureLikelihood
from sklearn_mdn._networks.embedding import TableEmbedding
from sklearn_mdn._networks.head import MixtureHead
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn.metrics import cross_val_predict_distribution, log_likelihood, log_likelihood_scorer

INF = np.inf
SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (6,),
    "max_iter": 4,
    "random_state": 0,
    "dtype": "float64",
}
N = 80
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(N, 2))
Z = 2.0 * X[:, 0] + RANDOM.choice([-2.0, 2.0], N) + 0.4 * RANDOM.normal(size=N)  # what nobody has seen
WHOLE = np.round(Z)


def small(**changes):
    return MDNRegressor(**(SETTINGS | changes))


def mixed(z, seed=1):
    """Values, intervals and open ends of z: (y, y_upper)."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 4, z.shape)
    lower = np.where(kind == 1, z - random.random(z.shape), np.where(kind == 3, -INF, z))
    upper = np.where(kind == 1, z + random.random(z.shape), np.where(kind == 2, INF, z))
    return lower, upper


Y, Y_UPPER = mixed(Z)
TWO = np.column_stack([Z, X[:, 1] + 0.3 * RANDOM.normal(size=N)])
TWO_LOWER, TWO_UPPER = mixed(TWO)


def bits(model):
    return [array.tobytes() for array in (*model.coefs_, *model.intercepts_, model.calibration_)]


# Laws


def test_equal_ends_are_values():
    assert bits(small().fit(X, Z, y_upper=Z)) == bits(small().fit(X, Z))


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_a_resolution_stands_for_the_interval_that_is_rounded_to_a_value(step):
    y = np.round(Z / step) * step
    rounded = small(resolution=step).fit(X, y)
    between = small().fit(X, y - step / 2, y_upper=y + step / 2)
    np.testing.assert_allclose(rounded.coefs_[0], between.coefs_[0], rtol=1e-8)
    scores = rounded.score_samples(X, y)
    np.testing.assert_allclose(
        scores, between.score_samples(X, y - step / 2, y_upper=y + step / 2), rtol=1e-8
    )
    density = rounded.predict_distribution(X)
    np.testing.assert_allclose(scores, np.log(density.prob(y - step / 2, y + step / 2)), rtol=1e-9)
    assert rounded.score(X, y) == pytest.approx(log_likelihood(y, density), rel=1e-12)
    assert rounded.score(X, y) == pytest.approx(log_likelihood_scorer(rounded, X, y), rel=1e-12)


def test_the_unit_of_a_rounded_target_is_nothing_to_its_probabilities():
    one = small(resolution=1).fit(X, WHOLE)
    other = small(resolution=100).fit(X, 100.0 * WHOLE - 300.0)
    np.testing.assert_allclose(one.score_samples(X, WHOLE), other.score_samples(X, 100.0 * WHOLE - 300.0))
    np.testing.assert_allclose(one.validation_scores_[0], other.validation_scores_[0], rtol=1e-9)
    np.testing.assert_allclose(one.loss_curve_[0], other.loss_curve_[0], rtol=1e-9)


@pytest.mark.parametrize("covariance_type", ["diag", "spherical", "tied", "full"])
def test_scores_of_mixed_records_are_densities_and_probabilities(covariance_type):
    model = small(covariance_type=covariance_type).fit(X, Y, y_upper=Y_UPPER)
    density = model.predict_distribution(X)
    exact = Y == Y_UPPER
    expected = np.select(
        [exact, np.isinf(Y_UPPER), np.isinf(Y)],
        [density.logpdf(Z), density.logsf(Z), density.logcdf(Z)],
        np.log(density.prob(Y, np.where(exact, INF, Y_UPPER))),
    )
    np.testing.assert_allclose(model.score_samples(X, Y, y_upper=Y_UPPER), expected, rtol=1e-9)
    assert model.score(X, Y, y_upper=Y_UPPER) == pytest.approx(expected.mean(), rel=1e-12)


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_several_targets_are_a_product_within_components(covariance_type):
    model = small(covariance_type=covariance_type).fit(X, TWO_LOWER, y_upper=TWO_UPPER)
    density, expected = model.predict_distribution(X), 0.0
    for k in range(2):
        factors = []
        for j in range(2):
            alone = MixtureDistribution(
                np.ones((N, 1)), density.means[:, [k], j], density.covariances[:, [k], j, j]
            )
            lower, upper = TWO_LOWER[:, j], TWO_UPPER[:, j]
            factors.append(np.where(lower == upper, alone.pdf(TWO[:, j]), alone.prob(lower, upper)))
        expected = expected + density.weights[:, k] * factors[0] * factors[1]
    scores = model.score_samples(X, TWO_LOWER, y_upper=TWO_UPPER)
    np.testing.assert_allclose(scores, np.log(expected), rtol=1e-8)


@pytest.mark.parametrize("units", [1.0, 250.0])
def test_validation_scores_are_in_units_of_what_was_recorded(units):
    """Densities of values have a unit, probabilities of intervals have none."""
    train, watched = slice(0, 50), slice(50, N)
    clear = 0.1 * (Z - 2.0 * X[:, 0]) + 2.0 * X[:, 0]  # enough for the network to be kept as it is
    lower, upper = (units * end for end in mixed(clear))
    model = small(max_iter=60).fit(
        X[train],
        lower[train],
        y_upper=upper[train],
        X_val=X[watched],
        y_val=lower[watched],
        y_upper_val=upper[watched],
    )
    model.shrinkage_, scores = 0.0, []  # as the network was trained
    for factor in CALIBRATIONS:
        model.calibration_ = np.array([factor])
        scores.append(model.score(X[watched], lower[watched], y_upper=upper[watched]))
    score = max(scores)
    assert model.best_validation_score_[0] == pytest.approx(score, rel=1e-6)
    whole = small(batch_size=1000, early_stopping=False, max_iter=1, learning_rate_init=1e-12)
    whole = whole.fit(X, lower, y_upper=upper)
    assert whole.loss_curve_[0][0] == pytest.approx(-whole.score(X, lower, y_upper=upper), rel=1e-6)


def test_rows_have_no_order_and_weights_count_them():
    order = RANDOM.permutation(N)
    weight = np.where(np.arange(N) % 3 == 0, 2.0, 1.0)
    model = small(n_estimators=3).fit(X, Y, weight, y_upper=Y_UPPER)
    again = small(n_estimators=3).fit(X[order], Y[order], weight[order], y_upper=Y_UPPER[order])
    rows = np.repeat(np.arange(N), weight.astype(int))
    repeated = small(n_estimators=3).fit(X[rows], Y[rows], y_upper=Y_UPPER[rows])
    assert bits(model) == bits(again) == bits(repeated)


def test_rows_that_differ_in_what_was_recorded_alone_stay_apart():
    table = small()._validate(np.zeros((4, 1)), np.ones(4), None, np.array([1.0, 2.0, INF, INF])).rows
    assert len(table) == 3
    assert sorted(table.reach[:, 0]) == sorted([0.0, 0.5 / table_scale(table), INF])
    assert table.weight.max() == 1.5


def table_scale(table):
    return 0.5 / table.reach[np.isfinite(table.reach) & (table.reach > 0)][0]


def test_a_frame_is_the_array():
    frame = pd.DataFrame({"from": Y, "to": Y_UPPER})
    assert bits(small().fit(X, frame["from"], y_upper=frame["to"])) == bits(
        small().fit(X, Y, y_upper=Y_UPPER)
    )


def test_the_gradient_of_a_network_agrees_with_finite_differences():
    network = StackedMLP(TableEmbedding(2), (4,), "tanh", MixtureHead(3, 2, "diag", reg_covar=1e-3))
    generator = torch.Generator().manual_seed(0)
    params = 0.5 * torch.randn(2, network.n_parameters, dtype=torch.float64, generator=generator)
    x = torch.from_numpy(np.stack([X, X]))
    data = small()._validate(X, TWO_LOWER, None, TWO_UPPER).rows
    y = torch.from_numpy(np.stack([data.observed, data.observed]))
    weight = torch.linspace(0.5, 1.5, 2 * N, dtype=torch.float64).view(2, N)
    objective = MixtureLikelihood(network)
    log_prob, gradient = objective.derivative(params)(x, y, weight, None)
    torch.testing.assert_close(log_prob, objective.calibrated(params, x, y)[0])
    for column in range(0, network.n_parameters, 3):
        moved = []
        for step in (-1e-6, 1e-6):
            there = params.clone()
            there[:, column] += step
            moved.append((weight * objective.calibrated(there, x, y)[0]).sum(1))
        slope = (moved[1] - moved[0]) / 2e-6
        torch.testing.assert_close(gradient[:, column], slope, rtol=1e-4, atol=1e-6)


# Standardisation


def test_a_target_that_is_all_intervals_of_one_middle_has_their_width_as_unit():
    reach = RANDOM.uniform(5.0, 50.0, N)
    model = small().fit(X, 100.0 - reach, y_upper=100.0 + reach)
    assert model.y_offset_ == pytest.approx([100.0])
    assert model.y_scale_ == pytest.approx([np.sqrt(np.mean(reach**2) / 3)])


def test_the_unit_of_a_censored_target_is_that_of_all_of_it():
    random = np.random.default_rng(3)
    z, ends = random.normal(50.0, 8.0, 4000), random.normal(52.0, 8.0, 4000)
    lower, upper = np.minimum(z, ends), np.where(z > ends, INF, z)
    lower[::3], upper[::3] = np.floor(z[::3] / 10) * 10, np.floor(z[::3] / 10) * 10 + 10
    data = small()._validate(np.zeros((4000, 1)), lower, None, upper)
    assert data.standardization.y_offset == pytest.approx([50.0], abs=0.5)
    assert data.standardization.y_scale == pytest.approx([8.0], abs=0.5)


def test_a_resolution_leaves_the_unit_of_values():
    assert small(resolution=1).fit(X, WHOLE).y_scale_ == small().fit(X, WHOLE).y_scale_


@pytest.mark.parametrize("censored", [("right", 0.999), ("left", 0.999), ("right", 1.0)])
def test_a_target_that_is_hardly_ever_seen_can_be_fitted(censored):
    side, share = censored
    hidden = np.arange(N) < share * N
    lower = np.where(hidden & (side == "left"), -INF, Z)
    upper = np.where(hidden & (side == "right"), INF, Z)
    model = small(max_iter=30).fit(X, lower, y_upper=upper)
    assert np.isfinite(model.score(X, lower, y_upper=upper))
    beyond = model.predict_distribution(X).sf(Z) if side == "right" else model.predict_distribution(X).cdf(Z)
    assert beyond.mean() > 0.8


# Resolutions


GRIDS = {
    "whole numbers": (WHOLE, 1.0, 0.0),
    "halves": (WHOLE / 2 + 0.25, 0.5, 0.25),
    "decimals": (np.round(Z, 2), 0.01, 0.0),
    "thousands": (1000.0 * WHOLE, 1000.0, 0.0),
    "even numbers": (2.0 * WHOLE, 2.0, 0.0),
    "Celsius of Fahrenheit": ((WHOLE - 32.0) * 5.0 / 9.0, 5.0 / 9.0, None),
    "single precision": (np.round(Z, 1).astype(np.float32).astype(float), 0.1, 0.0),
    "no grid": (Z, 0.0, 0.0),
    "no grid in single precision": (Z.astype(np.float32).astype(float), 0.0, 0.0),
    "steps of several grids": (np.where(np.arange(N) % 2, 4.0, 6.0) * WHOLE, 2.0, 0.0),
    "constant": (np.ones(N), 0.0, 0.0),
}


@pytest.mark.parametrize(("y", "step", "offset"), GRIDS.values(), ids=GRIDS)
def test_auto_finds_the_grid_and_says_so(y, step, offset, capsys):
    model = small(resolution="auto", verbose=1, max_iter=1).fit(X, y)
    assert model.resolution_ == pytest.approx([step], rel=1e-6)
    assert offset is None or model.resolution_offset_ == pytest.approx([offset], abs=1e-6)
    said = f"Resolution of the target: {f'{step:g}' if step else 'none'}\n"
    assert said in capsys.readouterr().out


def test_each_target_has_its_own_resolution():
    y = np.column_stack([WHOLE, np.round(TWO[:, 1], 1), Z])
    found = small(resolution="auto").fit(X, y)
    given = small(resolution=[1, 0.1, 0]).fit(X, y)
    assert found.resolution_ == pytest.approx([1.0, 0.1, 0.0])
    assert bits(found) == bits(given)
    assert "resolution 1, 0.1, 0" in repr(given.predict_distribution(X))
    with pytest.raises(ValueError, match="values have probabilities only with a resolution of each target"):
        given.predict_distribution(X).probabilities([0, 1])
    marginal = given.predict_distribution(X).marginal(1)
    np.testing.assert_allclose(marginal.probabilities(0.3)[:, 0], marginal.prob(0.25, 0.35))


def test_probabilities_of_all_values_sum_to_one():
    model = small(resolution=1, n_estimators=2).fit(X, WHOLE)
    values = np.arange(-60, 61)
    probabilities = model.predict_distribution(X).probabilities(values)
    assert probabilities.shape == (N, len(values))
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-9)
    own = probabilities[np.arange(N), WHOLE.astype(int) + 60]
    np.testing.assert_allclose(np.log(own), model.score_samples(X, WHOLE), rtol=1e-9)


def test_rounded_draws_come_up_as_often_as_they_are_likely():
    model = small(resolution=0.5).fit(X, WHOLE / 2 + 0.25)
    density = model.predict_distribution(X[:3])
    draws = density.rvs(20_000, random_state=0, rounded=True)
    np.testing.assert_array_equal((draws - 0.25) % 0.5, 0.0)
    np.testing.assert_array_equal(draws, model.sample(X[:3], 20_000, random_state=0, rounded=True))
    values = 0.25 + 0.5 * np.arange(-8, 8)
    share = (draws[:, :, None] == values).mean(1)
    np.testing.assert_allclose(share, density.probabilities(values), atol=0.02)


def test_draws_of_several_targets_are_rounded_each_on_its_grid():
    model = small(resolution=[1, 0.5]).fit(X, np.column_stack([WHOLE, WHOLE / 2]))
    draws = model.sample(X, 50, random_state=0, rounded=True)
    assert draws.shape == (N, 2, 50)
    np.testing.assert_array_equal(draws % np.array([1.0, 0.5])[:, None], 0.0)


def test_nothing_is_rounded_without_a_resolution():
    model = small().fit(X, Z)
    for call in (
        lambda: model.sample(X, rounded=True),
        lambda: model.predict_distribution(X).rvs(rounded=True),
    ):
        with pytest.raises(ValueError, match=r"^rounded draws can be had only with a resolution"):
            call()


def test_what_is_made_of_a_distribution_keeps_the_grid():
    model = small(resolution=1, n_estimators=2).fit(X, WHOLE)
    density = model.predict_distribution(X)
    expected = density.probabilities([0.0, 1.0])
    for same in (
        copy.copy(density),
        pickle.loads(pickle.dumps(density)),
        MixtureDistribution.concatenate([density[:30], density[30:]]),
        DensityPool.from_fitted([model, model]).predict_distribution(X),
        pickle.loads(pickle.dumps(model)).predict_distribution(X),
    ):
        np.testing.assert_allclose(same.probabilities([0.0, 1.0]), expected, rtol=1e-12)
        assert "resolution 1" in repr(same)
    assert all("resolution 1" in repr(member) for member in density.members())
    other = small().fit(X, Z).predict_distribution(X)
    assert "resolution" not in repr(MixtureDistribution.concatenate([density, other]))


def test_a_fit_without_a_resolution_forgets_that_of_the_one_before():
    model = small(resolution=1).fit(X, WHOLE).set_params(resolution=None).fit(X, WHOLE)
    assert not hasattr(model, "resolution_")
    assert bits(model) == bits(small().fit(X, WHOLE))


# Going on, searching


def test_warm_start_goes_on_with_records():
    model = small(warm_start=True, resolution="auto").fit(X, WHOLE)
    before = model.score(X, WHOLE)
    model.set_params(max_iter=20).fit(X, WHOLE)
    assert model.n_iter_[0] == 24
    assert model.score(X, WHOLE) > before
    for resolution, got in ((None, "None"), (2, r"\[2.0\]")):
        with pytest.raises(ValueError, match=rf"warm_start=True goes on with resolution=\[1.0\], got {got}"):
            clone_fitted(model).set_params(resolution=resolution).fit(X, 2 * WHOLE)
    with pytest.raises(ValueError, match=r"resolution=1 must be the distance .* y can have"):
        clone_fitted(model).fit(X, WHOLE / 4)
    censored = small(warm_start=True).fit(X, Y, y_upper=Y_UPPER)
    censored.fit(X, Y, y_upper=Y_UPPER)
    assert censored.n_iter_[0] == 8


def clone_fitted(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("case", ["rounded", "intervals"])
def test_a_search_is_the_grid_search(case):
    y, params = (WHOLE, {}) if case == "rounded" else (Y, {"y_upper": Y_UPPER})
    estimator = small(resolution=1 if case == "rounded" else None)
    grid = {"alpha": [1e-4, 1e-2], "n_components": [1, 2]}
    cv = KFold(3, shuffle=True, random_state=0)
    stacks = MDNSearchCV(estimator, grid, cv=cv).fit(X, y, **params)
    with config_context(enable_metadata_routing=True):
        one_by_one = GridSearchCV(estimator, grid, cv=cv).fit(X, y, **params)
    for name in (f"split{i}_test_score" for i in range(3)):
        np.testing.assert_allclose(stacks.cv_results_[name], one_by_one.cv_results_[name], rtol=1e-9)
    assert bits(stacks.best_estimator_) == bits(one_by_one.best_estimator_)


def test_candidates_may_read_their_targets_in_different_ways():
    search = MDNSearchCV(small(), {"resolution": [1, "auto", None]}, cv=2).fit(X, WHOLE)
    first, second, third = search.cv_results_["split0_test_score"]
    assert first == second != third


@pytest.mark.parametrize("case", ["rounded", "intervals"])
def test_stacking_weighs_candidates_by_probabilities(case):
    y, params = (WHOLE, {}) if case == "rounded" else (Y, {"y_upper": Y_UPPER})
    estimator = small(resolution=1 if case == "rounded" else None, max_iter=20)
    search = MDNSearchCV(estimator, {"n_components": [1, 2]}, cv=3, refit="stacking").fit(X, y, **params)
    pool = search.best_estimator_
    assert search.stacking_weights_.sum() == pytest.approx(1.0)
    assert np.isfinite(pool.score(X, y, **params))
    if case == "rounded":
        assert pool.predict_distribution(X).probabilities(np.arange(-60, 61)).sum(1) == pytest.approx(1.0)


def test_stacking_refuses_to_weigh_probabilities_against_densities():
    search = MDNSearchCV(small(), {"resolution": [1, None]}, cv=2, refit="stacking")
    with pytest.raises(ValueError, match=r"candidates of one resolution .*None, \[1.0\]"):
        search.fit(X, WHOLE)


def test_a_search_that_could_not_judge_intervals_refuses():
    for search in (
        MDNSearchCV(small(), {"alpha": [0.1]}, cv=2, scoring="r2"),
        MDNSearchCV(make_pipeline(StandardScaler(), small()), {"mdnregressor__alpha": [0.1]}, cv=2),
    ):
        name = "y_upper" if search.scoring else "mdnregressor__y_upper"
        with pytest.raises(ValueError, match=r"y_upper does not reach .* unless metadata are routed"):
            search.fit(X, Y, **{name: Y_UPPER})


def test_y_upper_is_routed():
    pipeline = make_pipeline(StandardScaler(), small())
    with config_context(enable_metadata_routing=True):
        results = cross_validate(pipeline, X, Y, params={"y_upper": Y_UPPER}, cv=3, return_estimator=True)
        search = MDNSearchCV(pipeline, {"mdnregressor__alpha": [0.1]}, cv=3).fit(X, Y, y_upper=Y_UPPER)
    assert np.isfinite(search.best_score_)
    folds = [test for _, test in KFold(3).split(X)]
    for score, model, rows in zip(results["test_score"], results["estimator"], folds, strict=True):
        prepared = model[:-1].transform(X[rows])
        assert score == pytest.approx(model[-1].score(prepared, Y[rows], y_upper=Y_UPPER[rows]), rel=1e-12)


def test_out_of_fold_densities_of_recorded_targets():
    censored = cross_val_predict_distribution(small(), X, Y, cv=3, params={"y_upper": Y_UPPER})
    assert len(censored) == N
    rounded = cross_val_predict_distribution(small(resolution=1), X, WHOLE, cv=3)
    assert rounded.probabilities(np.arange(-60, 61)).sum(1) == pytest.approx(1.0)
    assert "resolution 1" in repr(predict_distribution(small(resolution=1).fit(X, WHOLE), X))


# Bad input

BETWEEN = {
    "below": ((Z, Z - 1.0), r"^y_upper must not be below y; got y=.* in row 0, and so in 80 places"),
    "one below": ((Z, np.where(np.arange(N) == 7, -99.0, Z)), r"y_upper=-99 in row 7\.$"),
    "nothing known": (
        (np.where(np.arange(N) == 3, -INF, Z), np.where(np.arange(N) == 3, INF, Z)),
        r"^y and y_upper must not both be infinite.*got y=-inf and y_upper=inf in row 3\.$",
    ),
    "y infinite": ((np.where(np.arange(N) == 3, INF, Z), np.full(N, INF)), "Input y contains infinity"),
    "upper infinite": ((np.full(N, -INF), np.full(N, -INF)), "Input y_upper contains infinity"),
    "gap": ((Z, np.where(np.arange(N) == 3, np.nan, Z)), "Input y_upper contains NaN"),
    "gap in y": ((np.where(np.arange(N) == 3, np.nan, Z), Z), "Input y contains NaN"),
    "length": ((Z, Z[:-1]), r"^y_upper must have the shape \(80,\)"),
    "column": ((Z, Z[:, None]), r"^y_upper must have the shape \(80,\).*np.asarray\(y_upper\)\[:, 0\]"),
    "texts": ((Z, np.full(N, "a")), "^y_upper must hold numbers"),
    "alone": ((None, Z), "y"),
}


@pytest.fixture
def no_training(monkeypatch):
    def train_plans(*args, **kwargs):
        pytest.fail("training began")

    monkeypatch.setattr(sklearn_mdn._estimators.regressor, "train_plans", train_plans)


@pytest.mark.parametrize(("ends", "message"), BETWEEN.values(), ids=BETWEEN)
def test_ends_that_bound_nothing_are_refused(no_training, ends, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X, ends[0], y_upper=ends[1])


@pytest.mark.parametrize(("ends", "message"), BETWEEN.values(), ids=BETWEEN)
def test_and_so_they_are_where_they_are_scored(ends, message):
    with pytest.raises(ValueError, match=message):
        small(max_iter=1).fit(X, Z).score(X, ends[0], y_upper=ends[1])


def test_ends_without_rows_of_their_own_are_refused(no_training):
    with pytest.raises(ValueError, match="y_upper_val must come with the X_val"):
        small().fit(X, Y, y_upper=Y_UPPER, y_upper_val=Y_UPPER)
    with pytest.raises(ValueError, match=r"^y_upper_val must not be below y_val"):
        small().fit(X, Z, X_val=X, y_val=Z, y_upper_val=Z - 1.0)


RESOLUTIONS = {
    "off": (1, Z, r"resolution=1 must be the distance .* that y can have, but \d+ of 80 values are no multi"),
    "how far": (1, np.where(np.arange(N) == 9, 3.2, WHOLE), r"but 1 of 80 .*: 3.2 is 0.2 away from one"),
    "too coarse": (2, WHOLE, "resolution=2 must be"),
    "negative": (-1, WHOLE, "The 'resolution' parameter of MDNRegressor must be"),
    "zero": (0, WHOLE, "The 'resolution' parameter of MDNRegressor must be"),
    "word": ("fine", WHOLE, "The 'resolution' parameter of MDNRegressor must be"),
    "several of one": ([1, 1], WHOLE, "resolution must be .* one for each of the 1 targets"),
    "one infinite": ([INF, 1], TWO, "resolution must be .* one for each of the 2 targets"),
    "a text among them": (["a", 1], TWO, "resolution must be .* one for each of the 2 targets"),
    "second target": ([0, 1], TWO, r"80 values of target 1 are no multiples"),
}


@pytest.mark.parametrize(("resolution", "y", "message"), RESOLUTIONS.values(), ids=RESOLUTIONS)
def test_resolutions_that_targets_do_not_have_are_refused(no_training, resolution, y, message):
    with pytest.raises(ValueError, match=message):
        small(resolution=resolution).fit(X, y)


def test_watched_values_off_the_grid_are_refused(no_training):
    with pytest.raises(ValueError, match=r"that y_val can have, but \d+ of 80 values"):
        small(resolution=1).fit(X, WHOLE, X_val=X, y_val=Z)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_intervals_of_targets_that_hang_on_each_other_are_refused(no_training, covariance_type):
    message = rf"y_upper, resolution and limits need .* independent.*got '{covariance_type}' and 2 targets"
    with pytest.raises(ValueError, match=message):
        small(covariance_type=covariance_type).fit(X, TWO_LOWER, y_upper=TWO_UPPER)
    with pytest.raises(ValueError, match=message):
        small(covariance_type=covariance_type, resolution=1).fit(X, np.round(TWO))


def test_a_joint_density_with_covariances_has_no_interval_to_score():
    model = small(covariance_type="full").fit(X, TWO)
    assert np.isfinite(model.score(X, TWO, y_upper=TWO))
    with pytest.raises(ValueError, match="independent within components"):
        model.score(X, TWO_LOWER, y_upper=TWO_UPPER)


def test_parameters_survive_cloning():
    assert clone(small(resolution=[1, 2])).resolution == [1, 2]


# What fits are worth


def bimodal(x):
    """Weights, means and deviations of a density that hangs on x."""
    weights = 0.3 + 0.4 * (x[:, 0] > 0)
    means = np.stack([x[:, 0] - 2.0, x[:, 1] + 2.0], axis=1)
    deviations = np.stack([np.full(len(x), 0.5), 0.6 + 0.2 * np.abs(x[:, 0])], axis=1)
    return MixtureDistribution(np.stack([weights, 1.0 - weights], axis=1), means, deviations**2)


def test_fits_to_censored_and_rounded_targets_find_the_density():
    """Nearly as near as a fit to as many values as were observed: seen are gaps of 0.00, and 0.03 at most."""
    random = np.random.default_rng(0)
    x = random.uniform(-1.0, 1.0, (4500, 2))
    y = bimodal(x).rvs(random_state=random)
    train, test = np.arange(1500), np.arange(1500, 4500)
    ends = random.uniform(0.0, 5.0, 1500)
    censored = y[train] > ends
    seen = train[: 1500 - censored.sum()]
    settings = {"n_components": 3, "hidden_layer_sizes": (24,), "max_iter": 50, "random_state": 0}

    def gap(model):
        """Kullback-Leibler divergence from the density that targets were drawn from."""
        predicted = model.predict_distribution(x[test])
        return np.mean(bimodal(x[test]).logpdf(y[test]) - predicted.logpdf(y[test]))

    exact = gap(MDNRegressor(**settings).fit(x[seen], y[seen]))
    lower, upper = np.minimum(y[train], ends), np.where(censored, INF, y[train])
    assert gap(MDNRegressor(**settings).fit(x[train], lower, y_upper=upper)) < exact + 0.05
    rounded = MDNRegressor(resolution=1, **settings).fit(x[train], np.round(y[train]))
    assert gap(rounded) < exact + 0.05
    assert gap(MDNRegressor(**settings).fit(x[train], lower)) > exact + 0.05  # ends taken for values

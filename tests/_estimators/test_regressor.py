"""MDNRegressor: shapes, units, and what must not change a fit."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score

from sklearn_mdn import MDNRegressor, MixtureDistribution
from sklearn_mdn._estimators import prediction, regressor
from sklearn_mdn._estimators.calibration import HALF_KNOWN, best_factor, factor_of_larger_pool
from sklearn_mdn._estimators.capacity import auto_batch_size, auto_max_iter
from sklearn_mdn._estimators.folds import fold_bounds, held_out_folds, members_folds
from sklearn_mdn._estimators.likelihood import CALIBRATIONS, FACTORS
from sklearn_mdn._estimators.moments import fitted_scaler
from sklearn_mdn._estimators.rows import TrainingSet, canonical_rows

QUICK = {"n_components": 3, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
EXACT = QUICK | {"dtype": "float64"}


def problem(n=120, n_outputs=None, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3))
    mean = np.stack([np.sin(2 * X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
    y = mean + 0.3 * generator.normal(size=(n, 2))
    return X, y[:, 0] if n_outputs is None else y[:, :n_outputs]


def embedding_names(model):
    return sorted(name for name in vars(model) if name.startswith("embedding_"))


def parameters_of(model):
    """Everything learned, as one vector."""
    arrays = [*model.coefs_, *model.intercepts_]
    arrays += [vars(model)[name] for name in embedding_names(model)]
    return np.concatenate([array.ravel() for array in arrays])


def member_of(model, i):
    """The estimator whose only network is number i of an ensemble."""
    alone = copy.copy(model).set_params(n_estimators=1)
    for name in ("coefs_", "intercepts_"):
        setattr(alone, name, [layer[i : i + 1] for layer in getattr(model, name)])
    for name in embedding_names(model):
        setattr(alone, name, getattr(model, name)[i : i + 1])
    alone.calibration_ = model.calibration_[i : i + 1]
    return alone


def assert_same_bits(model, other):
    np.testing.assert_array_equal(parameters_of(model), parameters_of(other))
    for name in ("X_offset_", "X_scale_", "y_offset_", "y_scale_", "calibration_", "best_validation_score_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    for name in ("loss_curve_", "validation_scores_"):
        for curve, expected in zip(getattr(model, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(curve, expected)


# The methods.


@pytest.mark.parametrize("n_outputs", [None, 1, 2], ids=["(n,)", "(n, 1)", "(n, 2)"])
@pytest.mark.parametrize("n_estimators", [1, 2])
@pytest.mark.parametrize("covariance_type", ["diag", "full", "tied", "spherical"])
def test_every_method_has_its_shape(n_outputs, n_estimators, covariance_type):
    X, y = problem(n_outputs=n_outputs)
    settings = QUICK | {"n_estimators": n_estimators, "covariance_type": covariance_type}
    model = MDNRegressor(**settings)
    assert model.fit(X, y) is model
    n, n_columns, axes = 7, 3 * n_estimators, () if n_outputs is None else (n_outputs,)
    rows = X[:n]
    mean, std = model.predict(rows, return_std=True)
    assert model.predict(rows).shape == mean.shape == std.shape == (n, *axes)
    assert (std > 0).all()
    assert model.predict(rows, quantiles=[0.9, 0.1, 0.5, 0.3]).shape == (n, *axes, 4)
    assert model.predict(rows, quantiles=[0.5]).shape == (n, *axes, 1)
    assert model.predict(rows, quantiles=0.5).shape == (n, *axes, 1)
    weights = model.predict_proba(rows)
    assert weights.shape == (n, n_columns)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    assert model.sample(rows).shape == (n, *axes, 1)
    assert model.sample(rows, n_samples=5, random_state=0).shape == (n, *axes, 5)
    assert model.score_samples(rows, y[:n]).shape == (n,)
    assert model.score_samples(rows).shape == (n,)
    assert isinstance(model.score(rows, y[:n]), float)
    distribution = model.predict_distribution(rows)
    assert isinstance(distribution, MixtureDistribution)
    assert len(distribution) == n
    assert distribution.means.shape == (n, n_columns, *axes)
    assert distribution.covariances.shape == (n, n_columns, *axes, *axes)
    assert all(array.dtype == np.float64 for array in (mean, std, weights, distribution.means))


@pytest.mark.parametrize("n_outputs", [None, 1, 2], ids=["(n,)", "(n, 1)", "(n, 2)"])
def test_the_methods_speak_of_one_density(n_outputs):
    X, y = problem(n_outputs=n_outputs)
    model = MDNRegressor(**QUICK, n_estimators=2, covariance_type="full").fit(X, y)
    rows, targets = X[:9], y[:9]
    distribution = model.predict_distribution(rows)
    mean, std = model.predict(rows, return_std=True)
    np.testing.assert_array_equal(model.predict(rows), mean)
    np.testing.assert_array_equal(distribution.mean(), mean)
    np.testing.assert_array_equal(distribution.std(), std)
    np.testing.assert_array_equal(model.predict_proba(rows), distribution.weights)
    np.testing.assert_array_equal(model.score_samples(rows, targets), distribution.logpdf(targets))
    np.testing.assert_array_equal(model.score_samples(rows), distribution.logpdf(mean))
    levels = [0.8, 0.05, 0.5]
    quantiles = model.predict(rows, quantiles=levels)
    for i, level in enumerate(levels):
        np.testing.assert_allclose(distribution.cdf(quantiles[..., i]), level, rtol=1e-9)
    weight = np.arange(9.0)
    log_density = model.score_samples(rows, targets)
    assert model.score(rows, targets) == pytest.approx(log_density.mean())
    assert model.score(rows, targets, weight) == pytest.approx(np.average(log_density, weights=weight))


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_samples_follow_the_density(n_outputs):
    X, y = problem(n_outputs=n_outputs)
    model = MDNRegressor(**QUICK).fit(X, y)
    draws = model.sample(X[:4], n_samples=20_000, random_state=1)
    mean, std = model.predict(X[:4], return_std=True)
    np.testing.assert_allclose(draws.mean(-1), mean, atol=0.05)
    np.testing.assert_allclose(draws.std(-1), std, rtol=0.05)
    np.testing.assert_array_equal(
        model.sample(X[:4], 3, random_state=5), model.sample(X[:4], 3, random_state=5)
    )
    assert not np.array_equal(model.sample(X[:4], 3, random_state=5), model.sample(X[:4], 3, random_state=6))
    assert not np.array_equal(model.sample(X[:4], 3), model.sample(X[:4], 3))


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_one_target_is_one_target_with_an_axis_or_without(covariance_type):
    X, y = problem()
    flat = MDNRegressor(**QUICK, covariance_type=covariance_type).fit(X, y)
    column = MDNRegressor(**QUICK, covariance_type=covariance_type).fit(X, y[:, None])
    assert_same_bits(flat, column)
    np.testing.assert_array_equal(column.predict(X)[:, 0], flat.predict(X))
    np.testing.assert_array_equal(column.score_samples(X, y[:, None]), flat.score_samples(X, y))
    np.testing.assert_array_equal(
        column.sample(X, 2, random_state=0)[:, 0], flat.sample(X, 2, random_state=0)
    )


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_prediction_in_blocks_is_prediction(monkeypatch, n_estimators):
    X, y = problem(n_outputs=2)
    model = MDNRegressor(**QUICK, n_estimators=n_estimators).fit(X, y)
    mean, scores = model.predict(X), model.score_samples(X, y)
    monkeypatch.setattr(prediction, "PREDICTION_BLOCK", 1000)
    np.testing.assert_allclose(model.predict(X), mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.score_samples(X, y), scores, rtol=1e-10)


def test_numbers_of_numpy_will_do_as_parameters():
    X, y = problem()
    integers, reals = {"n_components", "max_iter"}, {"alpha": 1e-3, "reg_covar": 1e-5, "dropout": 0.1}
    plain = MDNRegressor(**(QUICK | reals)).fit(X, y)
    numpy = QUICK | {name: np.int64(QUICK[name]) for name in integers}
    numpy |= {name: np.float64(value) for name, value in reals.items()} | {"n_estimators": np.int32(1)}
    assert_same_bits(MDNRegressor(**numpy, batch_size=np.int16(32)).fit(X, y), plain)


def test_an_ensemble_is_the_mixture_of_its_members():
    X, y = problem()
    model = MDNRegressor(**EXACT, n_estimators=3).fit(X, y)
    members = [member_of(model, i) for i in range(3)]
    densities = [np.exp(member.score_samples(X, y)) for member in members]
    np.testing.assert_allclose(np.exp(model.score_samples(X, y)), np.mean(densities, axis=0), rtol=1e-10)
    weights = np.hstack([member.predict_proba(X) for member in members]) / 3
    np.testing.assert_allclose(model.predict_proba(X), weights, rtol=1e-10)


def test_it_learns_better_than_the_mean():
    """``score`` is a log-likelihood, so the ``poor_score`` tag is set; R² is good all the same.

    The data are those of scikit-learn's check of regressors, which the tag switches off.
    """
    X, y = make_regression(n_samples=200, n_features=10, n_informative=1, bias=5.0, noise=20, random_state=42)
    model = MDNRegressor(random_state=0).fit(X[:150], y[:150])
    assert r2_score(y[:150], model.predict(X[:150])) > 0.5
    assert r2_score(y[150:], model.predict(X[150:])) > 0.4  # 0.60 to 0.68, by how a processor rounds


# Randomness.


@pytest.mark.parametrize("extra", [{}, {"dropout": 0.3}, {"n_estimators": 3, "covariance_type": "full"}])
def test_the_same_seed_gives_the_same_bits(extra):
    X, y = problem(n_outputs=2)
    settings = QUICK | extra
    model = MDNRegressor(**settings).fit(X, y)
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    assert_same_bits(model, MDNRegressor(**settings).fit(X, y))
    assert_same_bits(model, model.fit(X, y))
    other = MDNRegressor(**(settings | {"random_state": 1})).fit(X, y)
    assert not np.array_equal(parameters_of(model), parameters_of(other))


def test_a_random_state_object_advances_and_none_is_fresh():
    X, y = problem()
    stream = np.random.RandomState(3)
    first = MDNRegressor(**(QUICK | {"random_state": stream})).fit(X, y)
    second = MDNRegressor(**(QUICK | {"random_state": stream})).fit(X, y)
    assert not np.array_equal(parameters_of(first), parameters_of(second))
    again = MDNRegressor(**(QUICK | {"random_state": np.random.RandomState(3)})).fit(X, y)
    assert_same_bits(first, again)
    fresh = [MDNRegressor(**(QUICK | {"random_state": None})).fit(X, y) for _ in range(2)]
    assert not np.array_equal(parameters_of(fresh[0]), parameters_of(fresh[1]))


@pytest.mark.parametrize("extra", [{}, {"dropout": 0.3, "batch_size": 20}, {"early_stopping": False}])
def test_a_member_depends_on_the_seed_and_its_number_alone(extra):
    X, y = problem(n_outputs=2)
    settings = EXACT | extra
    alone = MDNRegressor(**settings).fit(X, y)
    ensemble = MDNRegressor(**settings, n_estimators=3).fit(X, y)
    for layer, expected in zip(ensemble.coefs_, alone.coefs_, strict=True):
        np.testing.assert_allclose(layer[0], expected[0], rtol=1e-6, atol=1e-9)
        assert np.abs(layer[1] - layer[0]).max() > 0.01
    np.testing.assert_allclose(ensemble.loss_curve_[0], alone.loss_curve_[0], rtol=1e-9)
    np.testing.assert_allclose(ensemble.validation_scores_[0], alone.validation_scores_[0], rtol=1e-9)


def test_the_world_outside_is_left_alone():
    X, y = problem()
    np.random.seed(11)  # noqa: NPY002
    torch.manual_seed(11)
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    for random_state in (0, None):
        model = MDNRegressor(**(EXACT | {"random_state": random_state, "dropout": 0.2, "n_estimators": 2}))
        model.fit(X, y).predict(X, return_std=True)
        model.sample(X[:3], n_samples=2, random_state=random_state)
    for state, expected in zip(np.random.get_state(), numpy_state, strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(state, expected)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
    assert torch.is_grad_enabled()


# Weights and order: the same arrays, so the same bits.


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("extra", [{}, {"early_stopping": False, "batch_size": 16}])
def test_a_row_of_weight_two_is_the_row_twice(n_outputs, extra):
    X, y = problem(n_outputs=n_outputs)
    weight = np.random.default_rng(1).integers(0, 4, size=len(X))
    weighted = MDNRegressor(**QUICK, **extra).fit(X, y, sample_weight=weight)
    repeated = MDNRegressor(**QUICK, **extra).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0))
    assert_same_bits(weighted, repeated)
    assert not np.array_equal(
        parameters_of(weighted), parameters_of(MDNRegressor(**QUICK, **extra).fit(X, y))
    )


def test_a_row_of_weight_zero_is_absent():
    X, y = problem()
    weight = np.ones(len(X))
    weight[::3] = 0.0
    poisoned, wild = X.copy(), y.copy()
    poisoned[::3], wild[::3] = 1e6, -1e9
    model = MDNRegressor(**QUICK).fit(poisoned, wild, sample_weight=weight)
    assert_same_bits(model, MDNRegressor(**QUICK).fit(X[weight > 0], y[weight > 0]))


@pytest.mark.parametrize("factor", [4.0, 0.125])
def test_a_common_factor_of_the_weights_is_nothing(factor):
    X, y = problem()
    model = MDNRegressor(**QUICK).fit(X, y, sample_weight=np.full(len(X), factor))
    assert_same_bits(model, MDNRegressor(**QUICK).fit(X, y))


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_the_order_of_rows_is_nothing(n_outputs):
    X, y = problem(n_outputs=n_outputs)
    X[:40, 0] = 0.0  # ties in the first column
    X[20:40, 0] = -0.0
    weight = np.random.default_rng(2).uniform(0.5, 2.0, size=len(X))
    order = np.random.default_rng(3).permutation(len(X))
    model = MDNRegressor(**QUICK).fit(X, y, weight, X_val=X[:30], y_val=y[:30])
    shuffled = MDNRegressor(**QUICK).fit(
        X[order], y[order], weight[order], X_val=X[:30][::-1], y_val=y[:30][::-1]
    )
    assert_same_bits(model, shuffled)


# Units.


@pytest.mark.parametrize("weighted", [False, True])
def test_scalers_are_the_weighted_moments(weighted):
    X, y = problem(n_outputs=2)
    weight = np.random.default_rng(4).uniform(0.0, 5.0, len(X)) if weighted else None
    model = MDNRegressor(**QUICK).fit(X, y, sample_weight=weight)
    for values, offset, scale in [(X, model.X_offset_, model.X_scale_), (y, model.y_offset_, model.y_scale_)]:
        mean = np.average(values, axis=0, weights=weight)
        np.testing.assert_allclose(offset, mean, rtol=1e-10)
        np.testing.assert_allclose(
            scale, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight)), rtol=1e-10
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_of_two_change_nothing_but_the_units(dtype):
    X, y = problem(n_outputs=2)
    settings = QUICK | {"dtype": dtype, "covariance_type": "full"}
    model = MDNRegressor(**settings).fit(X, y)
    x_factor, y_factor = np.array([2.0**40, 0.25, 1.0]), np.array([2.0**-30, 8.0])
    scaled = MDNRegressor(**settings).fit(X * x_factor, y * y_factor)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(scaled))
    np.testing.assert_array_equal(scaled.predict(X * x_factor), model.predict(X) * y_factor)
    shift = np.log(y_factor).sum()
    np.testing.assert_allclose(
        scaled.score_samples(X * x_factor, y * y_factor), model.score_samples(X, y) - shift
    )


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize(
    ("slope", "offset"), [(3.0, 0.0), (1.0, -50.0), (0.01, 7.0), (1e5, 1e6), (1e-100, 0.0), (1e100, 1e101)]
)
def test_affine_maps_of_the_target_carry_over(slope, offset, n_outputs):
    X, y = problem(n_outputs=n_outputs)
    model, mapped = MDNRegressor(**EXACT).fit(X, y), MDNRegressor(**EXACT).fit(X, offset + slope * y)
    mean, std = mapped.predict(X, return_std=True)
    np.testing.assert_allclose((mean - offset) / slope, model.predict(X), atol=1e-6)
    np.testing.assert_allclose(std / slope, model.predict(X, return_std=True)[1], rtol=1e-6)
    np.testing.assert_allclose(mapped.predict_proba(X), model.predict_proba(X), rtol=1e-6)
    jacobian = math.log(slope) * (1 if n_outputs is None else n_outputs)
    np.testing.assert_allclose(
        mapped.score_samples(X, offset + slope * y) + jacobian, model.score_samples(X, y), atol=1e-6
    )
    np.testing.assert_allclose(mapped.loss_curve_[0] - jacobian, model.loss_curve_[0], atol=1e-6)
    np.testing.assert_allclose(
        mapped.validation_scores_[0] + jacobian, model.validation_scores_[0], atol=1e-6
    )
    np.testing.assert_allclose(
        mapped.best_validation_score_ + jacobian, model.best_validation_score_, atol=1e-6
    )


@pytest.mark.parametrize(("slope", "offset"), [(3.0, 0.0), (1.0, -50.0), (1e5, 1e6)])
def test_increasing_affine_maps_of_the_inputs_change_nothing(slope, offset):
    X, y = problem()
    model, mapped = MDNRegressor(**EXACT).fit(X, y), MDNRegressor(**EXACT).fit(offset + slope * X, y)
    np.testing.assert_allclose(mapped.predict(offset + slope * X), model.predict(X), atol=1e-6)
    np.testing.assert_allclose(mapped.validation_scores_[0], model.validation_scores_[0], atol=1e-6)


# Held-out rows.


def own_calibration(model, i, X, y, weight=None):
    """Highest log-likelihood of rows under one network of an ensemble over the factors, and that factor."""
    alone, scores = member_of(model, i), []
    alone.shrinkage_ = 0.0  # as the network was trained
    for factor in CALIBRATIONS:
        alone.calibration_ = np.array([factor])
        scores.append(alone.score(X, y, weight))
    return max(scores), CALIBRATIONS[int(np.argmax(scores))]


def folds_of(model, X, y, weight=None):
    """The folds of training rows, in canonical order, as the model's standardised rows decide."""
    table = canonical_rows(X, y, weight)
    data = TrainingSet.of(table, None, model._encoding(), model._standardization(), 1, (), None)
    return held_out_folds(data.keys(model._seed), model._folds["bounds"])


def test_the_internal_split_is_the_members_fold():
    X, y = problem(200)
    model = MDNRegressor(**EXACT, n_estimators=5).fit(X, y)
    table = canonical_rows(X, y[:, None], None)
    folds = folds_of(model, X, y[:, None])
    assert sorted(np.concatenate(folds)) == list(range(200))
    assert [len(fold) for fold in folds] == [20] * 10
    for i, fold in enumerate([folds[0], folds[1], folds[0], folds[1], folds[2]]):
        held_out, _ = own_calibration(model, i, table.x[fold], table.y[fold, 0])
        assert model.best_validation_score_[i] == pytest.approx(held_out, rel=1e-9)
        assert held_out >= model.validation_scores_[i].max() - 1e-12


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize(
    ("sharing", "watched"),
    [([[0]], False), ([[0, 2], [1]], False), ([[0, 2], [1, 3], [4]], False), ([[0, 1, 2]], True)],
)
def test_the_factors_of_an_ensemble_are_those_best_for_its_mixture(sharing, watched, n_outputs):
    """One for all, by the rows that several networks have not seen."""

    def noise_free(n, seed):
        X, _ = problem(n, seed=seed)
        y = np.column_stack([np.sin(2 * X[:, 0]) + X[:, 1], X[:, 1] * X[:, 0]])
        return X, y if n_outputs else y[:, 0]

    X, y = noise_free(100, 0)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 100)
    M = sum(len(members) for members in sharing)
    model = MDNRegressor(hidden_layer_sizes=32, max_iter=120, n_estimators=M, random_state=4, dtype="float64")
    if watched:
        x, target = noise_free(60, 5)
        model.fit(X, y, weight, X_val=x, y_val=target)
        folds, weight = [np.arange(60)], np.ones(60)
    else:
        model.fit(X, y, weight)
        weight_given = weight
        table = canonical_rows(X, y.reshape(100, -1), weight)
        x, target, weight = table.x, table.y.reshape(y.shape), table.weight
        folds = folds_of(model, X, y.reshape(100, -1), weight_given)
    held_out = [(x[fold], target[fold], weight[fold]) for fold in folds]
    assert model.shrinkage_ == 0.0
    if M == 1:
        assert model.calibration_.tolist() == [own_calibration(model, 0, *held_out[0])[1]]
        return
    single, pooled, total, inverse = np.zeros(len(FACTORS)), np.zeros(len(FACTORS)), 0.0, 0.0
    for (x_held, y_held, w), members in zip(held_out, sharing, strict=False):
        if len(members) == 1:
            continue
        total, inverse = total + w.sum(), inverse + w.sum() / len(members)
        for place, factor in enumerate(FACTORS):
            widened = copy.copy(model)
            widened.calibration_ = np.full(M, factor)
            log_p = np.array([member_of(widened, i).score_samples(x_held, y_held) for i in members])
            single[place] += w @ log_p.mean(axis=0)
            pooled[place] += w @ np.log(np.exp(log_p).mean(axis=0))
    f_1, f_m = best_factor(single), best_factor(pooled)
    far = factor_of_larger_pool(f_1, f_m, total / inverse, M) ** 2
    wanted = np.sqrt(f_m**2 + total / (total + HALF_KNOWN) * (far - f_m**2))
    np.testing.assert_allclose(model.calibration_, [np.clip(wanted, FACTORS[0], FACTORS[-1])] * M, rtol=1e-6)
    assert pooled.max() > pooled.min()  # there was something to choose from


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_val", [1, 50])
def test_rows_to_watch_are_watched_and_not_trained_on(weighted, n_val):
    X, y = problem(n_outputs=2)
    X_val, y_val = problem(n_val, n_outputs=2, seed=5)
    weight = np.random.default_rng(0).uniform(0.1, 3.0, n_val) if weighted else None
    settings = EXACT | {"max_iter": 12, "learning_rate_init": 0.05}
    model = MDNRegressor(**settings).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    best = model.best_validation_score_[0]
    assert own_calibration(model, 0, X_val, y_val, weight)[0] == pytest.approx(best, rel=1e-9)
    assert best >= model.validation_scores_[0].max()
    # Training itself sees all of X and nothing else: the loss curve is that of a fit without watching.
    plain = MDNRegressor(**settings, early_stopping=False).fit(X, y)
    np.testing.assert_array_equal(model.loss_curve_[0], plain.loss_curve_[0])
    np.testing.assert_allclose(model.X_offset_, X.mean(axis=0), rtol=1e-12)
    assert plain.validation_scores_[0].size == 0
    assert np.isnan(plain.best_validation_score_).all()


@pytest.mark.parametrize("n", [2, 3, 19, 99])
def test_rows_are_held_out_wherever_there_are_two(n):
    X, y = problem(n)
    model = MDNRegressor(**QUICK).fit(X, y)
    assert model.validation_scores_[0].size
    assert np.isfinite(model.best_validation_score_[0])


@pytest.mark.parametrize("n_members", [2, 3, 10, 50])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_an_ensemble_sees_every_row(n_members, fraction):
    keys = np.random.default_rng(3).random(205)
    folds = members_folds(held_out_folds(keys, fold_bounds(keys, fraction)), n_members)
    assert len(folds) == n_members
    assert not set.intersection(*(set(fold) for fold in folds))
    assert (len({fold[0] for fold in folds}) < n_members) == (n_members > 2)  # some share a fold


@pytest.mark.parametrize(
    ("n", "expected"), [(2, 32), (511, 32), (512, 64), (1023, 64), (2048, 256), (10**6, 256)]
)
def test_the_automatic_batch_size_depends_on_the_rows_alone(n, expected):
    assert auto_batch_size(n) == expected


@pytest.mark.parametrize(
    ("n", "expected"), [(1, 600), (16_666, 600), (20_000, 500), (45_000, 222), (200_000, 50), (10**8, 50)]
)
def test_many_rows_are_passed_over_fewer_times(n, expected):
    assert auto_max_iter(n) == expected


@pytest.mark.parametrize("tol", [None, 1e-9])
@pytest.mark.filterwarnings("error")  # without patience all epochs are what was asked for
def test_the_automatic_number_of_epochs_is_the_end(monkeypatch, tol):
    X, y = problem()
    monkeypatch.setattr(regressor, "auto_max_iter", lambda n_rows: n_rows // 24)
    settings = QUICK | {"max_iter": "auto", "n_iter_no_change": None, "tol": tol}
    assert MDNRegressor(**settings).fit(X, y).n_iter_.tolist() == [5]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("activation", "tanh"),
        ("alpha", 1.0),
        ("batch_size", 16),
        ("clip_grad_norm", 1e-3),
        ("clip_grad_value", 1e-3),
        ("dropout", 0.5),
        ("learning_rate_init", 1e-3),
        ("numerical_embedding", None),
        ("random_state", 1),
        ("reg_covar", 0.5),
        ("validation_fraction", 0.5),
    ],
)
def test_every_parameter_reaches_the_network(parameter, value):
    X, y = problem()
    default, other = MDNRegressor(**QUICK), MDNRegressor(**QUICK | {parameter: value})
    default.fit(X, y), other.fit(X, y)
    assert default.coefs_[-1].shape == other.coefs_[-1].shape
    assert np.abs(default.coefs_[-1] - other.coefs_[-1]).max() > 1e-5
    if parameter == "reg_covar":
        variances = other.predict_distribution(X).covariances
        assert (variances >= 0.5 * other.y_scale_**2 - 1e-9).all()
    if parameter == "validation_fraction":
        plan = other._build(other._validate(X, y))
        assert len(plan.validation[0]) == len(X) // 2


def test_the_batch_size_is_stored():
    X, y = problem()
    assert MDNRegressor(**QUICK).fit(X, y).batch_size_ == auto_batch_size(120)
    assert MDNRegressor(**QUICK, batch_size=17).fit(X, y).batch_size_ == 17


# Stopping.


def test_training_runs_to_the_end_without_patience():
    X, y = problem()
    model = MDNRegressor(**(QUICK | {"max_iter": 25}), n_iter_no_change=None, n_estimators=2).fit(X, y)
    assert model.n_iter_.tolist() == [25, 25]
    assert [len(curve) for curve in model.loss_curve_ + model.validation_scores_] == [25] * 4


@pytest.mark.parametrize("early_stopping", [True, False])
def test_tol_stops_and_is_then_no_reason_to_warn(early_stopping):
    X, y = problem()
    model = MDNRegressor(
        **(QUICK | {"max_iter": 20}), tol=1e9, n_iter_no_change=4, early_stopping=early_stopping
    )
    # Without held-out rows the first epoch is an improvement over nothing at all.
    assert model.fit(X, y).n_iter_.tolist() == [4 if early_stopping else 5]


@pytest.mark.parametrize(("n_iter_no_change", "epochs"), [(3, 3), (None, 20)])
@pytest.mark.filterwarnings("error")
def test_patience_without_tol_stops_and_never_warns(n_iter_no_change, epochs):
    X, y = problem()
    # At this rate every epoch is worse than the start on the held-out rows, so none is an improvement.
    model = MDNRegressor(
        **(QUICK | {"max_iter": 20, "learning_rate_init": 10.0}), n_iter_no_change=n_iter_no_change
    )
    assert model.fit(X, y).n_iter_.tolist() == [epochs]


def test_a_tol_that_is_not_met_warns_where_fit_was_called():
    X, y = problem()
    with pytest.warns(
        ConvergenceWarning, match=r"1 of 1 networks .* max_iter=3 .* n_iter_no_change=100 .* tol=0\.0"
    ) as caught:
        MDNRegressor(**QUICK, tol=0.0).fit(X, y)
    assert caught[0].filename == __file__


# What is odd and yet fits.


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize(
    "change", ["constant target", "constant column", "duplicate rows", "one value", "two rows", "few rows"]
)
def test_odd_data_fits(change, n_outputs):
    X, y = problem(n_outputs=n_outputs)
    if change in ("constant target", "one value"):
        y[...] = 3.5
    if change in ("constant column", "one value"):
        X[:, 1] = 1e6 + 0.1
    if change == "duplicate rows":
        X, y = np.repeat(X[:5], 30, axis=0), np.repeat(y[:5], 30, axis=0)
    if change == "one value":
        X[...] = 2.0
    if change == "two rows":
        X, y = X[:2], y[:2]
    if change == "few rows":
        X, y = X[:4], y[:4]
    model = MDNRegressor(**(QUICK | {"n_components": 7}), covariance_type="full").fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
    assert np.isfinite(model.score(X, y))
    assert model.n_skipped_steps_.tolist() == [0]
    if change in ("constant target", "one value"):
        np.testing.assert_array_equal(model.y_scale_, 1.0)
        np.testing.assert_allclose(mean, 3.5, atol=0.5)
    if change in ("constant column", "one value"):
        assert model.X_scale_[1] == 1.0


def test_hidden_layers_may_be_one_number_or_none():
    X, y = problem()
    one = MDNRegressor(**(QUICK | {"hidden_layer_sizes": 8})).fit(X, y)
    assert_same_bits(one, MDNRegressor(**(QUICK | {"hidden_layer_sizes": np.array([8])})).fit(X, y))
    none = MDNRegressor(**(QUICK | {"hidden_layer_sizes": ()})).fit(X, y)
    assert len(none.coefs_) == len(none.intercepts_) == 1


@pytest.mark.parametrize("n_rows", [20, 30, 39])
def test_few_rows_are_not_learned_by_heart(n_rows):
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(n_rows + 1000, 3)), rng.normal(size=n_rows + 1000)
    y = X[:, 0] + 0.3 * noise
    model = MDNRegressor(random_state=0).fit(X[:n_rows], y[:n_rows])
    # The training rows' own mean and variance give about -1.5; a network that nothing stops -5 to -20. With
    # the rounding of a processor the score is somewhere from -1.2 to -2.
    assert model.score(X[n_rows:], y[n_rows:]) > -3.0


@pytest.mark.parametrize(
    ("offset", "slope"), [(1e6, 1e-6), (1.7e9, 5e-3), (-1e9, 1e-3), (0.0, 1e-170), (0.0, 1e-250)]
)
def test_small_spreads_are_no_constants(offset, slope):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20_000, 1))
    shifted = offset + slope * values
    scaler = fitted_scaler(shifted, np.ones(20_000), "y")
    np.testing.assert_allclose((scaler.mean - offset) / slope, values.mean(), atol=1e-2)
    np.testing.assert_allclose(scaler.scale / slope, values.std(), rtol=1e-2)
    assert fitted_scaler(np.full((20_000, 1), offset + slope), np.ones(20_000), "y").scale == 1.0

"""MixtureDistribution as an object: construction, shapes, rows, blocks, state; and its refusals."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
import torch

import sklearn_mdn._distributions.mixture as module
from sklearn_mdn import MixtureDistribution
from sklearn_mdn._distributions import predictive
from tests._distributions.cases import JOINT, joint, joint_distribution, univariate

LEVELS = np.array([0.1, 0.5, 0.9])


def some(kind="diag", dim=2, n_rows=3):
    return joint_distribution(kind, dim, n_rows=n_rows)


def one_dimensional(n_rows=3, n_components=3, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(n_components), n_rows),
        rng.normal(size=(n_rows, n_components)),
        rng.uniform(0.1, 1, size=(n_rows, n_components)),
    )


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_parameters_come_back_in_their_expanded_form(kind, dim):
    weights, means, compact, full = joint(kind, dim)
    dist = MixtureDistribution(weights, means, compact, covariance_type=kind)
    np.testing.assert_allclose(dist.weights, weights, rtol=1e-14)
    np.testing.assert_array_equal(dist.means, means)
    np.testing.assert_allclose(dist.covariances, full, rtol=1e-12, atol=1e-14)
    assert len(dist) == 3
    again = MixtureDistribution(dist.weights, dist.means, dist.covariances)
    y = np.zeros((3, dim))
    np.testing.assert_allclose(again.logpdf(y), dist.logpdf(y), rtol=1e-11)


@pytest.mark.parametrize("kind", [None, "full", "diag", "spherical", "tied"])
def test_variances_of_a_1d_target(kind):
    variances = np.array([0.5, 2.0]) if kind == "tied" else np.array([[0.5, 1.0], [2.0, 3.0]])
    dist = MixtureDistribution([[0.5, 0.5]] * 2, [[0.0, 1.0]] * 2, variances, covariance_type=kind)
    expected = variances[:, None] * [1, 1] if kind == "tied" else variances
    np.testing.assert_allclose(dist.covariances, expected, rtol=1e-15)
    assert dist.pdf(0.0).shape == (2,)


def test_weights_within_rounding_are_renormalised():
    dist = MixtureDistribution([[0.3, 0.7 + 9e-7]], [[0.0, 1.0]], [[1.0, 1.0]])
    assert dist.weights.sum() == pytest.approx(1, abs=1e-15)


def test_what_is_handed_out_is_a_copy():
    dist = one_dimensional()
    for name in ("weights", "means", "covariances"):
        before = getattr(dist, name).copy()
        getattr(dist, name)[:] = np.nan
        np.testing.assert_array_equal(getattr(dist, name), before)


def test_what_was_handed_in_is_copied():
    arrays = [np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]])]
    dist = MixtureDistribution(*arrays)
    before = dist.pdf(0.3)
    for array in arrays:
        array[:] = 7.0
    np.testing.assert_array_equal(dist.pdf(0.3), before)


# method, arguments, shapes for a 1-d target, D = 1 and D = 2, all of three rows; None: not for these.
GRID, WIDE = np.linspace(0, 1, 4)[:, None], np.zeros((4, 1, 2))
SHAPES = [
    ("logpdf", (0.0,), (3,), None, None),
    ("logpdf", (np.zeros(3),), (3,), None, None),
    ("pdf", (GRID,), (4, 3), None, None),
    ("pdf", (np.zeros((3, 1)),), None, (3,), None),
    ("pdf", (np.broadcast_to(np.zeros((3, 1)), (3, 3)),), (3, 3), None, None),
    ("pdf", (np.zeros((4, 1, 1)),), (4, 1, 3), (4, 3), None),
    ("pdf", (np.zeros((5, 4, 1, 1)),), (5, 4, 1, 3), (5, 4, 3), None),
    ("pdf", (WIDE,), None, None, (4, 3)),
    ("pdf", (np.zeros((3, 2)),), None, None, (3,)),
    ("pdf", (np.zeros(2),), None, None, (3,)),
    ("cdf", (0.0,), (3,), (3, 1), (3, 2)),
    ("cdf", (GRID,), (4, 3), None, None),
    ("sf", (np.zeros((4, 1, 1)),), (4, 1, 3), (4, 3, 1), (4, 3, 2)),
    ("logcdf", (WIDE,), None, None, (4, 3, 2)),
    ("logsf", (np.zeros((3, 1)),), None, (3, 1), (3, 2)),
    ("prob", (0.0, GRID), (4, 3), None, None),
    ("prob", (np.zeros((4, 1, 1)), np.ones((3, 1))), None, (4, 3, 1), (4, 3, 2)),
    ("ppf", (0.5,), (3,), (3, 1), (3, 2)),
    ("ppf", (LEVELS[:, None],), (3, 3), (3, 1), (3, 2)),
    ("isf", (LEVELS[:, None, None],), (3, 1, 3), (3, 3, 1), (3, 3, 2)),
    ("median", (), (3,), (3, 1), (3, 2)),
    ("mean", (), (3,), (3, 1), (3, 2)),
    ("var", (), (3,), (3, 1), (3, 2)),
    ("std", (), (3,), (3, 1), (3, 2)),
    ("skewness", (), (3,), (3, 1), (3, 2)),
    ("kurtosis", (), (3,), (3, 1), (3, 2)),
    ("moment", (3,), (3,), (3, 1), (3, 2)),
    ("stats", ("s",), (3,), (3, 1), (3, 2)),
    ("cov", (), (3, 1, 1), (3, 1, 1), (3, 2, 2)),
    ("mode", (), (3,), (3, 1), (3, 2)),
    ("entropy", (), (3,), (3,), (3,)),
    ("crps", (0.0,), (3,), (3, 1), (3, 2)),
    ("crps", (GRID,), (4, 3), None, None),
    ("energy_score", (np.zeros((3, 1)),), None, (3,), None),
    ("energy_score", (WIDE,), None, None, (4, 3)),
    ("responsibilities", (GRID,), (4, 3, 3), None, None),
    ("responsibilities", (WIDE,), None, None, (4, 3, 3)),
    ("in_hdr", (GRID, 0.5), (4, 3), None, None),
    ("in_hdr", (WIDE, 0.5), None, None, (4, 3)),
    ("rvs", (), (3,), (3, 1), (3, 2)),
    ("rvs", (1,), (3, 1), (3, 1, 1), (3, 2, 1)),
    ("rvs", (7,), (3, 7), (3, 1, 7), (3, 2, 7)),
]


@pytest.mark.parametrize(("method", "arguments", "plain", "single", "double"), SHAPES)
def test_shapes(method, arguments, plain, single, double):
    cases = [(one_dimensional(), plain), (some(dim=1), single), (some(dim=2), double)]
    for dist, shape in cases:
        if shape is not None:
            got = getattr(dist, method)(*arguments)
            assert got.shape == shape
            assert got.dtype == (bool if method == "in_hdr" else np.float64)


def test_shapes_of_the_other_answers():
    plain, wide = one_dimensional(), some(dim=2)
    lower, upper = plain.interval(0.9)
    assert lower.shape == upper.shape == (3,)
    lower, upper = wide.interval(LEVELS[:, None, None])
    assert lower.shape == upper.shape == (3, 3, 2)
    assert plain.modes().shape[0] == 3
    assert plain.modes().ndim == 2
    for dim in (1, 2):
        assert some(dim=dim).modes().shape[::2] == (3, dim)
    for dist in (plain, some(dim=1)):
        intervals, threshold = dist.hdr(0.9)
        assert intervals.shape[::2] == (3, 2)
        assert threshold.shape == (3,)
    assert [part.shape for part in wide.variance_split()] == [(3, 2)] * 2
    assert [part.shape for part in plain.variance_split()] == [(3,)] * 2


def test_a_single_row_stretches():
    dist = one_dimensional()[1]
    grid = np.linspace(-1, 1, 5)
    assert len(dist) == 1
    np.testing.assert_array_equal(dist.pdf(grid), dist.pdf(grid[:, None])[:, 0])
    np.testing.assert_array_equal(dist.ppf(LEVELS), dist.ppf(LEVELS[:, None])[:, 0])
    assert some(dim=2)[0].pdf(np.zeros((5, 2))).shape == (5,)
    assert some(dim=2)[0].cdf(np.zeros((5, 2))).shape == (5, 2)


def test_the_leading_axes_are_a_loop_over_y():
    dist = some(dim=2)
    y = np.random.default_rng(0).normal(size=(4, 5, 3, 2))
    together = dist.logpdf(y)
    each = [[dist.logpdf(y[i, j]) for j in range(5)] for i in range(4)]
    np.testing.assert_array_equal(together, each)


ROWS = [2, -1, slice(None), slice(1, None), slice(None, None, -1), [2, 0, 0], np.array([True, False, True])]


@pytest.mark.parametrize("rows", [*ROWS, [], np.zeros(3, dtype=bool), np.int64(1)])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_rows_are_chosen_as_numpy_does(kind, rows):
    dist = some(kind)
    chosen = np.atleast_1d(np.arange(3)[rows if not isinstance(rows, list) else np.array(rows, dtype=int)])
    part = dist[rows]
    assert len(part) == len(chosen)
    np.testing.assert_array_equal(part.mean(), dist.mean()[chosen])
    np.testing.assert_array_equal(part.covariances, dist.covariances[chosen])
    y = np.full((len(chosen), 2), 0.3)
    np.testing.assert_array_equal(part.logpdf(y), dist.logpdf(np.full((3, 2), 0.3))[chosen])


@pytest.mark.parametrize("rows", [3, -4, 1.0, "a", None, [[0]], np.array([0.5])])
def test_rows_that_do_not_exist(rows):
    with pytest.raises(IndexError, match="row"):
        some()[rows]


def test_iterating_gives_one_row_after_the_other():
    dist = one_dimensional()
    np.testing.assert_array_equal([part.mean()[0] for part in dist], dist.mean())


TAKE_Y = ["logpdf", "pdf", "cdf", "sf", "logcdf", "logsf", "responsibilities", "crps", "energy_score"]
TAKE_NOTHING = ["mean", "var", "std", "cov", "median", "mode", "modes", "entropy", "variance_split", "rvs"]
OF_ROWS = {
    **{name: lambda dist, y, name=name: getattr(dist, name)(y) for name in TAKE_Y},
    **{name: lambda dist, y, name=name: getattr(dist, name)() for name in TAKE_NOTHING},
    "parameters": lambda dist, y: (dist.weights, dist.means, dist.covariances),
    "prob": lambda dist, y: dist.prob(y - 1.0, y),
    "quantiles": lambda dist, y: (dist.ppf(0.3), dist.isf(0.3), *dist.interval(0.9)),
    "in_hdr": lambda dist, y: dist.in_hdr(y, 0.9),
    "hdr": lambda dist, y: dist.marginal(0).hdr(0.9),
    "draws": lambda dist, y: dist.rvs(3, random_state=0),
    "parts": lambda dist, y: (*dist.members(), dist.marginal([0]), pickle.loads(pickle.dumps(dist))),
    "concatenate": lambda dist, y: MixtureDistribution.concatenate([dist, dist]),
    "torch": lambda dist, y: (dist.to_torch().mean, dist.to_torch().variance, dist.to_torch().sample()),
}
OF_SEVERAL = OF_ROWS | {"condition": lambda dist, y: dist.condition(0, y[:, :1])}
ASKED = {
    **{f"1-d {name}": (one_dimensional, method) for name, method in OF_ROWS.items()},
    **{f"diag {name}": (some, method) for name, method in OF_SEVERAL.items()},
    **{f"full {name}": (lambda: some("full"), method) for name, method in OF_SEVERAL.items()},
}


@pytest.mark.parametrize(("make", "method"), ASKED.values(), ids=ASKED.keys())
def test_no_rows_at_all(make, method):
    """What can be asked of some rows can be asked of none."""
    some_rows = make()
    no_rows = some_rows[[]]
    answer, like = method(no_rows, no_rows.mean()), method(some_rows, some_rows.mean())
    for part, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (answer, like)), strict=True):
        assert len(part) == 0
        assert np.ndim(getattr(part, "means", part)) == np.ndim(getattr(other, "means", other))
    assert repr(no_rows).startswith("<MixtureDistribution: 0 rows, 3 components")
    assert no_rows.pdf(np.zeros((4, *no_rows.mean().shape))).shape == (4, 0)


@pytest.mark.parametrize(
    "kinds", [("full",), ("diag", "diag"), ("spherical", "diag"), ("tied", "spherical", "full")]
)
def test_concatenate_puts_rows_one_after_the_other(kinds):
    parts = [joint_distribution(kind, 2, n_components=2 + i, seed=i) for i, kind in enumerate(kinds)]
    dist = MixtureDistribution.concatenate(parts)
    assert len(dist) == 3 * len(parts)
    y = np.random.default_rng(0).normal(size=(len(dist), 2))
    expected = np.concatenate([part.logpdf(y[3 * i : 3 * i + 3]) for i, part in enumerate(parts)])
    np.testing.assert_allclose(dist.logpdf(y), expected, rtol=1e-13)
    np.testing.assert_allclose(dist.ppf(0.3), np.concatenate([part.ppf(0.3) for part in parts]), rtol=1e-12)


def ensemble(kind="diag", dim=2, members=3):
    parts = [joint_distribution(kind, dim, seed=seed) for seed in range(members)]
    mixture = module.concatenate_rows([part._mixture for part in parts])
    stacked = mixture.map(lambda stored: stored.reshape(members, 3, *stored.shape[1:]))
    merged = stacked.merge_members()
    return parts, MixtureDistribution._from_mixture(merged, one_dimensional=False, member_sizes=[3] * members)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_members_are_the_distributions_that_went_in(kind):
    parts, dist = ensemble(kind)
    y = np.random.default_rng(0).normal(size=(3, 2))
    assert len(dist.members()) == 3
    for got, part in zip(dist.members(), parts, strict=True):
        np.testing.assert_allclose(got.logpdf(y), part.logpdf(y), rtol=1e-12)
        assert len(got.members()) == 1
    np.testing.assert_allclose(dist.pdf(y), np.mean([part.pdf(y) for part in parts], axis=0), rtol=1e-12)
    aleatoric, epistemic = dist.variance_split()
    np.testing.assert_allclose(aleatoric, np.mean([part.var() for part in parts], axis=0), rtol=1e-12)
    np.testing.assert_allclose(epistemic, np.var([part.mean() for part in parts], axis=0), rtol=1e-11)
    np.testing.assert_allclose(aleatoric + epistemic, dist.var(), rtol=1e-12)


def test_members_survive_rows_marginal_condition_and_concatenate():
    parts, dist = ensemble("full")
    for derived, same in (
        (dist[[2, 0]], [part[[2, 0]] for part in parts]),
        (dist.marginal([1]), [part.marginal([1]) for part in parts]),
        (dist.condition(0, 0.5), [part.condition(0, 0.5) for part in parts]),
        (
            MixtureDistribution.concatenate([dist, dist]),
            [MixtureDistribution.concatenate([p, p]) for p in parts],
        ),
    ):
        assert len(derived.members()) == 3
        for got, part in zip(derived.members(), same, strict=True):
            np.testing.assert_allclose(got.mean(), part.mean(), rtol=1e-11)
            np.testing.assert_allclose(got.var(), part.var(), rtol=1e-11)
        np.testing.assert_allclose(sum(derived.variance_split()), derived.var(), rtol=1e-11)


def test_a_member_that_explains_the_values_better_gets_more_weight():
    parts, dist = ensemble("diag")
    values = np.full((3, 1), 0.5)
    likelihood = np.array([part.marginal([0]).pdf(values) for part in parts])
    weights = dist.condition([0], values).weights.reshape(3, 3, 3).sum(-1).T
    np.testing.assert_allclose(weights, likelihood / likelihood.sum(0), rtol=1e-11)


def test_concatenate_forgets_members_that_do_not_match():
    _, dist = ensemble("diag")
    both = MixtureDistribution.concatenate([dist, joint_distribution("diag", 2)])
    assert len(both.members()) == 1
    np.testing.assert_allclose(both.mean()[:3], dist.mean(), rtol=1e-13)


@pytest.mark.parametrize(
    ("dist", "text"),
    [
        (one_dimensional(1, 1), "<MixtureDistribution: 1 row, 1 component, 1-d target>"),
        (some(dim=1), "<MixtureDistribution: 3 rows, 3 components, 1 target>"),
        (some(dim=2)[:0], "<MixtureDistribution: 0 rows, 3 components, 2 targets>"),
        (ensemble()[1], "<MixtureDistribution: 3 rows, 9 components, 2 targets, 3 members>"),
    ],
)
def test_repr(dist, text):
    assert repr(dist) == text


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda dist: pickle.loads(pickle.dumps(dist))])
def test_copies_and_pickles(make):
    for dist in (one_dimensional(), ensemble("full")[1]):
        dist.cdf(0.0)  # so that something is cached
        again = make(dist)
        np.testing.assert_array_equal(again.ppf(0.3), dist.ppf(0.3))
        assert repr(again) == repr(dist)


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_to_torch_is_the_same_distribution(kind, dim):
    dist = joint_distribution(kind, dim)
    other = dist.to_torch()
    y = np.random.default_rng(0).normal(size=(3, dim))
    np.testing.assert_allclose(other.log_prob(torch.from_numpy(y)).numpy(), dist.logpdf(y), rtol=1e-11)
    np.testing.assert_allclose(other.mean.numpy(), dist.mean(), rtol=1e-13)
    np.testing.assert_allclose(other.variance.numpy(), dist.var(), rtol=1e-10)
    other.mean.mul_(0)
    other.component_distribution.mean.mul_(0)
    assert dist.mean().any()


def test_to_torch_of_a_1d_target_with_a_weight_of_zero():
    dist = univariate("weights near zero")
    other = dist.to_torch()
    assert other.batch_shape == (2,)
    assert other.event_shape == ()
    y = np.array([0.4, -9.0])
    np.testing.assert_allclose(other.log_prob(torch.from_numpy(y)).numpy(), dist.logpdf(y), rtol=1e-12)
    np.testing.assert_allclose(other.cdf(torch.from_numpy(y)).numpy(), dist.cdf(y), rtol=1e-6)


EVERY_ANSWER = [
    ("logpdf", lambda d, y: d.logpdf(y)),
    ("cdf", lambda d, y: d.cdf(y)),
    ("logsf", lambda d, y: d.logsf(y)),
    ("prob", lambda d, y: d.prob(y, y + 0.1)),
    ("ppf", lambda d, y: d.ppf(LEVELS.reshape(3, *[1] * (d.means.ndim - 1)))),
    ("crps", lambda d, y: d.crps(y)),
    ("energy_score", lambda d, y: d.energy_score(y, n_samples=32)),
    ("responsibilities", lambda d, y: d.responsibilities(y)),
    ("modes", lambda d, y: d.modes()),
    ("in_hdr", lambda d, y: d.in_hdr(y, 0.5, n_samples=32)),
    ("hdr", lambda d, y: d.marginal(0).hdr(0.8)[0]),
    ("entropy", lambda d, y: d.entropy(n_samples=32)),
    ("rvs", lambda d, y: d.rvs(5, random_state=3)),
]


@pytest.mark.parametrize("answer", [a for _, a in EVERY_ANSWER], ids=[name for name, _ in EVERY_ANSWER])
@pytest.mark.parametrize("make", [lambda: one_dimensional(40, 4), lambda: some("full", 2, n_rows=40)])
def test_answers_do_not_depend_on_the_blocks(make, answer, monkeypatch):
    dist = make()
    y = np.random.default_rng(1).normal(size=(6, 40) if dist.means.ndim == 2 else (6, 40, 2))
    whole = answer(dist, y)
    monkeypatch.setattr(predictive, "BLOCK_NUMBERS", 50)
    monkeypatch.setattr("sklearn_mdn._mixtures.univariate.TERMS", 50)
    np.testing.assert_array_equal(answer(dist, y), whole)


@pytest.mark.parametrize(
    "answer", [a for _, a in EVERY_ANSWER[:-1]], ids=[name for name, _ in EVERY_ANSWER[:-1]]
)
@pytest.mark.parametrize("make", [lambda: one_dimensional(40, 4), lambda: some("full", 2, n_rows=40)])
def test_permuted_rows_give_permuted_answers(make, answer):
    dist = make()
    y = np.random.default_rng(1).normal(size=(6, 40) if dist.means.ndim == 2 else (6, 40, 2))
    whole, order = answer(dist, y), np.random.default_rng(2).permutation(40)
    expected = np.take(whole, order, axis=whole.shape.index(40))
    np.testing.assert_array_equal(answer(dist[order], y[:, order]), expected)


def test_memory_maps_and_other_arrays(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "y.npy"
    np.save(path, rng.normal(size=50))
    y = np.load(path, mmap_mode="r")
    dist = one_dimensional(50)
    expected = dist.logpdf(np.array(y))
    np.testing.assert_array_equal(dist.logpdf(y), expected)
    np.testing.assert_array_equal(dist.logpdf(y.tolist()), expected)
    np.testing.assert_array_equal(dist.crps(np.asfortranarray(y)), dist.crps(np.array(y)))
    np.testing.assert_allclose(dist.logpdf(y.astype(np.float32)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(dist.pdf(np.ones(50, dtype=int)), dist.pdf(1.0))
    stored = []
    for name in ("weights", "means", "covariances"):
        np.save(tmp_path / f"{name}.npy", getattr(dist, name))
        stored.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    np.testing.assert_allclose(MixtureDistribution(*stored).logpdf(y), expected, rtol=1e-13)


def test_nothing_global_is_touched():
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    dist = some("full")
    dist.rvs(3)
    dist.entropy()
    dist.energy_score(np.zeros((3, 2)))
    dist.in_hdr(np.zeros((3, 2)), 0.5)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert torch.get_num_threads() == threads


def test_random_states():
    dist = one_dimensional(20)
    same = dist.rvs(3, random_state=0)
    np.testing.assert_array_equal(dist.rvs(3, random_state=0), same)
    np.testing.assert_array_equal(dist.rvs(3, random_state=np.int64(0)), same)
    np.testing.assert_array_equal(dist.rvs(3, random_state=np.random.default_rng(0)), same)
    assert not np.array_equal(dist.rvs(3, random_state=1), same)
    assert not np.array_equal(dist.rvs(3), dist.rvs(3))
    for make in (np.random.default_rng, np.random.RandomState):
        state = make(7)
        first, second = dist.rvs(3, random_state=state), dist.rvs(3, random_state=state)
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(dist.rvs(3, random_state=make(7)), first)


def test_one_draw_is_the_first_of_many_rows():
    dist = one_dimensional(30)
    np.testing.assert_array_equal(dist.rvs(random_state=0), dist.rvs(1, random_state=0)[:, 0])


def test_nan_gives_nan_and_leaves_the_others_alone():
    dist = one_dimensional()
    y = np.array([0.1, np.nan, 0.3])
    for method in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf", "crps"):
        got = getattr(dist, method)(y)
        assert np.isnan(got).tolist() == [False, True, False]
        assert got[2] == getattr(dist, method)(np.full(3, 0.3))[2]


W, M, V = [[0.5, 0.5]], [[0.0, 1.0]], [[1.0, 1.0]]
NONE = np.empty((1, 0))
M2, C2 = np.zeros((1, 2, 2)), np.tile(np.eye(2), (1, 2, 1, 1))
BAD_PARAMETERS = {
    "negative weight": (([[-0.1, 1.1]], M, V), {}, "weights must not be negative, got -0.1"),
    "weights' sum": (
        ([[0.5, 0.4]], M, V),
        {},
        "weights must sum to 1 in each row, got a sum of 0.9",
    ),
    "weights just off": (([[0.5, 0.5 + 2e-6]], M, V), {}, "weights must sum to 1"),
    "weights all zero": (([[0.0, 0.0]], M, V), {}, "weights must sum to 1 in each row, got a sum of 0.0"),
    "weights' shape": (
        ([[1.0]], M, V),
        {},
        "weights must have the shape (n, K) = (1, 2)",
    ),
    "weights 1-d": (([0.5, 0.5], M, V), {}, "weights must have the shape (n, K)"),
    "weights NaN": (([[np.nan, 1.0]], M, V), {}, "weights must be finite, got nan"),
    "weights text": (([["a", "b"]], M, V), {}, "weights must be real numbers, got an array of <U1"),
    "means infinite": ((W, [[np.inf, 0.0]], V), {}, "means must be finite, got inf"),
    "means complex": ((W, [[1j, 0.0]], V), {}, "means must be real numbers, got an array of complex128"),
    "means' axes": ((W, [0.0, 1.0], V), {}, "means must have the shape (n, K) for a 1-d target or (n, K, D)"),
    "no component": (
        (np.empty((1, 0)), np.empty((1, 0)), np.empty((1, 0))),
        {},
        "K and D at least 1, got (1, 0)",
    ),
    "zero variance": ((W, M, [[1.0, 0.0]]), {}, "covariances must be positive, got a variance of 0.0"),
    "negative variance": ((W, M, [[-1.0, 1.0]]), {}, "covariances must be positive, got a variance of -1.0"),
    "variances' shape": (
        (W, M, [[1.0]]),
        {},
        "covariances must have the shape (1, 2) beside means of shape (1, 2)",
    ),
    "diag as full": ((W, M2, np.ones((1, 2, 2))), {}, "covariances must have the shape (1, 2, 2, 2)"),
    "full as diag": ((W, M2, C2), {"covariance_type": "diag"}, "covariances must have the shape (1, 2, 2)"),
    "spherical": (
        (W, M2, C2),
        {"covariance_type": "spherical"},
        "covariances must have the shape (1, 2)",
    ),
    "tied": ((W, M2, C2), {"covariance_type": "tied"}, "covariances must have the shape (1, 2, 2)"),
    "unknown type": (
        (W, M2, C2),
        {"covariance_type": "round"},
        "covariance_type must be None or one of full, tied, diag, spherical, got 'round'",
    ),
    "negative diagonal": (
        (W, M2, -C2),
        {},
        "positive diagonal, got a variance of -1.0",
    ),
    "indefinite": (
        (W, M2, C2 + 2 * C2[..., ::-1]),
        {},
        "positive definite matrices; that of row 0, component 0 is not: [[1.0, 2.0], [2.0, 1.0]]",
    ),
    "asymmetric": (
        (W, M2, C2 + np.triu(np.full((2, 2), 0.5), 1)),
        {},
        "covariances must be symmetric matrices",
    ),
}


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters_are_refused(name):
    arguments, options, message = BAD_PARAMETERS[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        MixtureDistribution(*arguments, **options)


PLAIN, WIDE2 = one_dimensional(), some(dim=2)
BAD_CALLS = {
    "y of another length": (
        lambda: PLAIN.pdf(np.zeros(4)),
        "y of shape (4,) cannot be broadcast",
    ),
    "y with a row too few": (
        lambda: WIDE2.pdf(np.zeros((2, 2))),
        "cannot be broadcast against (3, 2)",
    ),
    "y too wide": (
        lambda: WIDE2.logpdf(np.zeros((3, 3))),
        "y must have the 2 targets on its last axis, got the shape (3, 3)",
    ),
    "y too narrow": (lambda: WIDE2.logpdf(np.zeros((3, 1))), "y must have the 2 targets on its last axis"),
    "y a number": (
        lambda: WIDE2.energy_score(0.0),
        "targets on its last axis, got the shape ()",
    ),
    "y wide for one target": (
        lambda: some(dim=1).cdf(np.zeros((3, 2))),
        "broadcast against (3, 1)",
    ),
    "y text": (lambda: PLAIN.cdf(["a", "b", "c"]), "y must be real numbers, got an array of <U1"),
    "y complex": (lambda: PLAIN.crps(1j), "y must be real numbers, got an array of complex128"),
    "y infinite": (lambda: PLAIN.responsibilities(np.inf), "y must be finite, got inf"),
    "level NaN": (lambda: PLAIN.ppf(np.nan), "q must lie between 0 and 1, got nan"),
    "levels' shape": (lambda: PLAIN.ppf([0.1, 0.9]), "q of shape (2,) cannot be broadcast"),
    "confidence": (lambda: PLAIN.interval(1.5), "confidence must lie between 0 and 1, got 1.5"),
    "confidence of a region": (
        lambda: PLAIN.hdr(0.0),
        "confidence must lie strictly between 0 and 1",
    ),
    "confidences of a region": (
        lambda: PLAIN.hdr([0.5]),
        "confidence must be one number, got an array",
    ),
    "confidence in_hdr": (
        lambda: WIDE2.in_hdr([0.0, 0.0], 1),
        "strictly between 0 and 1, got 1",
    ),
    "region of two targets": (
        lambda: WIDE2.hdr(0.5),
        "one target, got a distribution of 2 targets",
    ),
    "interval backwards": (lambda: PLAIN.prob(1.0, 0.0), "b must not be below a"),
    "draws": (lambda: PLAIN.rvs(0), "size must be an integer of at least 1, got 0"),
    "draws by shape": (lambda: PLAIN.rvs((3, 2)), "size must be an integer of at least 1, got (3, 2)"),
    "seed": (lambda: PLAIN.rvs(3, random_state="a"), "random_state must be a non-negative integer, a Ra"),
    "negative seed": (lambda: WIDE2.entropy(random_state=-1), "random_state must be a non-negative integer"),
    "ragged": (lambda: PLAIN.pdf([[1.0], [1.0, 2.0]]), "numbers, got rows of different lengths"),
    "ragged means": (
        lambda: MixtureDistribution([[1.0]], [[1.0], [1.0, 2.0]], [[1.0]]),
        "means must be an array",
    ),
    "dates": (
        lambda: PLAIN.pdf(np.array(["2020-01-01"], "M8[D]")),
        "must be real numbers, got an array of dat",
    ),
    "None": (lambda: PLAIN.pdf(None), "must be real numbers, got an array of object"),
    "n_samples": (lambda: WIDE2.entropy(n_samples=0), "n_samples must be an integer of at least 1, got 0"),
    "target": (lambda: WIDE2.marginal(2), "targets must be an integer from -2 to 1, got 2"),
    "target by name": (lambda: WIDE2.marginal(["a"]), "targets must be an integer from -2 to 1, got 'a'"),
    "targets nested": (
        lambda: WIDE2.marginal([[0, 1]]),
        "targets must be an integer from -2 to 1, got [0, 1]",
    ),
    "no target": (lambda: WIDE2.marginal([]), "targets must name at least one target"),
    "target twice": (lambda: WIDE2.marginal([0, -2]), "one target, and each once, got [0, -2]"),
    "all targets": (
        lambda: WIDE2.condition([0, 1], [0.0, 0.0]),
        "targets must leave at least one target",
    ),
    "1-d target": (lambda: PLAIN.condition(0, 0.0), "targets must leave at least one target unknown, got 0"),
    "values' shape": (
        lambda: WIDE2.condition([0], [0.0, 1.0]),
        "the shape (3, 1) or (1,), got (2,)",
    ),
    "values NaN": (lambda: WIDE2.condition(0, np.nan), "values must be finite, got nan"),
    "nothing": (
        lambda: MixtureDistribution.concatenate([]),
        "must be a sequence of at least one",
    ),
    "not a distribution": (
        lambda: MixtureDistribution.concatenate([PLAIN, 3]),
        "got ['MixtureDistribution', 'int']",
    ),
    "other targets": (
        lambda: MixtureDistribution.concatenate([PLAIN, some(dim=1)]),
        "distributions must have the same targets, got 1-d target, 1 target",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_are_refused(name):
    call, message = BAD_CALLS[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

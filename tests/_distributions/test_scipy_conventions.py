"""What SciPy's frozen distributions answer, ends and moments included; and refusals, method by method."""

from __future__ import annotations

import datetime
import inspect
import warnings
from decimal import Decimal
from fractions import Fraction

import joblib
import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from sklearn_mdn import MixtureDistribution
from sklearn_mdn._distributions.records import Grid
from tests._distributions.cases import (
    UNIVARIATE,
    ExactMixture,
    joint_distribution,
    relative_error,
    univariate,
)

EPS = np.finfo(float).eps
ROWS = [(name, row) for name in UNIVARIATE for row in range(len(UNIVARIATE[name][0]))]


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(50):
        yield


def three_rows():
    return MixtureDistribution([[0.3, 0.7]] * 3, [[-1.0, 2.0]] * 3, [[1.0, 0.25]] * 3)


# Methods with one component against scipy.stats.norm: method, arguments.
AS_SCIPY = [
    *[(method, (y,)) for method in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf") for y in (-9.0, 0.3)],
    *[(method, (q,)) for method in ("ppf", "isf") for q in (0, 1, 0.0, 1e-9, 0.4, 1.0, True)],
    *[("interval", (level,)) for level in (0.0, 0.3, 1.0)],
    *[(method, ()) for method in ("mean", "median", "var", "std", "entropy", "support", "stats")],
    *[("stats", (letters,)) for letters in ("m", "v", "s", "k", "mvsk", "kv")],
    *[("moment", (order,)) for order in range(8)],
]


@pytest.mark.parametrize(("method", "arguments"), AS_SCIPY)
def test_one_component_is_scipys_normal_distribution(method, arguments):
    means, deviations = np.array([-2.0, 0.0, 5.0]), np.array([0.5, 1.0, 3.0])
    dist = MixtureDistribution(np.ones((3, 1)), means[:, None], deviations[:, None] ** 2)
    got = getattr(dist, method)(*arguments)
    assert type(got) is (tuple if isinstance(got, tuple) else np.ndarray)
    parts = got if isinstance(got, tuple) else (got,)
    for row, frozen in enumerate(map(stats.norm, means, deviations)):
        expected = getattr(frozen, method)(*arguments)
        expected = expected if isinstance(expected, tuple) else (expected,)
        np.testing.assert_allclose([part[row] for part in parts], expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_quantiles_at_the_ends(shape):
    dist = univariate("overlapping")
    q = np.array([0.0, 1e-3, 0.5, 1.0])
    expected = [-np.inf, *dist.ppf(q[1:3, None])[:, 0], np.inf]
    np.testing.assert_array_equal(dist.ppf(q[:, None])[:, 0], expected)
    np.testing.assert_array_equal(dist.isf(q[[0, 3], None]), [[np.inf] * 2, [-np.inf] * 2])
    wide = joint_distribution("full", 2)
    lower, upper = wide.support()
    np.testing.assert_array_equal(wide.ppf(np.zeros(shape)), lower)
    np.testing.assert_array_equal(wide.isf(np.zeros(shape)), upper)
    assert wide.ppf(q[:, None, None]).shape == (4, 3, 2)
    np.testing.assert_array_equal(wide.cdf(lower), 0)
    np.testing.assert_array_equal(wide.cdf(upper), 1)
    for part, end in zip(wide.interval(1), (lower, upper), strict=True):
        np.testing.assert_array_equal(part, end)
    for part in wide.interval(0):
        np.testing.assert_allclose(part, wide.median(), rtol=1e-14, atol=1e-14)


def test_levels_of_each_row():
    np.testing.assert_array_equal(np.isinf(three_rows().ppf([0.0, 0.5, 1.0])), [True, False, True])


def exact_moments(exact):
    """Mean, and the central moments from the second to the fourth."""
    mean = mpmath.fsum(w * m for w, m, _ in exact.parts)
    parts = [(w, m - mean, s) for w, m, s in exact.parts]
    second = mpmath.fsum(w * (d**2 + s**2) for w, d, s in parts)
    third = mpmath.fsum(w * (d**3 + 3 * d * s**2) for w, d, s in parts)
    fourth = mpmath.fsum(w * (d**4 + 6 * d**2 * s**2 + 3 * s**4) for w, d, s in parts)
    return mean, second, third, fourth


def check_shape(dist, row):
    """Skewness and kurtosis of a row of a 1-d target, to the rounding of their largest terms."""
    exact = ExactMixture.of(dist, row)
    mean, second, third, fourth = exact_moments(exact)
    deviation = mpmath.sqrt(second)
    apart = [(w, abs(m - mean) / deviation, s / deviation) for w, m, s in exact.parts]
    sizes = [1 + mpmath.fsum(w * (a + s) ** order for w, a, s in apart) for order in (3, 4)]
    got = dist.skewness()[row], dist.kurtosis()[row]
    for value, reference, size in zip(
        got, (third / deviation**3, fourth / second**2 - 3), sizes, strict=True
    ):
        assert abs(value - reference) < 64 * EPS * size


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_skewness_and_kurtosis(name, row):
    check_shape(univariate(name), row)


@pytest.mark.parametrize("offset", [0.0, -1e6, 2.0**40, 1e15])
def test_a_large_offset_costs_skewness_and_kurtosis_nothing(offset):
    weights, means, deviations = UNIVARIATE["overlapping"]
    moved = MixtureDistribution(weights, np.multiply(means, 8.0) + offset, 64 * np.square(deviations))
    for row in range(len(moved)):
        check_shape(moved, row)


def test_the_excess_does_not_drown_in_the_three():
    dist = MixtureDistribution([[0.5, 0.5]], [[7.0, 7.0]], [[1.0 - 2.0**-20, 1.0 + 2.0**-20]])
    *_, second, _, fourth = exact_moments(ExactMixture.of(dist, 0))
    # The deviations that are stored are roundings, and the excess is quadratic in what sets them apart.
    assert relative_error(dist.kurtosis()[0], fourth / second**2 - 3) < 1e-8
    assert dist.kurtosis()[0] == pytest.approx(3 * 2.0**-40, rel=1e-8)


def exact_raw_moment(mean, deviation, order):
    """E[Y^order] of a normal distribution, by the binomial sum."""
    return mpmath.fsum(
        mpmath.binomial(order, 2 * j)
        * mpmath.fac2(2 * j - 1)
        * deviation ** (2 * j)
        * mean ** (order - 2 * j)
        for j in range(order // 2 + 1)
    )


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4, 5, 8, 13, 20])
@pytest.mark.parametrize(("name", "row"), ROWS)
def test_raw_moments(name, row, order):
    dist = univariate(name)
    exact = ExactMixture.of(dist, row)
    terms = [w * exact_raw_moment(m, s, order) for w, m, s in exact.parts]
    size = mpmath.fsum(map(abs, terms))
    assert abs(dist.moment(order)[row] - mpmath.fsum(terms)) <= 4 * (order + 4) * EPS * size + 1e-300


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_moments_are_integrals(order):
    dist = univariate("overlapping")[0]
    area, _ = integrate.quad(
        lambda y: y**order * dist.pdf(y)[0], -15, 15, points=[-1, 0.3, 1.5], epsabs=1e-11
    )
    np.testing.assert_allclose(dist.moment(order), area, rtol=1e-9)
    central = [
        integrate.quad(lambda y, k=k: (y - dist.mean()[0]) ** k * dist.pdf(y)[0], -15, 15, points=[0.3, 1.5])[
            0
        ]
        for k in (2, 3, 4)
    ]
    np.testing.assert_allclose(dist.skewness(), central[1] / central[0] ** 1.5, rtol=1e-7)
    np.testing.assert_allclose(dist.kurtosis(), central[2] / central[0] ** 2 - 3, rtol=1e-7)


def test_moments_of_several_targets_are_those_of_each():
    dist = joint_distribution("full", 3, n_rows=4)
    for j in range(3):
        alone = dist.marginal(j)
        np.testing.assert_allclose(dist.moment(3)[:, j], alone.moment(3), rtol=1e-13)
        for ours, its in zip(dist.stats("mvsk"), alone.stats("mvsk"), strict=True):
            np.testing.assert_allclose(ours[:, j], its, rtol=1e-13, atol=1e-13)


def test_moments_at_the_ends_of_the_numbers():
    tiny_weight = MixtureDistribution([[1.0, 1e-300]], [[0.0, 1e4]], [[1.0, 1.0]])
    np.testing.assert_allclose(tiny_weight.moment(100)[0], 1e100, rtol=1e-3)
    assert np.isfinite(tiny_weight.kurtosis()).all()
    far = MixtureDistribution([[1.0 - 1e-16, 1e-300]], [[0.0, 1e150]], [[1.0, 1.0]])
    np.testing.assert_allclose(far.kurtosis()[0], 0.25e300, rtol=1e-9)  # of a variance of 1 + 1
    without_weight = MixtureDistribution([[1.0, 0.0]], [[3.0, -1e308]], [[4.0, 1e300]])
    for order in (3, 200):
        expected = MixtureDistribution([[1.0]], [[3.0]], [[4.0]]).moment(order)
        np.testing.assert_allclose(without_weight.moment(order), expected, rtol=1e-12)
    np.testing.assert_allclose(without_weight.stats("sk"), 0, atol=1e-15)
    assert MixtureDistribution([[1.0]], [[0.0]], [[1e40]]).moment(30)[0] == np.inf
    assert MixtureDistribution([[1.0]], [[0.0]], [[1e40]]).moment(31)[0] == 0.0


def sum_above_one():
    """Mixtures whose weights, as doubles, sum to a little more than one."""
    rng = np.random.default_rng(0)
    weights = np.concatenate([[[0.3, 0.1, 0.6]], rng.dirichlet(np.ones(3), 400)])
    return MixtureDistribution(weights, np.zeros((401, 3)), np.ones((401, 3)))


def test_probabilities_lie_between_zero_and_one():
    dist = sum_above_one()
    assert (dist.weights.sum(axis=1) > 1).any()
    for y in (-np.inf, -50.0, -8.5, 0.0, 8.5, 50.0, np.inf):
        for probability in (dist.cdf(y), dist.sf(y), dist.prob(y, np.inf), dist.prob(-np.inf, y)):
            assert ((probability >= 0) & (probability <= 1)).all()
        for logarithm in (dist.logcdf(y), dist.logsf(y)):
            assert (logarithm <= 0).all()
    assert np.isnan(dist.cdf(np.nan)).all()


def test_equal_distributions_have_equal_hashes():
    for make in (lambda: univariate("overlapping"), lambda: joint_distribution("full", 2)):
        first, second = make(), make()
        stored = joblib.hash(first)
        first.cdf(0.0)  # so that something is cached
        assert joblib.hash(first) == joblib.hash(second) == joblib.hash(first[:]) == stored
        assert joblib.hash(first[:1]) != stored


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_skops_stores_a_distribution(kind):
    skops_io = pytest.importorskip("skops.io")
    for dist in (joint_distribution(kind, 2), univariate("overlapping")):
        data = skops_io.dumps(dist)
        assert skops_io.get_untrusted_types(data=data) == ["sklearn_mdn.MixtureDistribution"]
        again = skops_io.loads(data, trusted=["sklearn_mdn.MixtureDistribution"])
        assert repr(again) == repr(dist)
        np.testing.assert_array_equal(again.ppf(0.3), dist.ppf(0.3))
        np.testing.assert_array_equal(again.covariances, dist.covariances)


WITH_Y = ["pdf", "logpdf", "cdf", "sf", "logcdf", "logsf", "crps", "energy_score", "responsibilities"]


@pytest.mark.parametrize("method", WITH_Y)
@pytest.mark.parametrize("column", [np.array([[0.1], [0.7], [0.2]]), pd.DataFrame({"y": [0.1, 0.7, 0.2]})])
def test_a_column_of_as_many_values_as_rows_comes_with_a_warning(method, column):
    ask = getattr(three_rows(), method)
    with pytest.warns(
        UserWarning, match=r"y of shape \(3, 1\) is read as a grid of 3.*\(3,\), as y\[:, 0\] is"
    ):
        answer = ask(column)
    values = np.asarray(column)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(answer, ask(np.broadcast_to(values, (3, 3))))
        np.testing.assert_array_equal(np.diagonal(answer), ask(values[:, 0]).T)
        for grid in (values[:2], np.linspace(0, 1, 4)[:, None]):
            assert ask(grid).shape[:2] == (len(grid), 3)


def test_what_is_no_column_of_values_comes_without_a_warning():
    dist = three_rows()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dist.ppf(np.array([0.1, 0.5, 0.9])[:, None]).shape == (3, 3)
        assert dist.interval(np.array([0.1, 0.5, 0.9])[:, None])[0].shape == (3, 3)
        assert dist[0].pdf([[0.3]]).shape == (1, 1)
        assert joint_distribution("diag", 1).pdf(np.zeros((3, 1))).shape == (3,)


def test_the_warning_names_the_line_that_asks():
    for method in ("logpdf", "pdf", "cdf", "crps"):
        with pytest.warns(UserWarning, match="read as a grid") as caught:
            getattr(three_rows(), method)(np.zeros((3, 1)))
        assert [warning.filename for warning in caught] == [__file__]


# An argument that does not broadcast, what it should be, and a use of it.
GRIDS = {
    "y": (three_rows, "pdf", np.linspace(0, 1, 7), "y[:, None]"),
    "q": (three_rows, "ppf", np.array([0.1, 0.9]), "q[:, None]"),
    "confidence": (three_rows, "interval", np.array([0.1, 0.9]), "confidence[:, None]"),
    "y of 2 targets": (lambda: joint_distribution("diag", 2), "pdf", np.zeros((7, 2)), "y[:, None]"),
    "single targets": (lambda: joint_distribution("diag", 2), "cdf", np.zeros(7), "y[:, None, None]"),
    "q of 2 targets": (lambda: joint_distribution("diag", 2), "ppf", np.full(7, 0.5), "q[:, None, None]"),
}


@pytest.mark.parametrize("case", GRIDS)
def test_values_for_every_row_are_shown_the_way(case):
    make, method, values, expected = GRIDS[case]
    with pytest.raises(ValueError, match="cannot be broadcast") as caught:
        getattr(make(), method)(values)
    assert str(caught.value).endswith(f"For {len(values)} values for each row, pass {expected}.")
    axes = (slice(None), *[None] * expected.count("None"))
    answer = getattr(make(), method)(values[axes])
    assert (answer[0] if method == "interval" else answer).shape[:2] == (len(values), 3)


def test_no_way_is_shown_where_there_is_none():
    with pytest.raises(ValueError, match=r"against \(3, 2\)\.$"):
        joint_distribution("diag", 2).cdf(np.zeros((7, 3)))


@pytest.mark.parametrize(
    "values",
    [
        [0.5, 1, True],
        [Decimal("0.5"), Fraction(1), np.float32(1)],
        pd.Series([0.5, 1.0, 1.0], dtype="Float64"),
        np.array([0.5, 1, 1], dtype=object),
    ],
)
def test_numbers_of_every_kind_are_read(values):
    np.testing.assert_array_equal(three_rows().pdf(values), three_rows().pdf([0.5, 1.0, 1.0]))


TEXT = ["1", ["1", "2", "3"], np.array(["1", 2, 3], dtype=object), [b"1"]]
DATES = [np.datetime64("2020-01-01"), [datetime.date(2020, 1, 1)] * 3, [pd.Timestamp(2020, 1, 1)] * 3]
LAPSES = [np.timedelta64(3, "s"), np.array([np.timedelta64(3, "ns")] * 3, dtype=object)]
NO_NUMBERS = [*TEXT, *DATES, *LAPSES, None, 1j, [1, 2j, 3], object(), [[1.0], [1.0, 2.0]]]
NO_COUNTS = [0, -1, 1.5, "1", True, [1]]
NO_SEEDS = ["abc", -1, 0.5, object()]
NO_LEVELS = [*NO_NUMBERS, -0.1, 1.1, np.nan, np.inf]
NO_CONFIDENCES = [*NO_LEVELS, 0, 1, [0.5]]
NO_TARGETS = ["a", None, 2, -3, 0.0, True, [], [0, 0], [[0, 1]], [0, 2], ["a"]]
NO_FUNCTIONS = [None, "mean", 3.0]
NO_POINTS = [*(bad for bad in NO_NUMBERS if bad is not None), np.nan, np.inf, np.zeros((2, 2))]
# Every public method: what its arguments may not be, beside arguments that fit.
REFUSED = {
    "MixtureDistribution": {
        "weights": [*NO_NUMBERS, [["0.3", "0.7"]] * 3, [[np.nan, 1.0]] * 3, [0.3, 0.7], [[0.3, 0.6]] * 3],
        "means": [*NO_NUMBERS, [["0", "1"]] * 3, np.zeros((3, 2), "M8[D]"), [[np.inf, 0.0]] * 3, [0.0, 1.0]],
        "covariances": [*NO_NUMBERS, [["1", "1"]] * 3, [[0.0, 1.0]] * 3, [[np.nan, 1.0]] * 3, [1.0, 1.0]],
        "covariance_type": ["round", 1, ["full"], np.array(["full", "diag"]), True],
    },
    "concatenate": {"distributions": [None, 3, "abc", [], [None], [three_rows(), 1.0], {"a": 1}]},
    **{method: {"y": [*NO_NUMBERS, np.zeros(4)]} for method in WITH_Y},
    "responsibilities": {"y": [*NO_NUMBERS, np.zeros(4), np.inf, [0.0, np.nan, 1.0]]},
    "energy_score": {"y": NO_NUMBERS, "n_samples": NO_COUNTS, "random_state": NO_SEEDS},
    "prob": {"a": [*NO_NUMBERS, np.zeros(4)], "b": [*NO_NUMBERS, np.zeros(4), -1.0]},
    "ppf": {"q": [*NO_LEVELS, [0.1, 0.9]]},
    "isf": {"q": [*NO_LEVELS, [0.1, 0.9]]},
    "interval": {"confidence": [*NO_LEVELS, [0.1, 0.9]]},
    "stats": {"moments": ["", "x", "mm", "mvskk", 1, None, ["m", "v"], True]},
    "moment": {"order": [-1, 1.5, "2", None, True, 201, [1, 2], 10**30]},
    "hdr": {"confidence": NO_CONFIDENCES},
    "in_hdr": {
        "y": NO_NUMBERS,
        "confidence": NO_CONFIDENCES,
        "n_samples": NO_COUNTS,
        "random_state": NO_SEEDS,
    },
    "hdr_threshold": {"confidence": NO_CONFIDENCES, "n_samples": NO_COUNTS, "random_state": NO_SEEDS},
    "hdr_level": {"y": NO_NUMBERS, "n_samples": NO_COUNTS, "random_state": NO_SEEDS},
    "expect": {
        "function": NO_FUNCTIONS,
        "points": NO_POINTS,
        "n_samples": NO_COUNTS,
        "random_state": NO_SEEDS,
    },
    "argmin_expected": {
        "loss": NO_FUNCTIONS,
        "candidates": [None, *NO_POINTS, []],
        "points": NO_POINTS,
        "n_samples": NO_COUNTS,
        "random_state": NO_SEEDS,
    },
    "entropy": {"n_samples": NO_COUNTS, "random_state": NO_SEEDS},
    "rvs": {"size": [*NO_COUNTS, (2, 3)], "random_state": NO_SEEDS, "rounded": [True]},
    "probabilities": {"values": [*NO_NUMBERS, np.nan, [[0.0, 1.0]]]},
    "marginal": {"targets": NO_TARGETS},
    "condition": {
        "targets": [*NO_TARGETS, [0, 1]],
        "values": [*NO_NUMBERS, np.nan, np.inf, [0.0, 1.0], np.zeros((3, 2))],
    },
}
FITTING = {
    "weights": [[0.3, 0.7]] * 3,
    "means": [[-1.0, 2.0]] * 3,
    "covariances": [[1.0, 1.0]] * 3,
    "y": 0.0,
    "a": 0.0,
    "b": 1.0,
    "q": 0.5,
    "order": 2,
    "confidence": 0.5,
    "targets": 0,
    "values": 0.0,
    "function": np.square,
    "loss": lambda action, y: (y - action) ** 2,
    "candidates": [0.0, 1.0],
}


def arguments_of(method):
    call = MixtureDistribution if method == "MixtureDistribution" else getattr(MixtureDistribution, method)
    return [name for name in inspect.signature(call).parameters if name != "self"]


def test_the_table_of_refusals_is_complete():
    methods = [
        name
        for name, member in inspect.getmembers(MixtureDistribution)
        if not name.startswith("_") and callable(member) and arguments_of(name)
    ]
    assert set(REFUSED) == {"MixtureDistribution", *methods}
    for method, refused in REFUSED.items():
        assert list(refused) == arguments_of(method)


@pytest.mark.parametrize(("method", "name"), [(m, name) for m in REFUSED for name in REFUSED[m]])
def test_bad_arguments_are_refused_by_name(method, name):
    dist = joint_distribution("diag", 2) if method in ("marginal", "condition") else three_rows()
    if method == "probabilities":
        dist._on(Grid(np.ones(1), np.zeros(1)))
    call = MixtureDistribution if method == "MixtureDistribution" else getattr(dist, method)
    fitting = {key: FITTING[key] for key in arguments_of(method) if key in FITTING}
    call(**fitting) if method != "concatenate" else call(distributions=[dist])
    for bad in REFUSED[method][name]:
        if method == "rvs" and bad is None:
            continue
        with pytest.raises((TypeError, ValueError), match=rf"^{name}\b") as caught:
            call(**{**fitting, name: bad})
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_one_target_does_not_advance_a_generator(make):
    """Answers that need no draws take none."""
    state = make(3)
    three_rows().entropy(random_state=state)
    three_rows().energy_score(0.0, random_state=state)
    three_rows().in_hdr(0.0, 0.5, random_state=state)
    assert state.normal() == make(3).normal()

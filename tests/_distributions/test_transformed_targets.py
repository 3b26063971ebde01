"""Densities of targets that were transformed before they were learned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.model_selection import (
    GridSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_mdn import (
    ConformalDensityRegressor,
    DensityFunctional,
    DensityPool,
    MixtureDistribution,
    TransformedDistribution,
    predict_distribution,
)
from sklearn_mdn._distributions.jacobian import jacobian, numeric_jacobian
from sklearn_mdn._distributions.untrained import check_target_transformers
from sklearn_mdn.metrics import (
    calibration_error,
    coverage_scorer,
    cross_val_predict_distribution,
    crps,
    hdr_coverage,
    log_likelihood_scorer,
    make_density_scorer,
    neg_crps_scorer,
    neg_energy_scorer,
    neg_pinball_scorer,
    pit_values,
)
from tests._distributions.linear_density import LinearDensity

SCORERS = {
    "log_likelihood": log_likelihood_scorer,
    "neg_crps": neg_crps_scorer,
    "neg_pinball": neg_pinball_scorer([0.1, 0.9]),
    "coverage": coverage_scorer(0.8),
    "calibration": make_density_scorer(calibration_error, greater_is_better=False),
}


def power(y, exponent):
    return y**exponent


class Cubed(TransformerMixin, BaseEstimator):
    """A transformer that nobody has a derivative for."""

    def fit(self, y, _=None):
        self.fitted_ = True
        return self

    def transform(self, y):
        return y**3 + y

    def inverse_transform(self, z):
        # The real root of t^3 + t - z, by Cardano's formula.
        root = np.sqrt(z**2 / 4 + 1 / 27)
        return np.cbrt(z / 2 + root) + np.cbrt(z / 2 - root)


TRANSFORMERS = {
    "standard": StandardScaler(),
    "standard, mean only": StandardScaler(with_std=False),
    "min-max": MinMaxScaler(feature_range=(-2, 3)),
    "min-max, clipped": MinMaxScaler(clip=True),
    "max-abs": MaxAbsScaler(),
    "max-abs, clipped": MaxAbsScaler(clip=True),
    "robust": RobustScaler(),
    "robust, centre only": RobustScaler(with_scaling=False),
    "robust, unit variance": RobustScaler(unit_variance=True),
    "Box-Cox": PowerTransformer("box-cox"),
    "Box-Cox, as it comes": PowerTransformer("box-cox", standardize=False),
    "Yeo-Johnson": PowerTransformer(),
    "Yeo-Johnson, both signs": make_pipeline(StandardScaler(), PowerTransformer()),
    "Yeo-Johnson, as it comes": PowerTransformer(standardize=False),
    "quantiles, normal": QuantileTransformer(n_quantiles=20, output_distribution="normal"),
    "quantiles, uniform": QuantileTransformer(n_quantiles=20),
    "identity": FunctionTransformer(),
    "log": FunctionTransformer(np.log, np.exp),
    "log1p": FunctionTransformer(np.log1p, np.expm1),
    "log2": FunctionTransformer(np.log2, np.exp2),
    "log10": FunctionTransformer(np.log10, special.exp10),
    "exp": FunctionTransformer(np.exp, np.log),
    "exp2": FunctionTransformer(np.exp2, np.log2),
    "expm1": FunctionTransformer(np.expm1, np.log1p),
    "sqrt": FunctionTransformer(np.sqrt, np.square),
    "cbrt": FunctionTransformer(np.cbrt, lambda z: z**3),
    "square": FunctionTransformer(np.square, np.sqrt),
    "reciprocal": FunctionTransformer(np.reciprocal, np.reciprocal),
    "negative": FunctionTransformer(np.negative, np.negative),
    "arcsinh": FunctionTransformer(np.arcsinh, np.sinh),
    "sinh": FunctionTransformer(np.sinh, np.arcsinh),
    "tanh": FunctionTransformer(np.tanh, np.arctanh),
    "expit": FunctionTransformer(special.expit, special.logit),
    "a function with options": FunctionTransformer(
        power, power, kw_args={"exponent": 3}, inv_kw_args={"exponent": 1 / 3}
    ),
    "the user's function": FunctionTransformer(lambda y: np.log(y + 0.5), lambda z: np.exp(z) - 0.5),
    "the user's class": Cubed(),
    "pipeline": make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler()),
    "long pipeline": make_pipeline(
        FunctionTransformer(np.log1p, np.expm1), MinMaxScaler(), "passthrough", PowerTransformer(), Cubed()
    ),
}
ON_UNIT_INTERVAL = {
    "logit": FunctionTransformer(special.logit, special.expit),
    "arctanh": FunctionTransformer(np.arctanh, np.tanh),
}
NAMES = [*TRANSFORMERS, *ON_UNIT_INTERVAL]
SMOOTH = [name for name in NAMES if not name.startswith("quantiles")]
# Beyond the training targets the others are flat.
INVERTIBLE = [name for name in SMOOTH if "clipped" not in name]
CLIPPED = ["min-max, clipped", "max-abs, clipped", "quantiles, normal"]


def data(n=60, n_targets=1):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    y = X @ rng.normal(size=(3, n_targets)) + rng.normal(size=(n, n_targets))
    return X, y[:, 0] if n_targets == 1 else y


def positive_data(n=80, n_targets=1):
    X, y = data(n, n_targets)
    return X, np.exp(0.05 * y)


def transformed(name, n_targets=1):
    """A fitted TransformedTargetRegressor, its rows and targets, and targets to look at."""
    transformer = {**TRANSFORMERS, **ON_UNIT_INTERVAL}[name]
    X, y = positive_data(n_targets=n_targets)
    if name in ON_UNIT_INTERVAL:
        y = y / (1.0 + y)
    model = TransformedTargetRegressor(LinearDensity(), transformer=transformer, check_inverse=False).fit(
        X, y
    )
    # Inside the range of the training targets, off the knots of a piecewise linear transform.
    low, high = np.quantile(y, [0.02, 0.98], axis=0)
    levels = np.linspace(0.013, 0.987, len(X)).reshape(-1, *(1,) * (y.ndim - 1))
    return model, X, y, low + (high - low) * levels


class TestTransformedTargets:
    @pytest.mark.parametrize("name", NAMES)
    def test_derivative(self, name):
        """Against differences of the transform itself."""
        model, _, _, y = transformed(name)
        found = jacobian(model.transformer_, y[:, None])
        assert found.shape == (len(y), 1)
        step = 1e-6 * np.maximum(1.0, np.abs(y))[:, None]
        ahead, behind = (model.transformer_.transform(y[:, None] + s * step) for s in (1, -1))
        np.testing.assert_allclose(found, (ahead - behind) / (2 * step), rtol=2e-6)

    @pytest.mark.parametrize("name", SMOOTH)
    def test_numeric_derivative(self, name):
        """Differences stand in for any rule, to nearly its precision where the transform is smooth."""
        model, _, _, y = transformed(name)
        exact = jacobian(model.transformer_, y[:, None])
        tolerance = 1e-3 if "both signs" in name else 1e-8  # its higher derivatives jump at zero
        np.testing.assert_allclose(numeric_jacobian(model.transformer_, y[:, None]), exact, rtol=tolerance)

    @pytest.mark.parametrize("name", NAMES)
    def test_density_is_the_derivative_of_the_distribution(self, name):
        model, X, _, y = transformed(name)
        density = predict_distribution(model, X)
        step = 1e-5 * np.maximum(1.0, np.abs(y))
        slope = (density.cdf(y + step) - density.cdf(y - step)) / (2 * step)
        np.testing.assert_allclose(np.exp(density.logpdf(y)), slope, rtol=1e-4, atol=1e-7)
        score = log_likelihood_scorer(model, X, y)
        assert score == pytest.approx(density.logpdf(y).mean(), rel=1e-12)

    @pytest.mark.parametrize("name", NAMES)
    def test_quantiles_are_in_order(self, name):
        model, X, _, _ = transformed(name)
        quantiles = predict_distribution(model, X).ppf(np.array([0.3, 0.5, 0.7])[:, None])
        assert (np.diff(quantiles, axis=0) >= 0).all()

    @pytest.mark.parametrize("name", INVERTIBLE)
    def test_quantiles_invert_the_distribution(self, name):
        model, X, _, _ = transformed(name)
        density = predict_distribution(model, X)
        levels = np.array([0.3, 0.5, 0.7])
        quantiles = density.ppf(levels[:, None])
        inside = np.broadcast_to(levels[:, None], quantiles.shape)
        np.testing.assert_allclose(density.cdf(quantiles), inside, rtol=1e-7)

    @pytest.mark.parametrize("name", ["log", "Yeo-Johnson", "reciprocal", "the user's function", "pipeline"])
    def test_density_integrates_to_one(self, name):
        model, X, _, _ = transformed(name)
        density = predict_distribution(model, X[:1])
        low, high = density.ppf(np.array([[1e-3], [1 - 1e-3]]))[:, 0]
        area = integrate.quad(lambda y: np.exp(density.logpdf(np.array([y])))[0], low, high)[0]
        assert area == pytest.approx(1 - 2e-3, abs=1e-7)

    @pytest.mark.parametrize("name", ["standard", "min-max", "max-abs", "robust", "standard, mean only"])
    @pytest.mark.parametrize("n_targets", [1, 2])
    def test_a_scaled_target_changes_nothing(self, name, n_targets):
        """Least squares is equivariant, so the density behind a scaler is the density without it."""
        model, X, y, _ = transformed(name, n_targets)
        plain = LinearDensity().fit(X, y)
        for score in ("log_likelihood", "neg_pinball", "coverage", "calibration", "neg_crps"):
            expected = SCORERS[score](plain, X, y)
            assert SCORERS[score](model, X, y) == pytest.approx(expected, rel=1e-8)
        for scorer in (neg_energy_scorer, make_density_scorer(hdr_coverage)):
            assert scorer(model, X, y) == pytest.approx(scorer(plain, X, y), rel=1e-8)
        found, expected = predict_distribution(model, X), plain.predict_distribution(X)
        assert isinstance(found, MixtureDistribution)
        np.testing.assert_allclose(found.covariances, expected.covariances, rtol=1e-9)

    def test_crps_of_a_lognormal(self):
        scoringrules = pytest.importorskip("scoringrules")
        model, X, y, _ = transformed("log")
        mixture = model.regressor_.predict_distribution(X)
        expected = scoringrules.crps_lognormal(y, mixture.mean(), mixture.std()).mean()
        assert neg_crps_scorer(model, X, y) == pytest.approx(-expected, rel=1e-8)

    def test_a_decreasing_transform_keeps_the_order_of_quantiles(self):
        X, y = data()
        model = TransformedTargetRegressor(LinearDensity(), func=np.negative, inverse_func=np.negative).fit(
            X, y
        )
        plain = LinearDensity().fit(X, y)
        np.testing.assert_allclose(
            pit_values(y, predict_distribution(model, X)),
            pit_values(y, plain.predict_distribution(X)),
            rtol=1e-8,
        )
        assert neg_pinball_scorer(0.1)(model, X, y) == pytest.approx(neg_pinball_scorer(0.1)(plain, X, y))

    def test_targets_mixed_by_a_rotation(self):
        """The joint density can be told, those of single targets cannot."""
        X, y = positive_data(n_targets=2)
        model = TransformedTargetRegressor(LinearDensity(), transformer=PCA(whiten=True)).fit(X, y)
        plain = LinearDensity().fit(X, y)
        expected = log_likelihood_scorer(plain, X, y)
        assert log_likelihood_scorer(model, X, y) == pytest.approx(expected, rel=1e-7)
        chained = TransformedTargetRegressor(
            LinearDensity(), transformer=make_pipeline(StandardScaler(), PCA(), MinMaxScaler())
        ).fit(X, y)
        assert log_likelihood_scorer(chained, X, y) == pytest.approx(expected, rel=1e-7)
        for name in ("neg_crps", "neg_pinball", "coverage"):
            with pytest.raises(ValueError, match="mixes them"):
                SCORERS[name](model, X, y)

    def test_the_user_s_function_of_two_targets(self):
        X, y = positive_data(n_targets=2)
        model = TransformedTargetRegressor(
            LinearDensity(), func=lambda y: np.log(y + 0.5), inverse_func=lambda z: np.exp(z) - 0.5
        ).fit(X, y)
        derivative = jacobian(model.transformer_, y)
        np.testing.assert_allclose(derivative, 1 / (y + 0.5), rtol=1e-9)
        assert np.isfinite(neg_crps_scorer(model, X, y))

    def test_transforms_inside_transforms(self):
        X, y = positive_data()
        inner = TransformedTargetRegressor(LinearDensity(), transformer=StandardScaler())
        nested = TransformedTargetRegressor(make_pipeline(PCA(), inner), func=np.log, inverse_func=np.exp)
        plain = TransformedTargetRegressor(LinearDensity(), func=np.log, inverse_func=np.exp).fit(X, y)
        search = GridSearchCV(
            nested, {"regressor__transformedtargetregressor__regressor__spread": [1.0]}, cv=2, scoring="r2"
        )
        for scorer in (log_likelihood_scorer, neg_crps_scorer):
            assert scorer(search.fit(X, y), X, y) == pytest.approx(scorer(plain, X, y), rel=1e-7)

    def test_a_target_with_an_axis(self):
        X, y = positive_data()
        model = TransformedTargetRegressor(LinearDensity(), func=np.log, inverse_func=np.exp)
        flat = log_likelihood_scorer(model.fit(X, y), X, y)
        assert log_likelihood_scorer(model.fit(X, y[:, None]), X, y[:, None]) == pytest.approx(flat)
        with pytest.raises(ValueError, match="y_true must have the shape"):
            log_likelihood_scorer(model, X, y)

    def test_targets_of_which_one_falls(self):
        X, y = data(n_targets=2)
        turned = FunctionTransformer(lambda y: y * [1.0, -1.0], lambda z: z * [1.0, -1.0])
        model = TransformedTargetRegressor(LinearDensity(), transformer=turned).fit(X, y)
        found, plain = predict_distribution(model, X), LinearDensity().fit(X, y).predict_distribution(X)
        np.testing.assert_allclose(found.cdf(y), plain.cdf(y), rtol=1e-9)
        np.testing.assert_allclose(found.ppf(0.2), plain.ppf(0.2), rtol=1e-9)

    @pytest.mark.parametrize("name", CLIPPED)
    def test_no_density_beyond_the_training_targets(self, name):
        model, X, y, _ = transformed(name)
        beyond = np.where(np.arange(len(y)) == 3, 2 * y.max(), y)
        log_density = predict_distribution(model, X).logpdf(beyond)
        assert np.isneginf(log_density[3])
        assert np.isfinite(np.delete(log_density, 3)).all()

    @pytest.mark.parametrize(
        "transformer",
        [
            FunctionTransformer(np.log, np.exp),
            FunctionTransformer(lambda y: np.log(y), lambda z: np.exp(z)),
            PowerTransformer("box-cox"),
        ],
    )
    def test_targets_outside_the_domain(self, transformer):
        X, targets = positive_data()
        model = TransformedTargetRegressor(LinearDensity(), transformer=transformer, check_inverse=False)
        density = predict_distribution(model.fit(X, targets), X)
        y = np.full((2, len(X)), [[-1.0], [0.0]])
        assert np.isneginf(density.logpdf(y)).all()
        assert (density.cdf(y) == 0).all()
        assert (density.sf(y) == 1).all()
        assert log_likelihood_scorer(model, X, y[0]) == -np.inf
        with pytest.raises(ValueError, match="y_true contains NaN"):
            log_likelihood_scorer(model, X, np.full(len(X), np.nan))

    def test_targets_where_the_transform_jumps(self):
        X, y = positive_data()
        y = np.round(2 * y)
        model = TransformedTargetRegressor(
            LinearDensity(), transformer=QuantileTransformer(n_quantiles=50), check_inverse=False
        )
        with pytest.raises(ValueError, match="the transform jumps"):
            log_likelihood_scorer(model.fit(X, y), X, y)


def skewed(n=60, n_targets=1):
    """Targets whose power transform ends, at about 2.3, where some of a density lies."""
    r = np.random.default_rng(0)
    X = r.normal(size=(n, 1))
    return X, np.exp(1.2 * X + 0.8 * r.normal(size=(n, n_targets)))


class TestDensityBeyondTheTransform:
    """Values of a transform may end where a Gaussian mixture does not."""

    # Of both signs of the exponent, of rising and falling transforms.
    POWERS = {
        "ends above": PowerTransformer(),
        "ends above, not standardised": PowerTransformer(standardize=False),
        "ends below": FunctionTransformer(np.sqrt, lambda z: np.where(z >= 0, z, np.nan) ** 2),
        "falls, and ends below": make_pipeline(
            PowerTransformer(), FunctionTransformer(np.negative, np.negative)
        ),
        "ends on both sides": FunctionTransformer(
            np.arctan, lambda z: np.tan(np.where(np.abs(z) < np.pi / 2, z, np.nan))
        ),
    }

    def model(self, name, spread=1.0, n_targets=1):
        X, y = skewed(n_targets=n_targets)
        model = TransformedTargetRegressor(
            LinearDensity(spread), transformer=clone(self.POWERS[name]), check_inverse=False
        )
        return model.fit(X, y), X, y

    def outside(self, density):
        return 1.0 - density._inside.reshape(len(density._inside), -1).min(axis=1)

    @pytest.mark.parametrize("spread", [0.3, 1.0])
    @pytest.mark.parametrize("name", POWERS)
    def test_laws(self, name, spread):
        """The density integrates to one, and is the slope of the cdf, which quantiles invert."""
        model, X, y = self.model(name, spread)
        density = predict_distribution(model, X)
        assert density._range.bounded or spread < 1
        levels = np.array([1e-6, 0.01, 0.3, 0.5, 0.7, 0.99])[:, None, None]
        quantiles = density.ppf(levels)
        assert (np.diff(quantiles, axis=0) > 0).all()
        np.testing.assert_allclose(density.cdf(quantiles), levels + np.zeros(y.shape), rtol=1e-5)
        step = 1e-6 * np.abs(y)
        slope = (density.cdf(y + step) - density.cdf(y - step)) / (2 * step)
        np.testing.assert_allclose(np.exp(density.logpdf(y)), slope[:, 0], rtol=1e-4, atol=1e-9)
        # Between quantiles, in the logarithm of y, which is what these tails are smooth in.
        first = density[0]
        low, high = first.ppf(np.array([[[0.01]], [[0.9]]]))[:, 0, 0]
        area = integrate.quad(lambda u: np.exp(u + first.logpdf(np.exp([[u]]))[0]), *np.log([low, high]))[0]
        assert area == pytest.approx(0.89, abs=1e-6)

    @pytest.mark.parametrize("name", POWERS)
    def test_every_scorer_answers(self, name):
        model, X, y = self.model(name)
        density = predict_distribution(model, X)
        assert self.outside(density).max() > 0.01
        for scorer in SCORERS.values():
            assert np.isfinite(scorer(model, X, y))

    def test_crps_is_the_integral_of_the_cdf(self):
        model, X, y = self.model("ends above", 0.3)
        density = predict_distribution(model, X)

        def squared(u, row, y):
            x = np.exp(u)
            return x * (row.cdf(np.array([[x]]))[0, 0] - (x >= y)) ** 2

        for i in np.argsort(self.outside(density))[[0, 30, -10]]:
            row = density[[i]]
            low, high = np.log(row.ppf(np.array([[[1e-9]], [[1 - 1e-9]]]))[:, 0, 0])
            edges = [low, np.log(y[i, 0]), high]
            expected = sum(
                integrate.quad(squared, *edges[k : k + 2], args=(row, y[i, 0]), limit=200)[0] for k in (0, 1)
            )
            assert crps(y[[i]], row) == pytest.approx(expected, rel=1e-5)

    def test_a_little_outside_changes_little(self):
        model, X, y = self.model("ends above", 0.2)
        density = predict_distribution(model, X)
        kept = self.outside(density) < 1e-9
        assert (self.outside(density)[kept] > 0).sum() > 0
        latent, z = model.regressor_.predict_distribution(X), model.transformer_.transform(y)
        with_jacobian = latent.logpdf(z) + np.log(jacobian(model.transformer_, y)[:, 0])
        np.testing.assert_allclose(density.logpdf(y)[kept], with_jacobian[kept], atol=2e-9)
        np.testing.assert_allclose(density.cdf(y)[kept], latent.cdf(z)[kept], atol=2e-9)

    def test_a_cdf_ends_at_one(self):
        """Also where the share of what is inside, by which it is divided, is rounded down."""
        model, X, y = self.model("ends above", 0.3)
        density = predict_distribution(model, X)
        far = np.full_like(y, 1e6)
        rounded = density._inside * (1.0 - 1e-15)
        density.__dict__["_inside"] = rounded
        probability = density.latent._prob(density._range.low[None], density._placed(far[None]))[0]
        assert (probability / rounded > 1.0).any()
        assert density.cdf(far).max() == 1.0

    def test_one_row_does_not_decide_for_the_others(self):
        model, X, y = self.model("ends above", 0.3)
        far = np.vstack([X, [[50.0]]])  # of this row's density, nearly all is outside
        density, more = predict_distribution(model, X), predict_distribution(model, np.vstack([X, [[4.0]]]))
        assert self.outside(more)[-1] > 0.9
        np.testing.assert_allclose(more.logpdf(np.vstack([y, [[1.0]]]))[:-1], density.logpdf(y), rtol=1e-9)
        np.testing.assert_allclose(more.ppf(0.5)[:-1], density.ppf(0.5), rtol=1e-9)
        with pytest.raises(ValueError, match="got none in row 60"):
            neg_crps_scorer(model, far, np.vstack([y, [[1.0]]]))

    @pytest.mark.parametrize("form", ["diagonal", "dependent"])
    def test_several_targets(self, form):
        """The share of draws of z that come from some y."""
        model, X, y = self.model("ends above", n_targets=2)
        mixture = model.regressor_.predict_distribution(X)
        if form == "diagonal":
            mixture = MixtureDistribution(
                mixture.weights, mixture.means, mixture.var()[:, None], covariance_type="diag"
            )
        density = TransformedDistribution(mixture, model.transformer_)
        draws = mixture.rvs(20_000, random_state=0)
        inside = (draws < density._range.high[..., None]).all(axis=1).mean(axis=1)
        assert inside.min() < 0.9
        np.testing.assert_allclose(np.exp(density._log_inside), inside, atol=0.015)
        assert np.isfinite(density.logpdf(y)).all()

    def test_all_of_it_outside(self):
        X, y = skewed()
        model = TransformedTargetRegressor(LinearDensity(0.01), transformer=PowerTransformer()).fit(X, y)
        with pytest.raises(ValueError, match="no value of the target leads to"):
            neg_crps_scorer(model, X + 100, y)


# Transforms that no rule knows, with their derivatives, and where to take them.
CURVES = {
    "bends far below its argument": (
        lambda y: np.exp(y - 2000),
        lambda y: np.exp(y - 2000),
        (1999.0, 2001.0),
    ),
    "bends a million times below": (
        lambda y: np.tanh(y - 1e6),
        lambda y: np.cosh(y - 1e6) ** -2,
        (1e6 - 1, 1e6 + 1),
    ),
    "many magnitudes": (lambda y: np.log(y), lambda y: 1 / y, (1e-9, 1e9)),
    "heavy tails": (lambda y: np.sign(y) * np.log1p(np.abs(y)), lambda y: 1 / (1 + np.abs(y)), (-1e3, 1e3)),
    "edges of the domain": (lambda y: np.log(y / (1 - y)), lambda y: 1 / (y * (1 - y)), (1e-9, 1 - 1e-9)),
    "kinks": (
        lambda y: np.interp(y, [-5, 0, 5], [0, 1, 9]),
        lambda y: np.where(y < 0, 0.2, 1.6),
        (-4.0, 4.0),
    ),
    "flat": (lambda y: np.clip(y, -1, 1), lambda y: np.where(np.abs(y) < 1, 1.0, 0.0), (-3.0, 3.0)),
    "at zero": (lambda y: np.sinh(y) + y, lambda y: np.cosh(y) + 1, (0.0, 0.0)),
}


@pytest.mark.parametrize("curve", CURVES)
def test_numeric_derivatives(curve):
    function, derivative, (low, high) = CURVES[curve]
    spread = np.geomspace if low > 0 and high > 1e3 * low else np.linspace
    y = spread(low, high, 500)[1:-1, None]
    slope = numeric_jacobian(FunctionTransformer(function), y)
    np.testing.assert_allclose(slope, derivative(y), rtol=1e-8)
    # What one row answers does not depend on the others.
    np.testing.assert_array_equal(slope[3:4], numeric_jacobian(FunctionTransformer(function), y[3:4]))


@pytest.mark.parametrize(
    "function", [lambda y: np.sqrt(np.maximum(y - 1.0, 0.0)), lambda y: np.sign(y - 1.0)]
)
def test_no_derivative(function):
    with pytest.raises(
        ValueError, match=r"FunctionTransformer, has a finite derivative, got \[1.0\] in row 1"
    ):
        numeric_jacobian(FunctionTransformer(function), np.array([[2.0], [1.0]]))


def wrapping(**options):
    return TransformedTargetRegressor(NeverTrained(), check_inverse=False, **options)


class NeverTrained(LinearDensity):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("trained")


# What is no transform of a target with a density: transformers, what is said, and when it shows behind one
# that was fitted: when the density is asked for, or when it meets a target.
NO_TRANSFORMS = {
    "no inverse": (Normalizer(), TypeError, "inverse_transform, which Normalizer has not", "predict"),
    "no inverse function": (
        make_pipeline(StandardScaler(), FunctionTransformer(np.exp)),
        TypeError,
        "give the FunctionTransformer of exp an inverse_func",
        "predict",
    ),
    "bins": (
        KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
        ValueError,
        "KBinsDiscretizer",
        "predict",
    ),
    "square": (
        FunctionTransformer(np.square, np.sqrt),
        ValueError,
        "strictly monotone.*FunctionTransformer of square is not: it takes -",
        "score",
    ),
    "sine": (
        FunctionTransformer(lambda y: np.sin(5 * y), lambda z: np.arcsin(np.clip(z, -1, 1)) / 5),
        ValueError,
        "strictly monotone.*is not: it takes",
        "score",
    ),
    "a jump": (
        FunctionTransformer(np.reciprocal, np.reciprocal),
        ValueError,
        "strictly monotone.*FunctionTransformer of reciprocal is not: it takes",
        "predict",
    ),
    "another inverse": (
        FunctionTransformer(np.sinh, lambda z: np.arcsinh(z) + 1),
        ValueError,
        "inverse",
        "predict",
    ),
}
TRAINERS = {
    "folds": lambda model: cross_val_predict_distribution(model, *data(), cv=2),
    "pool": lambda model: DensityPool([model]).fit(*data()),
    "votes in a pool": lambda model: DensityPool([VotingRegressor([("one", model)])]).fit(*data()),
    "conformal": lambda model: ConformalDensityRegressor(model, cv=2).fit(*data()),
    "functional": lambda model: DensityFunctional(make_pipeline(StandardScaler(), model), "std").fit(*data()),
    "inner": lambda model: cross_val_predict_distribution(
        TransformedTargetRegressor(make_pipeline(StandardScaler(), model), transformer=StandardScaler()),
        *data(),
        cv=2,
    ),
}


@pytest.mark.parametrize("name", NO_TRANSFORMS)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_no_transform_is_refused_before_training(name, trainer):
    transformer, error, message, _ = NO_TRANSFORMS[name]
    with pytest.raises(error, match=message):
        TRAINERS[trainer](wrapping(transformer=transformer))


@pytest.mark.filterwarnings("ignore:The provided functions are not strictly inverse")
@pytest.mark.parametrize("name", NO_TRANSFORMS)
def test_no_transform_is_refused_by_name(name):
    transformer, error, message, when = NO_TRANSFORMS[name]
    X, y = data()
    model = TransformedTargetRegressor(LinearDensity(), transformer=transformer, check_inverse=False).fit(
        X, y
    )
    if when == "score":
        density = predict_distribution(model, X[:1])
        grid = np.linspace(-9, 9, 6001)
        assert np.trapezoid(density.pdf(grid), grid) < 1.001  # none for what its inverse does not lead to
        np.testing.assert_array_less(-1e-12, np.diff(density.cdf(grid)))
    with pytest.raises(error, match=message if name != "another inverse" else "Is its inverse the inverse"):
        log_likelihood_scorer(model, X, y)


@pytest.mark.parametrize("name", NAMES)
def test_transforms_pass_before_training(name):
    model, _, targets, _ = transformed(name)
    check_target_transformers(model, targets)

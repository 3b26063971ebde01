"""Wrappers with an estimator, or several, inside: scikit-learn's, and what is built as others build."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SelectKBest
from sklearn.linear_model import BayesianRidge, LinearRegression, RANSACRegressor
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import DensityPool, Inside, MDNRegressor, look_inside, predict_distribution
from sklearn_mdn._distributions.combined import MAX_COMPONENTS, joint
from sklearn_mdn._distributions.unwrap import fit_argument
from sklearn_mdn.metrics import log_likelihood_scorer, neg_crps_scorer
from tests._distributions.linear_density import LinearDensity


def data(n_targets=1, n_features=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, n_features))
    y = X @ rng.normal(size=(n_features, n_targets)) + rng.normal(size=(60, n_targets))
    return X, y[:, 0] if n_targets == 1 else y


def assert_same(found, expected):
    np.testing.assert_allclose(found.mean(), expected.mean(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.cov(), expected.cov(), rtol=1e-9)


class Wrapper(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """A wrapper of nobody's: it keeps a fitted clone under one of the usual names."""

    def __init__(self, estimator, attribute="estimator_", refit=True, shift=0.0):
        self.estimator = estimator
        self.attribute = attribute
        self.refit = refit
        self.shift = shift

    def fit(self, X, y):
        self.fitted_ = True
        if self.refit:
            setattr(self, self.attribute, clone(self.estimator).fit(X, y))
        return self

    def predict(self, X):
        return getattr(self, self.attribute).predict(X) + self.shift


class Selecting(TransformerMixin, Wrapper):
    """A wrapper that selects features: it transforms, and what is inside sees the rest."""

    def fit(self, X, y):
        return super().fit(X[:, ::2], y)

    def transform(self, X):
        return X[:, ::2]

    def predict(self, X):
        return super().predict(self.transform(X))


class FitsItsParameter(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """A wrapper that fits the estimator it was given, as those that hand rows to a cluster do."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator.fit(X, y)
        self.fitted_ = True
        return self

    def transform(self, X):
        return self.estimator.transform(X)

    def predict(self, X):
        return self.estimator.predict(X)


class HandsNamesOn:
    """A wrapper that does not know its methods: any name goes to what is inside, after a step of its own."""

    def __init__(self, inside, factor):
        self._inside, self._factor = inside, factor

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._inside, name)
        return lambda X: method(self._factor * X)


class Committee(RegressorMixin, BaseEstimator):
    """Estimators in a list, and the mean of what they predict, or something else."""

    def __init__(self, estimators, reduce=np.mean):
        self.estimators = estimators
        self.reduce = reduce

    def fit(self, X, y):
        self.estimators_ = [clone(estimator).fit(X, y) for estimator in self.estimators]
        return self

    def predict(self, X):
        return self.reduce([estimator.predict(X) for estimator in self.estimators_], axis=0)


ONE_INSIDE = {
    "RFE": (RFE(LinearDensity(), n_features_to_select=2), "estimator_", "support_"),
    "RFECV": (
        RFECV(LinearDensity(), cv=2, scoring="neg_mean_squared_error", min_features_to_select=3),
        "estimator_",
        "support_",
    ),
    "estimator_": (Wrapper(LinearDensity()), "estimator_", None),
    "best_estimator_": (Wrapper(LinearDensity(), "best_estimator_"), "best_estimator_", None),
    "a search that selects": (
        Selecting(LinearDensity(), "best_estimator_"),
        "best_estimator_",
        slice(0, None, 2),
    ),
    "final_estimator_": (Wrapper(LinearDensity(), "final_estimator_"), "final_estimator_", None),
    "one that selects": (Selecting(LinearDensity()), "estimator_", slice(0, None, 2)),
    "one that fits its parameter": (FitsItsParameter(LinearDensity()), "estimator", None),
    "RANSAC": (RANSACRegressor(LinearDensity(), min_samples=0.5, random_state=0), "estimator_", None),
}


@pytest.mark.parametrize("name", ONE_INSIDE)
class TestOneInside:
    def test_density_of_what_is_inside(self, name):
        model, attribute, columns = ONE_INSIDE[name]
        X, y = data()
        model = clone(model).fit(X, y)
        columns = getattr(model, columns) if isinstance(columns, str) else columns
        rows = X if columns is None else X[:, columns]
        inside = getattr(model, attribute)
        assert look_inside(model).estimator is inside
        expected = inside.predict_distribution(rows)
        assert_same(predict_distribution(model, X), expected)
        np.testing.assert_allclose(model.predict(X), expected.mean())

    def test_inside_others(self, name):
        X, y = data()
        wrapper = clone(ONE_INSIDE[name][0])
        model = make_pipeline(StandardScaler(), wrapper).fit(X, y)
        expected = predict_distribution(model.steps[-1][1], model[0].transform(X))
        assert_same(predict_distribution(model, X), expected)
        assert_same(
            DensityPool([wrapper]).fit(X, y).predict_distribution(X).members()[0],
            predict_distribution(clone(wrapper).fit(X, y), X),
        )
        assert log_likelihood_scorer(model, X, y) == pytest.approx(expected.logpdf(y).mean())

    def test_not_fitted(self, name):
        with pytest.raises(NotFittedError):
            predict_distribution(clone(ONE_INSIDE[name][0]), data()[0])


POOLS = {
    "voting": VotingRegressor([("a", LinearDensity()), ("b", make_pipeline(PCA(2), LinearDensity(2.0)))]),
    "voting with weights": VotingRegressor(
        [("a", LinearDensity()), ("b", "drop"), ("c", LinearDensity(3.0))], weights=[1, 5, 2]
    ),
    "bagging": BaggingRegressor(LinearDensity(), n_estimators=3, random_state=0),
    "bagging of features": BaggingRegressor(
        LinearDensity(), n_estimators=3, max_features=0.5, bootstrap_features=True, random_state=0
    ),
    "a list": Committee([LinearDensity(), LinearDensity(0.5)]),
}


@pytest.mark.parametrize("name", POOLS)
class TestPools:
    def test_the_pooled_density_is_the_weighted_sum(self, name):
        X, y = data()
        model = clone(POOLS[name]).fit(X, y)
        weights = [1 / 3, 2 / 3] if "weights" in name else None
        columns = getattr(model, "estimators_features_", [slice(None)] * 3)
        parts = [predict_distribution(e, X[:, c]) for e, c in zip(model.estimators_, columns, strict=False)]
        found = predict_distribution(model, X)
        expected = np.average([part.pdf(y) for part in parts], axis=0, weights=weights)
        np.testing.assert_allclose(found.pdf(y), expected, rtol=1e-9)
        np.testing.assert_allclose(found.mean(), model.predict(X), rtol=1e-9)
        assert len(found.members()) == len(parts)

    def test_inside_others(self, name):
        X, y = data()
        around = TransformedTargetRegressor(
            make_pipeline(StandardScaler(), clone(POOLS[name])), transformer=StandardScaler()
        ).fit(X, y)
        plain = make_pipeline(StandardScaler(), clone(POOLS[name])).fit(X, y)
        assert neg_crps_scorer(around, X, y) == pytest.approx(neg_crps_scorer(plain, X, y), rel=1e-7)


def test_a_frame_in_a_bag():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = BaggingRegressor(LinearDensity(), n_estimators=2, max_features=0.5, random_state=0)
    expected = predict_distribution(clone(model).fit(X, y), X)
    assert_same(predict_distribution(model.fit(frame, y), frame), expected)


def test_the_last_of_stacked_estimators():
    X, y = data()
    model = StackingRegressor([("a", LinearRegression()), ("b", BayesianRidge())], LinearDensity(), cv=2)
    model.fit(X, y)
    expected = model.final_estimator_.predict_distribution(model.transform(X))
    assert_same(predict_distribution(model, X), expected)


def test_a_search_for_what_selects():
    X, y = data()
    search = RandomizedSearchCV(
        RFE(LinearDensity()), {"estimator__spread": [1.0]}, n_iter=1, cv=2, scoring="r2"
    ).fit(X, y)
    assert_same(predict_distribution(search, X), predict_distribution(search.best_estimator_, X))


class TestIndependentTargets:
    @pytest.mark.parametrize("n_targets", [1, 2, 3])
    def test_the_joint_density_is_the_product(self, n_targets):
        X, y = data(3)
        y = y[:, :n_targets]
        network = MDNRegressor(2, hidden_layer_sizes=(4,), max_iter=2, n_estimators=2, random_state=0)
        model = MultiOutputRegressor(network).fit(X, y)
        found = predict_distribution(model, X)
        parts = [estimator.predict_distribution(X) for estimator in model.estimators_]
        assert found.weights.shape == (60, 4**n_targets)
        np.testing.assert_allclose(
            found.logpdf(y), sum(part.logpdf(y[:, j]) for j, part in enumerate(parts)), rtol=1e-9
        )
        for j, part in enumerate(parts):
            np.testing.assert_allclose(found.marginal(j).cdf(y[:, j]), part.cdf(y[:, j]), rtol=1e-9)
        covariance = found.cov()
        off = ~np.eye(n_targets, dtype=bool)
        np.testing.assert_allclose(covariance[:, off], 0.0, atol=1e-12)

    def test_components_are_all_choices(self):
        parts = [LinearDensity().fit(*data()).predict_distribution(data()[0][:5])] * 2
        several = DensityPool.from_fitted([LinearDensity(s).fit(*data()) for s in (1.0, 2.0, 4.0)])
        mixture = several.predict_distribution(data()[0][:5])
        found = joint([mixture, parts[0], mixture])
        variances = found.covariances[0].diagonal(axis1=-2, axis2=-1)
        expected = itertools.product(mixture.covariances[0], parts[0].covariances[0], mixture.covariances[0])
        np.testing.assert_allclose(variances, list(expected))

    def test_too_many(self):
        X, y = data(4)
        network = MDNRegressor(10, hidden_layer_sizes=(4,), max_iter=1, random_state=0)
        model = MultiOutputRegressor(network).fit(X, y)
        assert MAX_COMPONENTS < 10**4
        with pytest.raises(ValueError, match=r"(?s)4 targets of 10, 10, 10, 10 .* 10000, more than"):
            predict_distribution(model, X)


class TestGuesses:
    def test_a_wrapper_that_does_something_else(self):
        X, y = data()
        with pytest.raises(
            TypeError, match=r"(?s)Wrapper does not predict what the LinearDensity .*register"
        ):
            predict_distribution(Wrapper(LinearDensity(), shift=0.01).fit(X, y), X)
        with pytest.raises(TypeError, match="Committee does not predict"):
            predict_distribution(Committee([LinearDensity(), LinearDensity()], np.sum).fit(X, y), X)

    def test_a_rule_of_the_user_s_own(self):
        class Shifted(Wrapper):
            pass

        @look_inside.register(Shifted)
        def _(wrapper, X=None):
            return Inside(wrapper.estimator_, X)

        X, y = data()
        model = Shifted(LinearDensity(), shift=0.01).fit(X, y)
        assert_same(predict_distribution(model, X), model.estimator_.predict_distribution(X))
        assert_same(DensityPool([model]).fit(X, y).predict_distribution(X), predict_distribution(model, X))

    def test_names_handed_on(self):
        X, y = data()
        inside = LinearDensity().fit(2.0 * X, y)
        found = predict_distribution(HandsNamesOn(inside, 2.0), X)
        assert_same(found, inside.predict_distribution(2.0 * X))
        with pytest.raises(TypeError, match="HandsNamesOn has no predict_distribution"):
            predict_distribution(HandsNamesOn(LinearRegression().fit(X, y), 2.0), X)

    def test_a_search_that_kept_nothing(self):
        X, y = data()
        with pytest.raises(ValueError, match="Wrapper was given refit=False"):
            predict_distribution(Wrapper(LinearDensity(), "best_estimator_", refit=False).fit(X, y), X)

    def test_steps_that_only_resample(self):
        """Such steps of other projects' pipelines have no transform, and change training rows alone."""

        class Resampler(BaseEstimator):
            def fit_resample(self, X, y):
                return X, y

        X, y = data()
        inside = LinearDensity().fit(X, y)
        pipeline = Pipeline([("scale", StandardScaler(with_mean=False, with_std=False)), ("last", inside)])
        pipeline.fit(X, y).steps.insert(1, ("resample", Resampler()))
        assert_same(predict_distribution(pipeline, X), inside.predict_distribution(X))

    @pytest.mark.parametrize(
        ("estimator", "message"),
        [
            (RandomForestRegressor(2), "RandomForestRegressor|DecisionTreeRegressor"),
            (
                GradientBoostingRegressor(n_estimators=2),
                "GradientBoostingRegressor keeps its estimators_ as ndarr",
            ),
            (AdaBoostRegressor(LinearDensity(), n_estimators=2), "weighted median"),
            (RFE(LinearRegression()), "LinearRegression inside RFE has no predict_distribution"),
            (SelectFromModel(LinearDensity(), threshold=-1), "SelectFromModel has no predict_distribution"),
            (BayesianRidge(), "BayesianRidge has no .* GaussianDensity"),
        ],
    )
    def test_no_density_inside(self, estimator, message):
        X, y = data()
        with pytest.raises(TypeError, match=message):
            predict_distribution(estimator.fit(X, y), X)
        with pytest.raises(TypeError, match=message):
            DensityPool.from_fitted([estimator])

    def test_chains(self):
        X, y = data(2)
        with pytest.raises(TypeError, match=r"(?s)RegressorChain.*estimators_ can be judged one by one"):
            predict_distribution(RegressorChain(LinearDensity()).fit(X, y), X)


class TestWeights:
    @pytest.mark.parametrize(
        ("estimator", "name"),
        [
            (RFE(LinearDensity()), "sample_weight"),
            (RFE(Pipeline([("a", LinearDensity())])), "a__sample_weight"),
            (MultiOutputRegressor(Pipeline([("a", LinearDensity())])), "a__sample_weight"),
            (BaggingRegressor(Pipeline([("a", LinearDensity())])), "sample_weight"),
            (Wrapper(make_pipeline(SelectKBest(), RFE(LinearDensity()))), "rfe__sample_weight"),
            (GridSearchCV(Pipeline([("b", RFE(LinearDensity()))]), {}), "b__sample_weight"),
            (VotingRegressor([("a", LinearDensity())]), "sample_weight"),
        ],
    )
    def test_name(self, estimator, name):
        assert fit_argument(estimator, "sample_weight") == name

    def test_they_arrive(self):
        X, y = data()
        weight = np.random.default_rng(1).uniform(size=60)
        model = RFE(Pipeline([("a", LinearDensity())]), importance_getter="named_steps.a.coef_")
        model = RFE(LinearDensity(), n_features_to_select=4)
        pool = DensityPool([model]).fit(X, y, sample_weight=weight)
        assert_same(
            pool.predict_distribution(X),
            LinearDensity().fit(X, y, sample_weight=weight).predict_distribution(X),
        )


def test_a_product_of_normals_is_normal():
    X, y = data(2)
    found = predict_distribution(MultiOutputRegressor(LinearDensity()).fit(X, y), X)
    expected = stats.norm(found.mean(), found.std()).logpdf(y).sum(axis=1)
    np.testing.assert_allclose(found.logpdf(y), expected, rtol=1e-9)

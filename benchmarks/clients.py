"""What other libraries make of the estimators, and the metrics of other libraries' distributions.

``python benchmarks/clients.py`` tries every use below whose library is installed, each on a small network,
and prints a table. ``tests/test_clients.py`` runs the same, and skips what is not installed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import is_regressor
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sklearn_mdn import DensityPool, GaussianDensity, MDNRegressor, MDNSearchCV, predict_distribution
from sklearn_mdn.metrics import crps, energy_score, log_likelihood, neg_crps_scorer

N = 80


@dataclass(frozen=True)
class Client:
    """A use of the module ``library``, from ``package``; it raises unless it works as ``how`` says."""

    library: str
    package: str
    use: str
    how: str
    function: Callable[[], None]


CLIENTS: list[Client] = []


def client(library: str, package: str, use: str, how: str):
    def register(function: Callable[[], None]) -> Callable[[], None]:
        CLIENTS.append(Client(library, package, use, how, function))
        return function

    return register


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    return X, X[:, 0] + rng.normal(size=N)


def network(**parameters) -> MDNRegressor:
    return MDNRegressor(2, hidden_layer_sizes=(4,), max_iter=2, random_state=0, **parameters)


def pipeline():
    return make_pipeline(StandardScaler(), network())


def assert_density(model, X, y) -> None:
    """The density found inside has the mean that the model predicts, and scorers judge it."""
    found = predict_distribution(model, X)
    np.testing.assert_allclose(found.mean(), np.asarray(model.predict(X)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(neg_crps_scorer(model, X, y), -crps(y, found))


GRID = {"mdnregressor__alpha": [1e-4, 1e-1]}


@client("skopt", "scikit-optimize", "BayesSearchCV", "looked into")
def bayes_search() -> None:
    from skopt import BayesSearchCV

    X, y = data()
    assert_density(
        BayesSearchCV(pipeline(), {"mdnregressor__alpha": (1e-4, 1e-1)}, n_iter=2, cv=2).fit(X, y), X, y
    )


@client("optuna_integration", "optuna-integration", "OptunaSearchCV", "looked into")
def optuna_search() -> None:
    import optuna
    from optuna_integration import OptunaSearchCV

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    X, y = data()
    space = {"mdnregressor__alpha": optuna.distributions.FloatDistribution(1e-4, 1e-1)}
    search = OptunaSearchCV(pipeline(), space, n_trials=2, cv=2, scoring=neg_crps_scorer)
    assert_density(search.fit(X, y), X, y)


@client("dask_ml", "dask-ml", "GridSearchCV", "looked into")
def dask_search() -> None:
    from dask_ml.model_selection import GridSearchCV

    X, y = data()
    assert_density(GridSearchCV(pipeline(), GRID, cv=2, scheduler="sync").fit(X, y), X, y)


@client("dask_ml", "dask-ml", "ParallelPostFit", "looked into, with arrays of either kind")
def parallel_post_fit() -> None:
    import dask.array
    from dask_ml.wrappers import ParallelPostFit

    X, y = data()
    for inside in (network(), pipeline()):
        model = ParallelPostFit(inside).fit(X, y)
        assert_density(model, X, y)
        assert len(predict_distribution(model, dask.array.from_array(X, chunks=N // 2))) == N


@client("skrub", "skrub", "tabular_pipeline", "looked into")
def tabular_pipeline() -> None:
    import skrub

    X, y = data()
    frame = pd.DataFrame(X, columns=list("abc"))
    assert_density(skrub.tabular_pipeline(network()).fit(frame, y), frame, y)


@client("skrub", "skrub", "data ops, their validation and search", "looked into, also by scorers")
def data_ops() -> None:
    import skrub

    X, y = data()
    table, target = skrub.X(pd.DataFrame(X, columns=list("abc"))), skrub.y(y)
    predicted = table.skb.apply(StandardScaler()).skb.apply(network(), y=target)
    scores = predicted.skb.cross_validate(cv=2, scoring=neg_crps_scorer)
    assert np.isfinite(scores["test_score"]).all()
    learner = predicted.skb.make_learner(fitted=True)
    assert len(predict_distribution(learner, {"X": pd.DataFrame(X, columns=list("abc"))})) == N
    chosen = network(alpha=skrub.choose_float(1e-4, 1e-1, name="alpha"))
    search = table.skb.apply(chosen, y=target).skb.make_randomized_search(
        n_iter=2, cv=2, fitted=True, scoring=neg_crps_scorer, error_score="raise"
    )
    assert np.isfinite(search.results_["mean_test_score"]).all()


@client("category_encoders", "category_encoders", "an encoder in a pipeline", "looked into")
def encoder() -> None:
    from category_encoders import TargetEncoder

    X, y = data()
    frame = pd.DataFrame(X, columns=list("abc")).assign(kind=np.where(X[:, 1] > 0, "u", "v"))
    assert_density(make_pipeline(TargetEncoder(), network()).fit(frame, y), frame, y)


@client("mlxtend", "mlxtend", "SequentialFeatureSelector", "takes it for a regressor")
def sequential_selector() -> None:
    from mlxtend.feature_selection import SequentialFeatureSelector

    X, y = data()
    assert SequentialFeatureSelector(network(), k_features=1, cv=2).fit(X, y).scoring == "r2"


@client("mapie", "mapie", "conformal intervals", "of networks and of MDNSearchCV")
def conformal() -> None:
    from mapie.regression import CrossConformalRegressor, SplitConformalRegressor

    X, y = data()
    split = SplitConformalRegressor(network().fit(X, y), prefit=True).conformalize(X, y)
    search = MDNSearchCV(network(), {"alpha": [1e-3]}, cv=2)
    cross = CrossConformalRegressor(search, cv=2).fit_conformalize(X, y)
    assert split.predict_interval(X)[1].shape == cross.predict_interval(X)[1].shape == (N, 2, 1)


@client("dalex", "dalex", "Explainer", "with predict_function and model_type; else it explains predict_proba")
def dalex_explainer() -> None:
    import dalex

    X, y = data()
    frame = pd.DataFrame(X, columns=list("abc"))
    model = network().fit(frame, y)
    explainer = dalex.Explainer(
        model, frame, y, predict_function=lambda m, X: m.predict(X), model_type="regression", verbose=False
    )
    np.testing.assert_array_equal(explainer.y_hat, model.predict(frame))


@client("shap", "shap", "Explainer", "of the function predict")
def shap_values() -> None:
    import shap

    X, y = data()
    model = network().fit(X, y)
    values = shap.Explainer(model.predict, X)(X[:3])
    np.testing.assert_allclose(
        values.values.sum(axis=1) + values.base_values, model.predict(X[:3]), rtol=1e-6
    )


@client("eli5", "eli5", "PermutationImportance", "takes it for a regressor")
def permutation() -> None:
    from eli5.sklearn import PermutationImportance

    X, y = data()
    found = PermutationImportance(network().fit(X, y), random_state=0, cv="prefit").fit(X, y)
    assert np.isfinite(found.feature_importances_).all()


@client("interpret", "interpret-core", "PartialDependence", "takes it for a regressor")
def interpret_dependence() -> None:
    from interpret.blackbox import PartialDependence

    X, y = data()
    model = network().fit(X, y)
    scores = PartialDependence(model, X).explain_global().data(0)["scores"]
    assert scores.ndim == 1
    assert abs(np.mean(scores) - model.predict(X).mean()) < 1.0


@client("yellowbrick", "yellowbrick", "ResidualsPlot", "takes it for a regressor")
def residuals_plot() -> None:
    from yellowbrick.regressor import ResidualsPlot
    from yellowbrick.utils.types import is_regressor as seems_a_regressor

    X, y = data()
    for model in (network(), DensityPool([network()]), GaussianDensity(BayesianRidge())):
        assert is_regressor(model)
        assert seems_a_regressor(model)
    assert np.isfinite(ResidualsPlot(network()).fit(X, y).score(X, y))


@client("fairlearn", "fairlearn", "MetricFrame", "of predict; refuses a distribution at once")
def metric_frame() -> None:
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import mean_absolute_error

    X, y = data()
    model, group = network().fit(X, y), X[:, 0] > 0
    frame = MetricFrame(
        metrics=mean_absolute_error, y_true=y, y_pred=model.predict(X), sensitive_features=group
    )
    assert np.isfinite(frame.by_group).all()
    try:
        MetricFrame(metrics=crps, y_true=y, y_pred=model.predict_distribution(X), sensitive_features=group)
    except TypeError as error:
        assert "MixtureDistribution" in str(error)  # noqa: PT017
    else:
        raise AssertionError("a distribution passed for an array")


@client("skpro", "skpro", "its distributions", "judged")
def skpro_distributions() -> None:
    from skpro.distributions import Mixture, Normal

    X, y = data()
    means, y = X[:, :1], y[:, None]
    expected = stats.norm(means, 1.0)
    for score in (crps, log_likelihood):
        np.testing.assert_allclose(score(y, Normal(mu=means, sigma=1.0)), score(y, expected), rtol=1e-9)
    both = Mixture([("a", Normal(mu=means, sigma=1.0)), ("b", Normal(mu=means + 1.0, sigma=1.0))])
    assert np.isfinite(log_likelihood(pd.DataFrame(y), both))


@client("ngboost", "ngboost", "its distributions, of one target and several", "judged")
def ngboost_distributions() -> None:
    from ngboost import NGBRegressor
    from ngboost.distns import MultivariateNormal

    X, y = data()
    Y = np.column_stack([y, X[:, 1] + y])
    joint = NGBRegressor(Dist=MultivariateNormal(2), n_estimators=3, verbose=False).fit(X, Y).pred_dist(X)
    np.testing.assert_allclose(log_likelihood(Y, joint), joint.logpdf(Y).mean())
    assert np.isfinite(energy_score(Y, joint))
    assert np.isfinite(crps(y, NGBRegressor(n_estimators=3, verbose=False).fit(X, y).pred_dist(X)))


def outcome(tried: Client) -> str:
    try:
        import_module(tried.library)
    except ImportError:
        return "not installed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tried.function()
    except Exception as error:
        return f"fails: {type(error).__name__}: {error}".splitlines()[0][:100]
    return "works"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = [("library", "version", "use", "outcome", "how")]
    for tried in CLIENTS:
        found = outcome(tried)
        number = "" if found == "not installed" else version(tried.package)
        rows.append((tried.package, number, tried.use, found, tried.how))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    print("\n".join(line.rstrip() for line in [rule, lines[0], rule, *lines[1:], rule]))


if __name__ == "__main__":
    main()

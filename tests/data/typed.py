"""What a user writes: passes ``mypy --strict``, and runs."""

from typing import Any, assert_type

import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, ParameterSampler, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import (
    DensityPool,
    MDNRegressor,
    MDNSearchCV,
    MixtureDistribution,
    PredictiveDistribution,
    predict_distribution,
)
from sklearn_mdn.metrics import (
    coverage,
    crps,
    distribution_report,
    log_likelihood,
    log_likelihood_scorer,
    neg_pinball_scorer,
    pit_values,
)
from sklearn_mdn.plotting import ConditionalDensityDisplay, PITDisplay, TrainingCurveDisplay

Array = NDArray[np.float64]

mpl.use("agg")
frame: Any = load_diabetes(as_frame=True).frame.head(60)
X: Array = frame[["age", "bmi"]].to_numpy()
y: Array = frame["target"].to_numpy()
confidence = 0.9

# Estimators
model = MDNRegressor(
    3, covariance_type="full", hidden_layer_sizes=[8], activation="gelu", max_iter=1, random_state=0
)
assert_type(model.fit(X, y, sample_weight=np.ones(len(y))), MDNRegressor)
assert_type(model.predict(X), Array)
assert_type(model.predict(X, quantiles=[0.05, 0.95]), Array)
mean, std = model.predict(X, return_std=True)
assert_type(mean, Array)
assert_type(std, Array)
assert_type(model.predict_proba(X), Array)
assert_type(model.sample(X, n_samples=2, random_state=np.random.RandomState(0)), Array)
assert_type(model.score_samples(X, y), Array)
assert_type(model.score(X, y), float)
assert_type(model.coefs_, list[Array])
MDNRegressor(1, hidden_layer_sizes=8, max_iter=1).fit(X.tolist(), y.tolist(), X_val=X, y_val=y)
MDNRegressor(1, max_iter=1).fit(frame[["age", "bmi"]], frame["target"])
mixed = pd.DataFrame({"age": X[:, 0], "sex": np.where(X[:, 1] > 0, "f", "m")})
MDNRegressor(1, max_iter=1, categorical_features=["sex"]).fit(mixed, pd.Series(y))

pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
assert_type(predict_distribution(pipeline, X), PredictiveDistribution)

search = MDNSearchCV(model, {"n_components": [1, 2]}, cv=2, refit="stacking").fit(X, y)
assert_type(search, MDNSearchCV)
assert_type(search.score(X, y), float)
assert_type(search.stacking_weights_, Array)
MDNSearchCV(
    pipeline,
    ParameterSampler({"mdnregressor__alpha": [0.1, 1.0]}, n_iter=1, random_state=0),
    cv=KFold(2),
    scoring={"likelihood": log_likelihood_scorer, "error": "neg_mean_squared_error"},
    refit="likelihood",
).fit(X, y)

pool = DensityPool([model, pipeline], weights=[1, 3]).fit(X, y)
assert_type(pool, DensityPool)
assert_type(pool.predict(X, return_std=True), tuple[Array, Array])
assert_type(DensityPool.from_fitted([model]), DensityPool)

# Distributions
density = model.predict_distribution(X)
assert_type(density, PredictiveDistribution)
assert_type(density.mean(), Array)
assert_type(density.logpdf(y), Array)
assert_type(density.ppf([[0.1], [0.9]]), Array)
lower, upper = density.interval(confidence)
assert_type(lower, Array)
assert_type(density.rvs(size=3, random_state=0), Array)
assert_type(density[:3], PredictiveDistribution)
assert_type(len(density), int)
joint = MixtureDistribution([[1.0]], [[[0.0, 1.0]]], [[[1.0, 2.0]]], covariance_type="diag")
assert_type(MixtureDistribution.concatenate([joint, joint[0]]), MixtureDistribution)
assert_type(joint.marginal([0]), MixtureDistribution)
assert_type(joint.condition([0], [0.5]), MixtureDistribution)

# Scores and scorers
assert_type(log_likelihood(y, density), float)
assert_type(coverage(y, density, confidence=confidence), float)
assert_type(crps(y, density, sample_weight=np.ones(len(y))), float)
assert_type(crps(y, density, multioutput="raw_values"), Array)
assert_type(pit_values(y, density), Array)
value: float = log_likelihood_scorer(pipeline, X, y)
print(distribution_report(y, density, confidence=confidence))
cross_val_score(model, X, y, cv=2, scoring=neg_pinball_scorer([0.1, 0.5]))

# Displays
assert_type(PITDisplay.from_estimator(pipeline, X, y, n_bins=5), PITDisplay)
display = ConditionalDensityDisplay.from_predictions(y, density)
assert_type(display.plot(), ConditionalDensityDisplay)
TrainingCurveDisplay.from_estimator(model, loss_kw={"color": "black"})

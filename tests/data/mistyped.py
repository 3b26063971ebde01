"""What a user gets wrong: each line that names an error in a comment is refused with it, and no other is."""

import numpy as np

import sklearn_mdn
from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV, MixtureDistribution
from sklearn_mdn.metrics import coverage, crps, pinball_loss
from sklearn_mdn.plotting import PITDisplay

X, y = np.zeros((4, 1)), np.zeros(4)

sklearn_mdn.Regressor()  # attr-defined
MDNRegressor("three")  # arg-type
MDNRegressor(covariance_type="banana")  # arg-type
MDNRegressor(hidden_layer_sizes=[8.5])  # list-item
MDNRegressor(activation=np.tanh)  # arg-type
MDNRegressor(batch_size="all")  # arg-type
MDNRegressor(categorical_features={"sex"})  # arg-type
MDNRegressor(3, "full")  # call-arg
MDNRegressor(layers=[8])  # call-arg
MDNRegressor(random_state=np.random.default_rng(0))  # arg-type
MDNRegressor(dtype=np.float32)  # arg-type
model = MDNRegressor(3)
model.fit(X)  # call-arg
model.fit({"age": 3}, y)  # arg-type
model.fit(X, y, X_val={0: 1}, y_val=y)  # arg-type
model.predict(X, quantiles={0.5})  # call-overload
model.predict(X, return_std="yes")  # call-overload
model.predict(X, return_std=True, quantiles=[0.5])  # call-overload
model.predict(X, return_std=True).mean()  # attr-defined
model.sample(X, n_samples=1.5)  # arg-type
MDNSearchCV(model)  # call-arg
MDNSearchCV(model, {"alpha": [1.0]}, cv="five")  # arg-type
MDNSearchCV(model, {"alpha": 1.0})  # arg-type
MDNSearchCV(model, {"alpha": [1.0]}, max_stack_bytes="1 GB")  # arg-type
DensityPool({"small": model})  # arg-type
DensityPool([model], [1.0])  # call-arg

density = MixtureDistribution([[1.0]], [[0.0]], [[1.0]])
MixtureDistribution([[1.0]], [[0.0]], [[1.0]], covariance_type="round")  # arg-type
density.interval({0.9})  # arg-type
density.hdr([0.5, 0.9])  # arg-type
density.rvs("many")  # arg-type
density.men()  # attr-defined
coverage(y, density, confidence=[0.5, 0.9])  # call-overload
crps(y, density, multioutput="mean")  # arg-type
pinball_loss(y, density, 0.5)  # call-overload
PITDisplay.from_estimator(model, X, y, n_bins="ten")  # arg-type

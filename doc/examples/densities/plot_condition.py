"""
One target is known, the other is asked for
===========================================

Petals of irises have a length and a width. A density of both, given the sepals, also answers the question
that comes up once the length of a petal has been measured: how wide is it now? The answer is exact, without
another fit.
"""

# %%
# Fisher's irises: two numbers of the sepal predict two of the petal. Species are not told to the network,
# so that a sepal leaves several kinds of petals possible.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import crps
from sklearn_mdn.plotting import JointDensityDisplay

X, Y = np.split(load_iris().data, 2, axis=1)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.4, random_state=0)
model = MDNRegressor(
    3, covariance_type="full", n_estimators=3, max_iter=100, reg_covar=1e-3, random_state=0
).fit(X_train, Y_train)

# %%
# The joint density of one flower, and what is left of it when the petal is found to be 1.5 or 4.5 cm long.
# ``condition(0, value)`` is the density of the other target given the first one.
flower = np.array([[5.4, 3.0]])
density = model.predict_distribution(flower)
width = np.linspace(0, 2.6, 400)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
JointDensityDisplay.from_estimator(model, flower, target_names=["length (cm)", "width (cm)"], ax=axes[0])
axes[1].plot(width, density.marginal(1).pdf(width), color="0.5", label="length not known")
for length, color in ((1.5, "C1"), (4.5, "C2")):
    given = density.condition(0, length)
    axes[0].axvline(length, color=color, linestyle="--")
    axes[1].plot(width, given.pdf(width[:, None, None])[:, 0], color=color, label=f"length {length} cm")
axes[1].set(xlabel="width of the petal (cm)", ylabel="density", ylim=(0, None))
axes[1].legend()

# %%
# For all flowers of the test set: each petal's own length is the condition.
predicted = model.predict_distribution(X_test)
before, after = predicted.marginal([1]), predicted.condition(0, Y_test[:, 0])
for name, one in (("length not known", before), ("length known", after)):
    print(f"{name}: CRPS {crps(Y_test[:, [1]], one):.3f} cm, standard deviation {one.std().mean():.2f} cm")

# %%
# **Finding.** One model of both targets answers before and after the measurement; knowing the length about
# halves the standard deviation of the width.

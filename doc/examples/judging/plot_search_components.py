"""
How many components?
====================

Too few components cannot tell branches apart; what too many cost is asked of cross-validation. A search
trains the networks of all folds and candidates as stacks, so that the question costs seconds.
"""

# %%
# Three branches, as in :ref:`Bishop's inverse problem
# <sphx_glr_auto_examples_densities_plot_inverse_sine.py>`.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor, MDNSearchCV

rng = np.random.default_rng(0)
y = rng.uniform(0, 1, 1000)
X = (y + 0.3 * np.sin(2 * np.pi * y) + rng.normal(0, 0.05, 1000))[:, None]

# %%
# ``score`` is the mean log-likelihood, which is what the search compares. One value more of it means that the
# observed targets are e times as probable.
grid = {"n_components": [1, 2, 3, 4, 5, 8]}
search = MDNSearchCV(MDNRegressor(max_iter=60, random_state=0), grid, cv=4).fit(X, y)
results = search.cv_results_
for n_components, mean, deviation in zip(
    grid["n_components"], results["mean_test_score"], results["std_test_score"], strict=True
):
    print(f"{n_components} components: {mean:.3f} ± {deviation / 2:.3f}")

# %%
figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
axis.errorbar(grid["n_components"], results["mean_test_score"], results["std_test_score"] / 2, marker="o")
axis.set(xlabel="n_components", ylabel="held-out log-likelihood", xticks=grid["n_components"])

# %%
# **Finding.** From one component to two the score rises steeply, to three a little more, and then it stays:
# with early stopping, components that are not needed cost little. Five, the default, is a safe start; one
# is the choice to avoid.

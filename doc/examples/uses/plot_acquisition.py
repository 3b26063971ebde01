"""
Where to measure next
=====================

Bayesian optimisation asks a model where a measurement is likely to beat the best one so far. It needs a
density at each place, which need not be Gaussian, and an ensemble, which is wide where nothing was
measured.
"""

# %%
# A function with two minima, measured with noise at twelve places. None of them is near the lower one.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor

rng = np.random.default_rng(3)


def measure(x):
    return np.sin(3 * x) + 0.3 * (x - 2.2) ** 2 + rng.normal(0, 0.05, np.shape(x))


places = np.linspace(0.0, 4.0, 401)
truth = np.sin(3 * places) + 0.3 * (places - 2.2) ** 2
x = np.array([0.0, 0.3, 0.6, 0.9, 1.2, 2.2, 2.6, 3.0, 3.4, 3.6, 3.8, 4.0])
y = measure(x)

# %%
# The expected improvement at x is the mean of max(best - Y, 0), Y drawn from the density at x (Jones,
# Schonlau and Welch, 1998); :meth:`~sklearn_mdn.MixtureDistribution.expect` takes any function of the target.
# Two steps: fit, look, measure where it is highest, fit again.
figure, axes = plt.subplots(2, 2, figsize=(10, 6), sharex=True, height_ratios=[2, 1], layout="constrained")
for step, (above, below) in enumerate(axes.T):
    ensemble = MDNRegressor(
        1,
        n_estimators=10,
        max_iter=150,
        early_stopping=False,
        batch_size=4,
        reg_covar=1e-3,
        random_state=step,
    ).fit(x[:, None], y)
    density = ensemble.predict_distribution(places[:, None])
    best = y.min()
    improvement = density.expect(lambda value, best=best: np.maximum(best - value, 0.0), points=best)
    chosen = places[improvement.argmax()]
    above.fill_between(places, *density.interval(0.9), alpha=0.3, label="90 % intervals")
    above.plot(places, truth, "k:", label="truth")
    above.plot(x, y, "o", label="measured")
    above.set(title=f"step {step + 1}: best {best:.2f}", ylim=(-2, 3.5))
    below.plot(places, improvement, color="C2")
    for axis in (above, below):
        axis.axvline(chosen, color="C2", linestyle="--")
    below.set(xlabel="x", ylabel="expected improvement", ylim=(0, None))
    print(f"step {step + 1}: best so far {best:.2f}, next at x = {chosen:.2f}")
    x = np.append(x, chosen)
    y = np.append(y, measure(chosen))
axes[0, 0].legend(loc="upper center", ncols=3, fontsize="small")
axes[0, 0].set_ylabel("y")
print(f"after two steps: best {y.min():.2f}; the least value of the function is {truth.min():.2f}")

# %%
# **Finding.** Two measurements, each where the density promised most, come within the noise of the minimum,
# which none of the first ones had seen.

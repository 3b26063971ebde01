"""
Two targets, two ways to reach a point
======================================

An arm has a shoulder and an elbow. Its hand is seen at a point, with some error: at which angles are the
joints? There are two answers, elbow to the left or to the right, and in each the errors of the two angles go
together. A density of both targets has it all, and answers what is asked of it afterwards (the arm is that
of Bishop (1994), with links of other lengths).
"""

# %%
# The angles are drawn, the hand follows, and the camera errs by 0.1 in both directions.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import energy_score, log_likelihood
from sklearn_mdn.plotting import JointDensityDisplay

rng = np.random.default_rng(0)
UPPER, LOWER = 1.0, 0.7


def make_sightings(n_rows):
    shoulder, elbow = rng.uniform(0.0, np.pi, n_rows), rng.uniform(-2.6, 2.6, n_rows)
    hand = UPPER * np.exp(1j * shoulder) + LOWER * np.exp(1j * (shoulder + elbow))
    seen = np.column_stack([hand.real, hand.imag]) + rng.normal(0.0, 0.1, (n_rows, 2))
    return seen, np.column_stack([shoulder, elbow])


X_train, y_train = make_sightings(3000)
X_test, y_test = make_sightings(1000)

# %%
# A component of ``covariance_type="full"`` is a tilted ellipse. With ``"diag"``, the default, its axes are
# those of the targets, and several components have to make up for it.
models = {
    covariance_type: MDNRegressor(6, covariance_type=covariance_type, max_iter=150, random_state=0).fit(
        X_train, y_train
    )
    for covariance_type in ("diag", "full")
}
for covariance_type, model in models.items():
    predicted = model.predict_distribution(X_test)
    print(
        f"{covariance_type}: log-likelihood {log_likelihood(y_test, predicted):.2f}, "
        f"energy score {energy_score(y_test, predicted):.3f}"
    )

# %%
# The density of both angles for one sighting, as the smallest regions that hold 50, 80 and 95 % of it.
seen = np.array([[0.2, 1.3]])
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharex=True, sharey=True, layout="constrained")
for axis, (covariance_type, model) in zip(axes, models.items(), strict=True):
    JointDensityDisplay.from_estimator(model, seen, target_names=["shoulder", "elbow"], ax=axis)
    axis.set_title(covariance_type)

# %%
# The mean of such a density is an arm that misses the point. The two highest modes are arms that reach it.
density = models["full"].predict_distribution(seen)
arms = {"mean": density.mean(), "modes": density.modes()[0, :2]}
figure, axis = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
for (name, angles), color in zip(arms.items(), ("C1", "C0"), strict=True):
    for number, (shoulder, elbow) in enumerate(angles):
        joint = UPPER * np.exp(1j * shoulder)
        points = np.array([0.0, joint, joint + LOWER * np.exp(1j * (shoulder + elbow))])
        axis.plot(points.real, points.imag, "o-", color=color, label=None if number else name)
axis.plot(*seen[0], "kx", markersize=10, label="seen")
axis.set(aspect="equal", xlabel="x", ylabel="y")
axis.legend()

# %%
# Questions to the density, each with an exact answer: where the elbow is, whatever the shoulder does; how
# probable it is that it bends to the left; and where the shoulder is once the elbow has been measured.
elbow = density.marginal(1)
intervals, _ = elbow.hdr(0.9)
print("elbow, 90 % region:", ", ".join(f"{low:.2f} to {high:.2f}" for low, high in intervals[0]))
print(f"P(elbow > 0) = {elbow.sf(0.0)[0]:.2f}")
for angle in (-1.3, 1.3):
    shoulder = density.condition(1, angle)
    print(f"elbow at {angle}: shoulder {shoulder.mean().item():.2f} ± {shoulder.std().item():.2f}")

# %%
# **Finding.** The mean of two answers is no answer: its hand misses the point. The two highest modes reach
# it, and a condition on one joint tells where the other has to be.
#
# .. rubric:: Reference
#
# Bishop, C. M. (1994). *Mixture density networks*. Technical Report NCRG/94/004, Aston University.

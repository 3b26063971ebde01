"""
Photometric redshift
====================

A galaxy's light is shifted to the red by its distance; how far is guessed from its brightness in a few
broad filters. Two kinds of galaxies at two redshifts can have the same colours, so that the answer is a
density with two peaks, and catalogues publish that density.
"""

# %%
# Simulated colours: a spectrum with a break at 400 nm and a slope, which star-forming (blue) galaxies have
# too, but with a weaker break; seen through five filters, with errors of some hundredths of a magnitude.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import distribution_report
from sklearn_mdn.plotting import DensityRidgeDisplay, PITDisplay

rng = np.random.default_rng(0)
FILTERS = np.array([[320, 400], [400, 550], [550, 690], [690, 820], [820, 950]])  # nm
wavelengths = np.linspace(300, 950, 131)


def make_galaxies(n_rows):
    redshift, blue = rng.gamma(2.5, 0.5, n_rows), rng.random(n_rows)
    emitted = wavelengths / (1 + redshift[:, None])
    jump = 1.6 * (1 - 0.75 * blue[:, None]) / (1 + np.exp(-(emitted - 400) / 8))
    lyman = -3.0 / (1 + np.exp((emitted - 160) / 8))
    spectrum = np.exp(jump + lyman) * (emitted / 400) ** (-1.5 * blue[:, None])
    bands = [spectrum[:, (wavelengths >= low) & (wavelengths < high)].mean(axis=1) for low, high in FILTERS]
    magnitude = -2.5 * np.log10(np.column_stack(bands)) + rng.normal(0, 0.08, (n_rows, 5))
    return -np.diff(magnitude, axis=1), redshift


X_train, z_train = make_galaxies(4000)
X_test, z_test = make_galaxies(2000)
model = MDNRegressor(n_components=5, max_iter=60, random_state=0).fit(X_train, z_train)
density = model.predict_distribution(X_test)
print(distribution_report(z_test, density))

# %%
# Left, the highest mode against the truth: most galaxies lie on the line, some far off it. Right, densities
# of galaxies with two separate 90 % intervals, with the true redshift of each.
regions, _ = density.hdr(0.9)
pieces = (~np.isnan(regions[..., 0])).sum(axis=1)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
axes[0].plot(z_test, density.mode(), ".", markersize=3, alpha=0.5)
axes[0].plot([0, 4], [0, 4], color="0.5", linestyle=":")
axes[0].set(xlabel="redshift", ylabel="highest mode", xlim=(0, 4), ylim=(0, 4))
two = np.flatnonzero(pieces > 1)[:8]
DensityRidgeDisplay.from_estimator(model, X_test[two], z_test[two], ax=axes[1])
axes[1].set(xlabel="redshift", xlim=(0, 4))

# %%
# A catalogue of densities has to be calibrated: the histogram of the PIT is flat within what chance allows.
PITDisplay.from_estimator(model, X_test, z_test)

# %%
# A galaxy is an outlier where a point estimate is off by more than 0.15 (1 + z). Does the density know where?
off = np.abs(density.mode() - z_test) > 0.15 * (1 + z_test)
for name, which in (("one interval", pieces == 1), ("several", pieces > 1)):
    print(f"{name}: {which.sum()} galaxies, {100 * off[which].mean():.1f} % outliers")
print(f"outliers whose redshift the 90 % region holds: {100 * density.in_hdr(z_test, 0.9)[off].mean():.0f} %")

# %%
# **Finding.** Galaxies whose region comes in several pieces are outliers many times as often as others: the
# density says in advance which redshifts not to trust.

"""
Targets that were seen in part
==============================

A machine still runs when the study ends, a laboratory reports "below 0.5": of such targets only a bound is
known. Taken as if the bound were the value, or left out, they bend the answer. An interval for each, open
to one side, does not.
"""

# %%
# Times to failure that grow with the quality of a part; a study ends after 4 to 12 months, whatever still
# runs then.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor

rng = np.random.default_rng(0)


def make_parts(n_parts):
    quality = rng.uniform(0, 1, n_parts)
    return quality[:, None], rng.weibull(1.5, n_parts) * (3 + 9 * quality)


X, failure = make_parts(1200)
end = rng.uniform(4, 12, 1200)
censored = failure > end
seen = np.minimum(failure, end)
print(f"still running at the end: {100 * censored.mean():.0f} %")

# %%
# ``y_upper`` says up to where a target may lie: infinity where it ran on, the value itself where it was seen.
network = MDNRegressor(3, max_iter=80, random_state=0)
X_new, y_new = make_parts(4000)
predicted = {
    "end taken for the failure": network.fit(X, seen).predict_distribution(X_new),
    "left out": network.fit(X[~censored], seen[~censored]).predict_distribution(X_new),
    "known to be later": network.fit(X, seen, y_upper=np.where(censored, np.inf, seen)).predict_distribution(
        X_new
    ),
}
for name, density in predicted.items():
    print(
        f"{name:<26} log-likelihood of new parts {density.logpdf(y_new).mean():.2f}, "
        f"below the predicted 90 % quantile: {(y_new < density.ppf(0.9)).mean():.2f}"
    )

# %%
order = np.argsort(X_new[:, 0])
figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
axis.plot(X[~censored, 0], seen[~censored], ".", color="0.5", markersize=3, label="failed")
axis.plot(X[censored, 0], seen[censored], "^", color="0.7", markersize=3, label="still running")
for name, density in predicted.items():
    axis.plot(X_new[order, 0], density.median()[order], label=f"median: {name}")
axis.plot([0, 1], np.array([3, 12]) * np.log(2) ** (1 / 1.5), "k:", label="true median")
axis.set(xlabel="quality", ylabel="months", ylim=(0, 20))
axis.legend(fontsize="small")

# %%
# **Finding.** Only the network that was told what is known of the parts that ran on comes near the true
# median, and its quantiles hold nearly what they promise.

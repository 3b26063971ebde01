"""Rows that an ensemble has held out: do they calibrate sets as rows of their own do?

``python benchmarks/held_out.py`` fits ensembles to simulated rows again and again. Each row that some members
hold out gets the score of the method "hdr" under the mean of their densities. Sets of new rows, under the
density of all members, then have the level of these scores, or that of as many fresh rows.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from _methods import versions_of
from _peers import heading, mean_and_error, progress, run_line, table

from sklearn_mdn import MDNRegressor
from sklearn_mdn._distributions.combined import pooled
from sklearn_mdn._estimators.conformal_levels import calibrated_levels
from sklearn_mdn._estimators.folds import members_folds

LEVELS = (0.8, 0.9)
ROWS, NEW, MEMBERS = 300, 500, 4


class Watched(MDNRegressor):
    """Remembers its standardised rows and the folds that its members hold out."""

    def _held_out(self, data, seed, group):
        found = super()._held_out(data, seed, group)
        self.seen_ = np.asarray(data.rows.x)[:, 0], members_folds(found[0], self.n_estimators)
        return found


def draw(n_rows: int, rng: np.random.Generator):
    X = rng.uniform(-1.0, 1.0, (n_rows, 1))
    return X, np.sin(3.0 * X[:, 0]) + (0.2 + 0.5 * (X[:, 0] > 0.0)) * rng.standard_t(4, n_rows)


def held_out_scores(model: Watched, X, y) -> np.ndarray:
    """Scores of held-out rows, each under the members that have not seen it."""
    x, folds = model.seen_
    order, place = np.argsort(X[:, 0]), np.argsort(np.argsort(x))  # fits sort their rows
    members, scores = model.predict_distribution(X).members(), []
    of_rows = defaultdict(list)
    for member, fold in enumerate(folds):
        of_rows[tuple(order[place[fold]])].append(members[member])
    for rows, own in of_rows.items():
        rows = np.array(rows)
        pool = pooled([member[rows] for member in own], np.full(len(own), 1.0 / len(own)))
        scores.append(pool.hdr_level(y[rows]))
    return np.concatenate(scores)


def covered(scores: np.ndarray, new: np.ndarray) -> list[float]:
    """Share of new rows in the sets of each level."""
    one, groups = np.zeros(1, dtype=int), np.zeros(len(scores), dtype=int)
    limits = [calibrated_levels(scores, None, groups, level, None, one)[0] for level in LEVELS]
    return [float((new <= limit).mean()) for limit in limits]


def main() -> None:
    parser = argparse.ArgumentParser(prog="held_out.py", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60, help="ensembles (default: 60)")
    repeats = parser.parse_args().repeats
    found: dict[str, list[list[float]]] = {"held-out rows": [], "as many fresh rows": []}
    with progress(repeats) as step:
        for seed in range(repeats):
            rng = np.random.default_rng(seed)
            X, y = draw(ROWS, rng)
            model = Watched(2, hidden_layer_sizes=(32,), n_estimators=MEMBERS, max_iter=60, random_state=seed)
            scores = held_out_scores(model.fit(X, y), X, y)
            X_own, y_own = draw(len(scores), rng)
            X_new, y_new = draw(NEW, rng)
            new = model.predict_distribution(X_new).hdr_level(y_new)
            fresh = model.predict_distribution(X_own).hdr_level(y_own)
            found["held-out rows"].append(covered(scores, new))
            found["as many fresh rows"].append(covered(fresh, new))
            step(f"ensemble {seed}, {len(scores)} rows")
    print(heading(f"Coverage of sets calibrated by {len(scores)} rows"))
    ranks = [np.ceil((len(scores) + 1) * level - 1e-9) / (len(scores) + 1) for level in LEVELS]
    rows = [["in theory", *(f"{share:.3f}" for share in ranks)]]
    rows += [
        [name, *(mean_and_error(column) for column in zip(*each, strict=True))]
        for name, each in found.items()
    ]
    print(table(["", *(f"{level:.0%}" for level in LEVELS)], rows))
    print("\n" + run_line(versions_of(("torch", "numpy"))))


if __name__ == "__main__":
    main()

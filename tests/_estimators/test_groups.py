"""Groups that are held out as a whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MDNRegressor, MDNSearchCV
from sklearn_mdn._estimators import regressor
from sklearn_mdn._search import tasks

SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
    "dtype": "float64",
}
GROUPS = np.repeat(np.arange(20), 10)


def small(**changes):
    return MDNRegressor(**(SETTINGS | changes))


def rows_of_groups(groups=GROUPS, seed=0):
    """The first column says the group; rows of a group are alike."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(len(groups), 3))
    X[:, 0] = groups
    return X, random.normal(size=len(groups))


@pytest.fixture
def plans(monkeypatch):
    """All plans that are trained."""
    seen = []

    def spy(module):
        train_plans = module.train_plans

        def recorded(given, **settings):
            seen.extend(given)
            return train_plans(given, **settings)

        monkeypatch.setattr(module, "train_plans", recorded)

    spy(regressor)
    spy(tasks)
    return seen


def whole(plan):
    """Whether no group is on both sides, in any member of the plan."""
    group = np.round(plan.data.rows.x[:, 0], 9)
    return all(
        not set(group[train]) & set(group[held_out])
        for train, held_out in zip(plan.train, plan.validation, strict=True)
    )


LABELS = {
    "integers": GROUPS,
    "floats": GROUPS.astype(float),
    "texts": [f"shop {group}" for group in GROUPS],
    "series": pd.Series(GROUPS, dtype="category"),
    "objects": np.array([("a", int(group)) and f"{group}" for group in GROUPS], dtype=object),
}


@pytest.mark.parametrize("groups", LABELS.values(), ids=LABELS.keys())
@pytest.mark.parametrize("n_estimators", [1, 4])
def test_groups_are_held_out_as_a_whole(plans, groups, n_estimators):
    X, y = rows_of_groups()
    model = small(n_estimators=n_estimators).fit(X, y, groups=groups)
    (plan,) = plans
    assert whole(plan)
    assert all(len(held_out) == 20 for held_out in plan.validation)
    assert model.score(X, y) == small(n_estimators=n_estimators).fit(X, y, groups=groups).score(X, y)
    small(n_estimators=n_estimators).fit(X, y)
    assert not whole(plans[-1])


def test_order_weights_and_kind_of_labels_change_nothing():
    X, y = rows_of_groups()
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    expected = small().fit(X, y, weight, groups=GROUPS).predict(X)
    again = np.random.default_rng(2).permutation(np.repeat(np.arange(len(y)), weight))
    np.testing.assert_array_equal(small().fit(X[again], y[again], groups=GROUPS[again]).predict(X), expected)
    np.testing.assert_array_equal(small().fit(X, y, weight, groups=1.0 * GROUPS).predict(X), expected)


def test_equal_rows_of_two_groups_stay_in_both(plans):
    X, y = rows_of_groups(np.repeat(np.arange(10), 10))
    X, y, groups = np.vstack([X, X]), np.tile(y, 2), np.repeat(np.arange(20), 10)
    small().fit(X, y, groups=groups)
    assert len(plans[0].data.rows) == 200


def test_new_groups_get_what_held_out_groups_got():
    """Near-duplicates: held-out rows of known groups promise what new groups do not get."""
    random = np.random.default_rng(0)
    centers, levels = random.normal(size=(2, 20, 3))
    X = np.repeat(centers, 20, axis=0) + 0.01 * random.normal(size=(400, 3))
    y = np.repeat(levels[:, 0], 20) + 0.01 * random.normal(size=400)
    new, y_new = random.normal(size=(500, 3)), random.normal(size=500)
    settings = {"n_estimators": 4, "max_iter": 150, "random_state": 0, "dtype": "float64"}
    rows = MDNRegressor(**settings).fit(X, y)
    groups = MDNRegressor(**settings).fit(X, y, groups=np.repeat(np.arange(20), 20))
    assert rows.best_validation_score_.mean() > 0.5  # promised
    assert rows.score(new, y_new) < groups.score(new, y_new) - 1.0
    assert abs(groups.best_validation_score_.mean() - groups.score(new, y_new)) < 3.0


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: make_pipeline(StandardScaler(), model)])
@pytest.mark.parametrize("refit", [True, "stacking"])
def test_searches_hand_their_splitters_groups_on(plans, wrap, refit):
    X, y = rows_of_groups()
    search = MDNSearchCV(wrap(small()), {}, cv=GroupKFold(3), refit=refit).fit(X, y, groups=GROUPS)
    assert len(plans) == 3 + (refit is True)
    assert all(whole(plan) for plan in plans)
    with config_context(enable_metadata_routing=True):
        expected = GridSearchCV(wrap(small()), {}, cv=GroupKFold(3)).fit(X, y, groups=GROUPS)
        routed = MDNSearchCV(wrap(small()), {}, cv=GroupKFold(3)).fit(X, y, groups=GROUPS)
    assert all(whole(plan) for plan in plans)
    for found in (search, routed):
        np.testing.assert_allclose(
            found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=1e-6
        )


def test_groups_are_routed_unless_they_are_not_wanted(plans):
    X, y = rows_of_groups()
    with config_context(enable_metadata_routing=True):
        cross_validate(small(), X, y, cv=GroupKFold(2), params={"groups": GROUPS})
        assert all(whole(plan) for plan in plans)
        unwanted = small().set_fit_request(groups=False)
        cross_validate(unwanted, X, y, cv=GroupKFold(2), params={"groups": GROUPS})
    assert not whole(plans[-1])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[1:], "groups must have an entry for each of the 200 rows of X, got 199"),
        ([None, *GROUPS[1:]], "groups must have no gaps"),
        ([np.nan, *GROUPS[1:]], "groups must have no gaps"),
        (np.tile(GROUPS, (2, 1)), "should be a 1d array"),
    ],
)
def test_bad_groups_are_refused(groups, message):
    X, y = rows_of_groups()
    with pytest.raises(ValueError, match=message):
        small().fit(X, y, groups=groups)


def test_groups_beside_rows_to_watch_mean_nothing():
    X, y = rows_of_groups()
    with pytest.raises(ValueError, match="groups say what to hold out, but with X_val nothing is"):
        small().fit(X, y, groups=GROUPS, X_val=X, y_val=y)


def test_of_one_group_rows_are_held_out(plans):
    X, y = rows_of_groups()
    with pytest.warns(UserWarning, match="groups hold one group only, of which rows are held out"):
        small().fit(X, y, groups=np.zeros(200))
    assert len(plans[0].validation[0]) == 20

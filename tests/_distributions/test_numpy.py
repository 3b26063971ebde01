"""What takes arrays refuses a distribution at once, and says what to hand it instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.utils import check_array

from sklearn_mdn import MixtureDistribution

N = 50
Y = np.zeros(N)

USES = {
    "np.asarray": np.asarray,
    "np.array with a type": lambda d: np.array(d, dtype=np.float32),
    "np.shape": np.shape,
    "np.concatenate": lambda d: np.concatenate([d, d]),
    "np.quantile": lambda d: np.quantile(d, 0.5),
    "np.exp": np.exp,
    "errors": lambda d: Y - d,
    "errors, turned": lambda d: d - Y,
    "errors of a number": lambda d: np.float64(1.0) - d,
    "comparison": lambda d: d > Y,
    "in place": lambda d: np.add(Y, d, out=Y),
    "errors of a Series": lambda d: pd.Series(Y) - d,
    "a score of scikit-learn": lambda d: mean_absolute_error(Y, d),
    "a score, turned": lambda d: r2_score(d, Y),
    "scikit-learn's check": check_array,
}


class Counting(MixtureDistribution):
    """Counts how often it is asked for a row."""

    asked = 0

    def __getitem__(self, rows):
        type(self).asked += 1
        return super().__getitem__(rows)


@pytest.mark.parametrize("shape", [(N, 2), (N, 2, 3)])
@pytest.mark.parametrize("use", USES)
def test_no_array(use, shape):
    distribution = Counting(np.full((N, 2), 0.5), np.zeros(shape), np.ones(shape), covariance_type="diag")
    Counting.asked = 0
    with pytest.raises(TypeError, match=r"a Counting cannot .*mean\(\).* sklearn_mdn.metrics"):
        USES[use](distribution)
    assert Counting.asked == 0


def test_rows_one_by_one():
    distribution = MixtureDistribution(np.ones((3, 1)), [[0.0], [1.0], [2.0]], np.ones((3, 1)))
    assert [float(row.mean()[0]) for row in distribution] == [0.0, 1.0, 2.0]

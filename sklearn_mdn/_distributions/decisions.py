"""What follows from a predicted distribution for whoever decides: expectations and best actions."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sklearn_mdn._distributions.checks import as_numbers, check_count, check_finite
from sklearn_mdn._distributions.noise import check_seed
from sklearn_mdn._distributions.typing import SeedLike

Array = NDArray[np.float64]

SETTLED = 1e-8  # of E|f(Y)|: the part in cells on which two rules differ that is said


class Decisions(ABC):
    """Expectations under predicted distributions, and actions of least expected loss.

    A subclass says how many rows and targets there are, and provides the quadrature.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @property
    @abstractmethod
    def _n_targets(self) -> int:
        """D."""

    @abstractmethod
    def _expectation(
        self, function: Callable[[Array], Array], points: Array, n_samples: int, random_state: SeedLike
    ) -> tuple[Array, Array]:
        """E[f(Y)], and the part of E|f(Y)| that has not settled, (n,); f maps y (m, n, D) to (m, n)."""

    @property
    @abstractmethod
    def _has_target_axis(self) -> bool:
        """Whether the targets have an axis of their own."""

    def expect(
        self,
        function: Callable[[Any], Any],
        *,
        points: ArrayLike | None = None,
        n_samples: int = 1024,
        random_state: SeedLike = 0,
    ) -> Array:
        """Expectation of a function of the target, E[f(Y)], by quadrature.

        Parameters
        ----------
        function : callable
            Gets y of shape (m, n), m values for each of the n rows, or (m, n, D) with D targets, and gives
            values that broadcast to (m, n). It may use arrays of shape (n,), one number a row.
        points : array-like of shape (P,) or (P, n), default=None
            Values of y at which the function or its slope jumps: the same for all rows, or some for each. For
            one target.
        n_samples : int, default=1024
            Draws a row for more than three targets; else unused.
        random_state : int, RandomState, Generator or None, default=0
            Seed of these draws, or a generator.

        Returns
        -------
        expectation : ndarray of shape (n,)

        Raises
        ------
        TypeError
            If ``function`` cannot be called.
        ValueError
            If its values do not have that shape, or ``points`` are no finite numbers of such a shape.

        Warns
        -----
        UserWarning
            If the quadrature does not settle: the function has more jumps than it can find.

        See Also
        --------
        argmin_expected : The action of least expected loss.
        MixtureDistribution.moment : Powers of y, in closed form.

        Notes
        -----
        For one target the integral goes component by component over cells, in standard deviations, which are
        halved until a Gauss-Kronrod pair of 7 and 15 nodes agrees to 1e-10 of E|f(Y)|. A smooth function
        comes out to about 1e-12, and so does one with kinks that are given. Kinks that are not given are
        looked for by the halving, which leaves some 1e-5; what lies between all nodes, a narrow peak say, is
        not seen.
        For two or three targets it is a product of Gauss-Hermite rules (48 or 16 nodes along each), as exact
        for smooth functions and good to some 1e-2 at kinks; beyond, the mean over quasi-Monte Carlo draws, as
        in :meth:`entropy`.

        References
        ----------
        Piessens, R., de Doncker-Kapenga, E., Ueberhuber, C. W. and Kahaner, D. K. (1983). QUADPACK.
        Springer.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mdn import MixtureDistribution
        >>> dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
        >>> dist.expect(np.square).round(4)
        array([3.575])

        What is sold of 1.5 in stock, where y is the demand:

        >>> dist.expect(lambda y: np.clip(y, 0, 1.5), points=[0, 1.5]).round(4)
        array([1.0452])
        """
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}.")
        cuts = self._cuts(points)
        n_samples = check_count(n_samples, "n_samples")
        check_seed(random_state)
        expectation, doubtful = self._expectation(
            self._asked(function, "function"), cuts, n_samples, random_state
        )
        if (doubtful > SETTLED).any():
            row = int(np.nanargmax(doubtful))
            warnings.warn(
                f"expect has not settled: in {int((doubtful > SETTLED).sum())} rows, the worst of them row "
                f"{row}, where the integral is known to a part of {doubtful[row]:.1g}. Give the values of y "
                "at which the function jumps as points.",
                UserWarning,
                stacklevel=2,
            )
        return expectation

    def argmin_expected(
        self,
        loss: Callable[[Any, Any], Any],
        candidates: ArrayLike,
        *,
        points: ArrayLike | None = None,
        n_samples: int = 1024,
        random_state: SeedLike = 0,
    ) -> Array:
        """Of some actions the one of least expected loss, for each row.

        Parameters
        ----------
        loss : callable
            ``loss(action, y)`` gets an action for each row (n,), and y as in :meth:`expect`: (m, n), or
            (m, n, D) with D targets. It gives values that broadcast to (m, n).
        candidates : array-like of shape (C,) or (C, n)
            Actions to choose from: the same for all rows, or some for each. Finite.
        points : array-like of shape (P,) or (P, n), default=None
            Values of y at which the loss or its slope jumps, beside the action itself, which always counts
            as one of them.
        n_samples, random_state
            As in :meth:`expect`.

        Returns
        -------
        action : ndarray of shape (n,)
            The first of the best.

        Raises
        ------
        TypeError
            If ``loss`` cannot be called.
        ValueError
            If there are no candidates, some are no finite numbers, or an expected loss is no number.

        See Also
        --------
        ppf : The action for a loss that is linear on both sides of y, without a search.

        Examples
        --------
        A newsvendor who pays 1 and gets 3 a copy orders the quantile at 2 / 3:

        >>> import numpy as np
        >>> from sklearn_mdn import MixtureDistribution
        >>> demand = MixtureDistribution([[0.3, 0.7]], [[20.0, 50.0]], [[9.0, 25.0]])
        >>> loss = lambda copies, y: 1.0 * copies - 3.0 * np.minimum(copies, y)
        >>> demand.argmin_expected(loss, np.arange(80)), demand.ppf(2 / 3).round(1)
        (array([50.]), array([50.3]))
        """
        if not callable(loss):
            raise TypeError(f"loss must be callable, got {loss!r}.")
        actions = check_finite(candidates, "candidates")
        n_rows = len(self)
        if (
            actions.ndim not in (1, 2)
            or not len(actions)
            or (actions.ndim == 2 and actions.shape[1] != n_rows)
        ):
            raise ValueError(
                f"candidates must have the shape (C,) or (C, {n_rows}), C at least 1, got {actions.shape}."
            )
        actions = np.broadcast_to(actions.reshape(len(actions), -1), (len(actions), n_rows))
        cuts = self._cuts(points)
        n_samples = check_count(n_samples, "n_samples")
        check_seed(random_state)
        best, least = np.full(n_rows, np.nan), np.full(n_rows, np.inf)
        for action in actions:
            kinks = np.vstack([cuts, action[None]]) if self._n_targets == 1 else cuts
            of_action = self._asked(partial(loss, action.copy()), "loss")
            expected, _ = self._expectation(of_action, kinks, n_samples, random_state)
            if np.isnan(expected).any():
                row = int(np.argmax(np.isnan(expected)))
                raise ValueError(
                    f"loss must have expectations that are numbers, got NaN for the action {action[row]:g} "
                    f"in row {row}."
                )
            better = (expected < least) | np.isnan(best)
            best, least = np.where(better, action, best), np.where(better, expected, least)
        return best

    def _cuts(self, points: ArrayLike | None) -> Array:
        """Points (P, n), in any order."""
        n_rows = len(self)
        if points is None:
            return np.empty((0, n_rows))
        cuts = check_finite(points, "points")
        if self._n_targets > 1:
            raise ValueError(
                f"points are for one target; got {np.shape(points)} of them for a distribution of "
                f"{self._n_targets} targets."
            )
        if cuts.ndim > 2 or (cuts.ndim == 2 and cuts.shape[1] != n_rows):
            raise ValueError(f"points must have the shape (P,) or (P, {n_rows}), got {cuts.shape}.")
        rows = cuts.reshape(-1, 1) if cuts.ndim < 2 else cuts
        return np.broadcast_to(rows, (len(rows), n_rows))

    def _asked(self, function: Callable[[Any], Any], name: str) -> Callable[[Array], Array]:
        """The function with y on the axes that users know, its values checked."""

        def values(y: Array) -> Array:
            given = as_numbers(function(y if self._has_target_axis else y[..., 0]), f"the values of {name}")
            try:
                return np.broadcast_to(given, y.shape[:-1]).astype(np.float64)
            except ValueError:
                asked = y.shape if self._has_target_axis else y.shape[:-1]
                raise ValueError(
                    f"{name} must give values of the shape {y.shape[:-1]} for y of shape {asked}, got "
                    f"{given.shape}."
                ) from None

        return values


def on_tensors(function: Callable[[Array], Array]) -> Callable[[Tensor], Tensor]:
    """The same function of tensors."""
    return lambda y: torch.from_numpy(function(y.contiguous().numpy()))

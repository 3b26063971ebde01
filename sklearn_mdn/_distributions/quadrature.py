"""Integrals of many functions at once, by adaptive quadrature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._mixtures.quadrature import GAUSS, KRONROD, NODES

Array = NDArray[np.float64]

TOLERANCE = 1e-11  # of a cell, relative to the integral of the size of the function
ROUNDING = 1e-13  # of a cell, relative to its own integral, where rounding is all that is left
MIN_HALVINGS, MAX_HALVINGS, MAX_CELLS = 10, 60, 100  # more cells so small are those of a pole
CUTS = (-13.0, -8.0, -5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0, 8.0, 13.0)  # of a component, in its deviations

# Between these levels lies what a numerical CRPS integrates; beyond them, F^2 is below 1e-24.
PANEL_LEVELS = np.array([1e-12, 1e-9, 1e-6, 1e-4, 1e-2, 0.1, 0.25, 0.5])
PANEL_LEVELS = np.concatenate([PANEL_LEVELS, 1.0 - PANEL_LEVELS[-2::-1]])
PANEL_TOLERANCE = 1e-10  # on the change that halving a panel makes, which is far above the error left


def lobatto_rule(n_nodes: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Lobatto quadrature on [-1, 1], whose ends are nodes."""
    legendre = np.polynomial.legendre.Legendre.basis(n_nodes - 1)
    nodes = np.concatenate([[-1.0], legendre.deriv().roots(), [1.0]])
    return nodes, 2.0 / (n_nodes * (n_nodes - 1) * legendre(nodes) ** 2)


# A cdf that rises only at the ends of a panel is noticed because they are nodes.
LOBATTO_NODES, LOBATTO_WEIGHTS = lobatto_rule(10)


def mirrored(half: tuple[float, ...], sign: float) -> Array:
    """A symmetric rule from its first half and its centre."""
    return np.array([*half, *(sign * value for value in half[-2::-1])])


KRONROD_NODES = -mirrored(NODES, -1.0)
BOTH_WEIGHTS = np.stack([mirrored(KRONROD, 1.0), mirrored(GAUSS, 1.0)], axis=1)


def integrals(function: Callable[[Array, NDArray[np.int64]], Array], cuts: Array) -> Array:
    """Integrals (P,) over lines that are cut in cells, by halving them until two rules agree.

    Parameters
    ----------
    function : callable (x (C, 15), line (C,)) -> (C, 15)
        Values of the functions of some lines.
    cuts : ndarray of shape (P, J)
        Ends of the cells of each line, rising; cells without a width are none.

    Returns
    -------
    ndarray of shape (P,)
        Infinite, with the sign of the function, where halving never ends: of what has no finite integral.
    """
    line, place = np.nonzero(cuts[:, 1:] > cuts[:, :-1])
    lower, upper = cuts[line, place], cuts[line, place + 1]
    total, scale, never = np.zeros(len(cuts)), np.zeros(len(cuts)), np.zeros(len(cuts))
    for halving in range(MAX_HALVINGS):
        if not len(line):
            break
        half = 0.5 * (upper - lower)
        x = (lower + half)[:, None] + half[:, None] * KRONROD_NODES
        values = function(x, line)
        with np.errstate(invalid="ignore", over="ignore"):  # of values at a pole
            fine, coarse = (half[:, None] * (values @ BOTH_WEIGHTS)).T
            size = half * (np.abs(values) @ BOTH_WEIGHTS[:, 0])
        if halving == 0:
            np.add.at(scale, line, size)
        with np.errstate(invalid="ignore"):
            done = ~(np.abs(fine - coarse) > np.maximum(TOLERANCE * scale[line], ROUNDING * size))
        many = np.bincount(line[~done], minlength=len(cuts)) > MAX_CELLS
        hopeless = ~done & ((many[line] & (halving > MIN_HALVINGS)) | (halving == MAX_HALVINGS - 1))
        np.add.at(never, line[hopeless], fine[hopeless])
        done |= never[line] != 0
        np.add.at(total, line[done], fine[done])
        line, lower, upper = line[~done], lower[~done], upper[~done]
        middle = lower + 0.5 * (upper - lower)
        line = np.concatenate([line, line])
        lower, upper = np.concatenate([lower, middle]), np.concatenate([middle, upper])
    return np.where(np.abs(never) > 1e-9 * np.abs(total), np.copysign(np.inf, never), total)


def cells(means: Array, deviations: Array, low: Array, high: Array) -> Array:
    """Cuts (P, J) around components (P, K), from low (P,) to high (P,) where these are finite."""
    cuts = (means[:, :, None] + deviations[:, :, None] * np.array(CUTS)).reshape(len(means), -1)
    return np.sort(np.clip(cuts, low[:, None], high[:, None]), axis=1)


def crps_of(cdf: Callable[[Array], Array], quantiles: Callable[[Array], Array], y: Array) -> Array:
    """Integral of (F(x) - 1(y <= x))^2 over panels between quantiles, halved until it stays.

    Parameters
    ----------
    cdf : callable (x (m, ...)) -> (m, ...)
        Of the distributions, one for each entry of y.
    quantiles : callable (levels (Q,)) -> (Q, ...)
    y : ndarray
    """
    bounds = quantiles(PANEL_LEVELS)
    edges = np.sort(np.concatenate([bounds, y[None]]), axis=0)
    if not np.isfinite(edges).all():
        raise ValueError("y_dist must have finite quantiles at the levels 1e-12 and 1 - 1e-12.")
    low, median, high = bounds[np.searchsorted(PANEL_LEVELS, [0.01, 0.5, 0.99])]
    tolerance = PANEL_TOLERANCE * (high - low + np.abs(y - median))

    def panels(lower: Array, upper: Array) -> Array:
        """Gauss-Lobatto integrals from lower to upper (J, ...), which have y nowhere inside."""
        half, nodes = 0.5 * (upper - lower), LOBATTO_NODES.reshape(-1, *(1,) * lower.ndim)
        x = 0.5 * (upper + lower) + half * nodes
        probability = np.asarray(cdf(x.reshape(-1, *y.shape))).reshape(x.shape)
        heights = np.where(upper <= y, probability, 1.0 - probability) ** 2
        return half * np.tensordot(LOBATTO_WEIGHTS, heights, axes=1)

    lower, upper = edges[:-1], edges[1:]
    coarse, total = panels(lower, upper), np.zeros(y.shape)
    for _ in range(MAX_HALVINGS):
        middle = 0.5 * (lower + upper)
        left, right = panels(lower, middle), panels(middle, upper)
        open_ = np.abs(left + right - coarse) > tolerance
        total += np.where(open_, 0.0, left + right).sum(0)
        if not open_.any():
            return total
        # Open panels first, as many places as the row with the most of them needs.
        keep = np.argsort(~open_, axis=0, kind="stable")[: open_.sum(0).max()]
        open_, lower, middle, upper, left, right = (
            np.take_along_axis(values, keep, axis=0) for values in (open_, lower, middle, upper, left, right)
        )
        upper = np.where(open_, upper, lower)  # a panel of no width is done
        middle = np.where(open_, middle, lower)
        left, right = np.where(open_, left, 0.0), np.where(open_, right, 0.0)
        lower, upper = np.concatenate([lower, middle]), np.concatenate([middle, upper])
        coarse = np.concatenate([left, right])
    return np.asarray(total + coarse.sum(0))

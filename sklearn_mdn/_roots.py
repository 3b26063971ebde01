"""Bracketed root finding for many equations at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps
BISECTION = 1e-9
MAX_ITERATIONS = 4000  # bisection alone could visit every exponent of a double: 2^11 + 53 halvings


def solve_bracketed(
    function: Callable[..., tuple[Tensor, Tensor]],
    parameters: tuple[Tensor, ...],
    lower: Tensor,
    upper: Tensor,
    start: Tensor,
    tolerance: Tensor,
) -> Tensor:
    """Roots of many increasing functions by a safeguarded Newton-type iteration.

    A step that leaves the bracket, or that does not halve the step before the last one, is replaced
    by a bisection (Press et al. 2007, Numerical Recipes, section 9.4, with Brent's test). What an
    equation answers does not depend on the others that are solved with it.

    Parameters
    ----------
    function : callable (x, *parameters) -> (value, step)
        Value of the equations at x, negative left of the root and positive right of it, and the
        Newton (or Halley) correction: x + step is the next guess.
    parameters : tuple of Tensor of shape (P, ...)
        What the equations depend on. Those of the equations still open are passed to ``function``.
    lower, upper, start : Tensor of shape (P,)
        Brackets of the roots and first guesses in them.
    tolerance : Tensor of shape (P,)
        A Newton step this small is the last one: the next one would be a power of it. So is a
        bisection, whose error is as large as its step, of a billionth of this size, and any step
        below the rounding of x.

    Returns
    -------
    Tensor of shape (P,)
        The roots; ``start`` where the bracket is empty.
    """
    root = start.clone()
    index = torch.nonzero(lower < upper).squeeze(-1)
    state = [v[index] for v in (start, lower, upper, tolerance)]
    state += [torch.full_like(state[0], torch.inf)] * 2
    parameters = tuple(v[index] for v in parameters)
    open_ = torch.ones_like(index, dtype=torch.bool)
    for _ in range(MAX_ITERATIONS):
        if not len(index):
            break
        x, lower, upper, tolerance, last, before_last = state
        value, step = function(x, *parameters)
        lower, upper = torch.where(value < 0, x, lower), torch.where(value > 0, x, upper)
        target = x + step
        inside = (target >= lower) & (target <= upper) & (step.abs() <= 0.5 * before_last)
        target = torch.where(inside, target, lower + 0.5 * (upper - lower))
        target = torch.where((value == 0) | ~open_, x, target)
        moved = (target - x).abs()
        small = torch.where(inside, tolerance, BISECTION * tolerance)
        open_ = open_ & (moved > torch.maximum(small, 2 * EPS * target.abs()))
        state = [target, lower, upper, tolerance, moved, last]
        remaining = int(open_.sum())
        if 2 * remaining <= len(index):  # compaction costs about as much as an evaluation
            root[index] = target
            keep = torch.nonzero(open_).squeeze(-1)
            index, open_ = index[keep], open_[keep]
            state = [v[keep] for v in state]
            parameters = tuple(v[keep] for v in parameters)
    root[index] = state[0]
    return root

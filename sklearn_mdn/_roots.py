"""Bracketed root finding for many equations at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps
MAX_ITERATIONS = 4000  # bisection alone could visit every exponent of a double: 2^11 + 53 halvings


def solve_bracketed(
    function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    lower: Tensor,
    upper: Tensor,
    start: Tensor,
    tolerance: Tensor,
) -> Tensor:
    """Roots of many increasing functions by a safeguarded Newton-type iteration.

    A step that leaves the bracket, or that does not halve the step before the last one, is replaced
    by a bisection (Press et al., Numerical Recipes, 9.4, with Brent's test). Only the equations that
    have not yet converged are evaluated.

    Parameters
    ----------
    function : callable (x, index) -> (value, step)
        Value at x of the equations of that index, negative left of the root and positive right of
        it, and the Newton (or Halley) correction, so that x + step is the next guess.
    lower, upper, start : Tensor of shape (P,)
        Brackets of the roots and first guesses in them.
    tolerance : Tensor of shape (P,)
        A step this small is the last one; also where the rounding of x is larger.
    """
    root = start.clone()
    index = torch.nonzero(lower < upper).squeeze(-1)
    x, lower, upper, tolerance = (v[index] for v in (start, lower, upper, tolerance))
    last = before_last = upper - lower
    for _ in range(MAX_ITERATIONS):
        if not len(index):
            break
        value, step = function(x, index)
        lower, upper = torch.where(value < 0, x, lower), torch.where(value > 0, x, upper)
        target = x + step
        inside = (target >= lower) & (target <= upper) & (step.abs() <= 0.5 * before_last)
        target = torch.where(inside, target, lower + 0.5 * (upper - lower))
        target = torch.where(value == 0, x, target)
        before_last, last = last, (target - x).abs()
        x = target
        done = last <= torch.maximum(tolerance, 2 * EPS * x.abs())
        root[index] = x
        keep = torch.nonzero(~done).squeeze(-1)
        if len(keep) < len(index):
            index, x, lower, upper, tolerance, last, before_last = (
                v[keep] for v in (index, x, lower, upper, tolerance, last, before_last)
            )
    return root

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
    rounds: int = 2,
) -> Tensor:
    """Roots of many increasing functions by a safeguarded Newton-type iteration.

    1. A few rounds for all equations. A step that leaves the bracket, or underflows to nothing off the
       root, is replaced by a bisection.
    2. Then only the equations still open are evaluated. So is now a step that does not halve the one
       before the last (Press et al. 2007, Numerical Recipes, section 9.4, with Brent's test).

    What an equation answers does not depend on the others that are solved with it.

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
    rounds : int
        How many evaluations most equations need.

    Returns
    -------
    Tensor of shape (P,)
        The roots; ``start`` where the bracket is empty.
    """
    if not len(start):
        return start.clone()
    root, lower, upper, done = first_rounds(function, parameters, lower, upper, start, tolerance, rounds)
    index = torch.nonzero(~done).squeeze(-1)
    if len(index):
        rest = tuple(v.index_select(0, index) for v in parameters)
        lower, upper, x, tolerance = (v[index] for v in (lower, upper, root, tolerance))
        root[index] = solve_guarded(function, rest, lower, upper, x, tolerance)
    return root


def first_rounds(
    function: Callable[..., tuple[Tensor, Tensor]],
    parameters: tuple[Tensor, ...],
    lower: Tensor,
    upper: Tensor,
    start: Tensor,
    tolerance: Tensor,
    rounds: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first part of ``solve_bracketed``: guesses, brackets, and which guesses are roots already.

    Equations may have any shape here, to which ``parameters`` need only broadcast.
    """
    root, size = start, start
    for _ in range(rounds):
        value, step = function(root, *parameters)
        lower, upper, target, inside = proposed(root, value, step, lower, upper)
        root = torch.where(inside, target, torch.lerp(lower, upper, 0.5))
        size = step.abs()
    small = size <= torch.maximum(tolerance, 2 * EPS * root.abs())
    return root, lower, upper, (small & inside) | (lower >= upper)


def proposed(
    x: Tensor, value: Tensor, step: Tensor, lower: Tensor, upper: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The brackets once the values at x are known, where the steps lead, and which of them may be taken."""
    below = value < 0
    lower, upper = torch.where(below, x, lower), torch.where(below, upper, x)
    target = x + step
    moves = (step != 0) | (value == 0)
    return lower, upper, target, (target >= lower) & (target <= upper) & moves


def solve_guarded(
    function: Callable[..., tuple[Tensor, Tensor]],
    parameters: tuple[Tensor, ...],
    lower: Tensor,
    upper: Tensor,
    x: Tensor,
    tolerance: Tensor,
    axis: int = 0,
) -> Tensor:
    """The second part of ``solve_bracketed``; ``parameters`` have the equations on one ``axis``."""
    root, index = x.clone(), torch.arange(len(x), device=x.device)
    last, before_last = (torch.full_like(x, torch.inf) for _ in range(2))
    open_ = torch.ones_like(index, dtype=torch.bool)
    for _ in range(MAX_ITERATIONS):
        value, step = function(x, *parameters)
        lower, upper, target, inside = proposed(x, value, step, lower, upper)
        inside &= step.abs() <= 0.5 * before_last
        target = torch.where(inside, target, torch.lerp(lower, upper, 0.5))
        target = torch.where(open_ & (value != 0), target, x)
        moved = (target - x).abs()
        small = torch.where(inside, tolerance, BISECTION * tolerance)
        open_ &= moved > torch.maximum(small, 2 * EPS * target.abs())
        x, last, before_last = target, moved, last
        remaining = int(open_.sum())
        if 2 * remaining <= len(index):  # compaction costs about as much as an evaluation
            root[index] = x
            if not remaining:
                return root
            keep = torch.nonzero(open_).squeeze(-1)
            state = (index, open_, x, lower, upper, tolerance, last, before_last)
            index, open_, x, lower, upper, tolerance, last, before_last = (v[keep] for v in state)
            parameters = tuple(v.index_select(axis, keep) for v in parameters)
    root[index] = x
    return root

"""The bracketed root finder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_mdn._mixtures.roots import solve_bracketed

# name: the increasing function with its derivative, bracket, root
EQUATIONS = {
    "linear": (lambda x: 2 * x - 1, lambda x: 2 + 0 * x, (-3.0, 5.0), 0.5),
    "cubic, flat at the root": (lambda x: x**3, lambda x: 3 * x**2, (-1.0, 2.0), 0.0),
    "exponential": (lambda x: x.exp() - 1e-5, lambda x: x.exp(), (-1e3, 50.0), np.log(1e-5)),
    "steep": (
        lambda x: torch.tanh(1e12 * (x - 0.7)),
        lambda x: 1e12 / torch.cosh(1e12 * (x - 0.7)) ** 2,
        (-1e6, 1e6),
        0.7,
    ),
    "a jump": (lambda x: torch.where(x < 3.25, -1.0, 1.0), lambda x: 0 * x, (-1e8, 1e8), 3.25),
    "a derivative that lies": (lambda x: x - 1.5, lambda x: 1e-9 + 0 * x, (0.0, 9.0), 1.5),
    "a step that underflows": (lambda x: x - 4.0, lambda x: torch.inf + 0 * x, (-1e6, 1e6), 4.0),
    "no derivative": (lambda x: x - 1e-8, lambda x: x * torch.nan, (-1e6, 1e6), 1e-8),
    "many orders": (lambda x: x - 1e-12, lambda x: 1 + 0 * x, (-1e8, 1e8), 1e-12),
}


def solve(name, start=None, tolerance=1e-16):
    function, derivative, (lower, upper), _ = EQUATIONS[name]
    visited = []

    def equation(x):
        visited.append(x)
        value = function(x)
        return value, -value / derivative(x)

    ends = [torch.tensor([v], dtype=torch.float64) for v in (lower, upper)]
    start = 0.5 * (ends[0] + ends[1]) if start is None else torch.tensor([start], dtype=torch.float64)
    root = solve_bracketed(equation, (), *ends, start, torch.full_like(start, tolerance))
    return root.item(), torch.cat(visited)


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
def test_finds_the_root_from_anywhere_and_stays_in_the_bracket(name, at):
    _, _, (lower, upper), expected = EQUATIONS[name]
    root, visited = solve(name, start=lower + at * (upper - lower))
    # A triple root is known to the cube root of its tolerance only.
    assert root == pytest.approx(expected, rel=1e-14, abs=1e-5 if "flat" in name else 1e-15)
    assert visited.min() >= lower
    assert visited.max() <= upper
    assert len(visited) < 250


def test_newton_is_as_fast_as_newton():
    _, visited = solve("exponential", start=-5.0)
    assert len(visited) < 25  # bisection would take sixty


def test_equations_do_not_influence_each_other():
    target = torch.logspace(-8, 8, 301, dtype=torch.float64)

    def equation(x, target):
        return x**3 - target, -(x**3 - target) / (3 * x**2)

    def roots(target):
        zero = torch.zeros_like(target)
        return solve_bracketed(equation, (target,), zero, zero + 1e4, zero + 1.0, zero + 1e-12)

    together = roots(target)
    torch.testing.assert_close(together, target ** (1 / 3), rtol=1e-12, atol=0)
    alone = torch.cat([roots(one) for one in target.split(1)])
    assert torch.equal(together, alone)
    assert torch.equal(together.flip(0), roots(target.flip(0)))


def test_an_empty_bracket_and_no_equation_at_all():
    def away(x):
        return x - 7.0, 7.0 - x

    one = torch.ones(1, dtype=torch.float64)
    assert solve_bracketed(away, (), one, one, one, one * 1e-9).item() == 1.0
    nothing = one[:0]
    assert len(solve_bracketed(away, (), nothing, nothing, nothing, nothing)) == 0

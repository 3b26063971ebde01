"""Covariance structures against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_mdn._mixtures.scale import (
    CholeskyScale,
    DiagonalScale,
    add_to_diagonal,
    add_to_diagonal_gradient,
    join,
    triangularise,
)

N, K, D = 4, 3, 3


def random_factor(rng, *shape, dim=D):
    factor = np.tril(rng.normal(size=(*shape, dim, dim)))
    diagonal = np.arange(dim)
    factor[..., diagonal, diagonal] = rng.uniform(0.3, 2.0, size=(*shape, dim))
    return torch.from_numpy(factor)


def make(structure, seed=0):
    rng = np.random.default_rng(seed)
    if structure == "full":
        return CholeskyScale(random_factor(rng, N, K))
    if structure == "tied":
        return CholeskyScale(random_factor(rng, N, 1))
    shape = {"diag": (N, K, D), "spherical": (N, K, 1), "tied spherical": (N, 1, 1)}[structure]
    return DiagonalScale(torch.from_numpy(rng.uniform(0.3, 2.0, size=shape)), D)


STRUCTURES = ["full", "tied", "diag", "spherical", "tied spherical"]


@pytest.fixture(params=STRUCTURES)
def scale(request):
    return make(request.param)


def full_covariance(scale):
    return scale.expand_components(K).covariance().numpy()


def test_covariance_is_that_of_coloured_noise(scale):
    basis = torch.eye(D, dtype=torch.float64).expand(N, K, D, D)
    coloured = torch.stack([scale.color(basis[..., j]) for j in range(D)], dim=-1)  # the factor itself
    np.testing.assert_allclose(full_covariance(scale), (coloured @ coloured.mT).numpy(), rtol=1e-13)


def test_whiten_undoes_color(scale):
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=(N, K, D)))
    torch.testing.assert_close(scale.whiten(scale.color(noise)), noise, rtol=1e-12, atol=1e-12)


def test_determinant_deviations_precision_and_factor(scale):
    covariance, wide = full_covariance(scale), scale.expand_components(K)
    np.testing.assert_allclose(2 * wide.log_det().numpy(), np.linalg.slogdet(covariance)[1], rtol=1e-12)
    diagonal = np.diagonal(covariance, axis1=-2, axis2=-1)
    np.testing.assert_allclose(wide.std.square().numpy(), diagonal, rtol=1e-13)
    np.testing.assert_allclose(wide.precision().numpy(), np.linalg.inv(covariance), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(wide.cholesky().numpy(), np.linalg.cholesky(covariance), rtol=1e-12)
    assert wide.n_targets == D


@pytest.mark.parametrize("factors", [[2.0, 0.5, 3.0], [2.0, 2.0, 2.0]])
def test_stretch_multiplies_the_targets(scale, factors):
    stretched = scale.stretch(torch.tensor(factors, dtype=torch.float64))
    expected = np.diag(factors) @ full_covariance(scale) @ np.diag(factors)
    np.testing.assert_allclose(full_covariance(stretched), expected, rtol=1e-13)


@pytest.mark.parametrize("deviations", [[2.0, 0.5, 3.0], [0.0, 1e-9, 1e3]])
def test_blur_adds_variances_of_targets(scale, deviations):
    blurred = scale.blur(torch.tensor(deviations, dtype=torch.float64))
    expected = full_covariance(scale) + np.diag(deviations) ** 2
    np.testing.assert_allclose(full_covariance(blurred), expected, rtol=1e-12, atol=1e-13)


def test_a_spherical_scale_stays_so_only_where_it_is_stretched_equally():
    scale = make("spherical")
    assert scale.stretch(torch.tensor([2.0, 2.0, 2.0])).deviations.shape[-1] == 1
    assert scale.stretch(torch.tensor([2.0, 2.0, 1.0])).deviations.shape[-1] == D


@pytest.mark.parametrize("targets", [[0], [2], [2, 0], [1, 2, 0]])
def test_marginal_takes_rows_and_columns(scale, targets):
    expected = full_covariance(scale)[..., targets, :][..., targets]
    part = scale.marginal(targets)
    np.testing.assert_allclose(full_covariance(part), expected, rtol=1e-12, atol=1e-13)
    assert part.n_targets == len(targets)


@pytest.mark.parametrize(("given", "rest"), [([0], [1, 2]), ([2], [0, 1]), ([2, 0], [1])])
def test_regression_is_the_schur_complement(scale, given, rest):
    covariance = full_covariance(scale)
    residual = np.random.default_rng(2).normal(size=(N, K, len(given)))
    whitened = scale.marginal(given).whiten(torch.from_numpy(residual))
    shift, left = scale.regression(given, rest, whitened)
    known = covariance[..., given, :][..., given]
    cross = covariance[..., rest, :][..., given]
    gain = cross @ np.linalg.inv(known)
    np.testing.assert_allclose(shift.numpy(), (gain @ residual[..., None])[..., 0], rtol=1e-9, atol=1e-12)
    expected = covariance[..., rest, :][..., rest] - gain @ np.swapaxes(cross, -2, -1)
    np.testing.assert_allclose(full_covariance(left), expected, rtol=1e-9, atol=1e-12)


def test_gather_takes_components(scale):
    index = torch.tensor([[0, 2, 1, 1, 0], [2, 2, 2, 2, 2], [0, 0, 1, 2, 1], [1, 0, 1, 0, 1]])
    got = scale.gather(index).covariance().expand(N, 5, D, D).numpy()
    expected = np.take_along_axis(full_covariance(scale), index.numpy()[..., None, None], axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_map_reaches_the_stored_tensor(scale):
    np.testing.assert_allclose(
        full_covariance(scale.map(lambda t: 3 * t)), 9 * full_covariance(scale), rtol=1e-13
    )


@pytest.mark.parametrize("first", STRUCTURES)
@pytest.mark.parametrize("second", STRUCTURES)
@pytest.mark.parametrize("axis", [-1, -2])
def test_join_puts_covariances_side_by_side(first, second, axis):
    scales = [make(first, 0).expand_components(K), make(second, 1).expand_components(K)]
    together = join(scales, axis=axis).covariance().numpy()
    expected = np.concatenate([full_covariance(s) for s in scales], axis=1 if axis == -1 else 0)
    np.testing.assert_allclose(together, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (2, 3), (4, 4)])
def test_triangularise_keeps_the_products_of_the_rows(rows, columns):
    matrix = np.random.default_rng(0).normal(size=(6, rows, columns))
    matrix[0, 0] = 0.0
    matrix[0, 0, 0] = -1.0  # already on the axis, with the wrong sign
    factor = triangularise(torch.from_numpy(matrix)).numpy()
    assert np.array_equal(factor, np.tril(factor))
    assert (np.diagonal(factor, axis1=-2, axis2=-1) > 0).all()
    np.testing.assert_allclose(
        factor @ np.swapaxes(factor, -2, -1), matrix @ np.swapaxes(matrix, -2, -1), rtol=1e-12, atol=1e-13
    )


def test_triangularise_does_not_square_the_condition_number():
    # Two targets that are nearly the same: forming A A^T would lose 1e-9 beside one.
    matrix = torch.tensor([[1.0, 0.0], [1.0, 1e-9]], dtype=torch.float64)
    turned = triangularise(matrix.flip(0))
    assert turned[1, 1].item() == pytest.approx(1e-9, rel=1e-6)


def test_add_to_diagonal_of_nothing_at_all():
    got = add_to_diagonal(torch.zeros(2, D, D, dtype=torch.float64), 4.0)
    assert torch.equal(got, 2 * torch.eye(D, dtype=torch.float64).expand(2, D, D))


@pytest.mark.parametrize("magnitude", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("amount", [1e-12, 1.0, 1e10])
def test_add_to_diagonal(magnitude, amount):
    factor = magnitude * random_factor(np.random.default_rng(0), N, K)
    got = add_to_diagonal(factor, amount)
    expected = (factor @ factor.mT + amount * torch.eye(D, dtype=torch.float64)).numpy()
    largest = expected.max(axis=(-2, -1), keepdims=True)
    np.testing.assert_allclose((got @ got.mT).numpy() / largest, expected / largest, rtol=0, atol=1e-14)
    assert torch.equal(got, got.tril())
    assert (torch.diagonal(got, dim1=-2, dim2=-1) >= amount**0.5 * (1 - 1e-12)).all()


@pytest.mark.parametrize("n_targets", [1, 2, 7])
@pytest.mark.parametrize("amount", [1e-6, 0.5, 100.0])
def test_the_gradient_through_add_to_diagonal(n_targets, amount):
    rng = np.random.default_rng(1)
    factor = torch.from_numpy(rng.normal(size=(3, 2, n_targets, n_targets))).tril()
    torch.diagonal(factor, dim1=-2, dim2=-1).abs_().add_(0.1)
    by_enlarged = torch.from_numpy(rng.normal(size=factor.shape)).tril()
    leaf = factor.clone().requires_grad_()
    enlarged = torch.linalg.cholesky(leaf @ leaf.mT + amount * torch.eye(n_targets, dtype=torch.float64))
    (expected,) = torch.autograd.grad(enlarged, leaf, by_enlarged)
    found = add_to_diagonal_gradient(factor, add_to_diagonal(factor, amount), by_enlarged)
    torch.testing.assert_close(found, expected.tril(), rtol=1e-9, atol=1e-9)

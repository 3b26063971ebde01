"""The stack of networks and its mixture head, against one network at a time in NumPy and SciPy."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, log_softmax
from scipy.stats import multivariate_normal

from sklearn_mdn._networks import head as head_module
from sklearn_mdn._networks import layers
from sklearn_mdn._networks.embedding import (
    CategoryEmbedding,
    PeriodicEmbedding,
    PiecewiseLinearEncoding,
    TableEmbedding,
    add_at,
    category_width,
)
from sklearn_mdn._networks.head import MixtureHead
from sklearn_mdn._networks.layers import ACTIVATIONS
from sklearn_mdn._networks.stack import StackedMLP

COVARIANCE_TYPES = ["diag", "full", "tied", "spherical"]
HEADS = [
    pytest.param(kind, n_components, n_targets, id=f"{kind}-K{n_components}-D{n_targets}")
    for kind in COVARIANCE_TYPES
    for n_components, n_targets in [(1, 1), (3, 1), (1, 2), (3, 2), (2, 5)]
]
NUMPY_ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "silu": lambda x: x * expit(x),
    "gelu": lambda x: 0.5 * x * (1.0 + erf(x / np.sqrt(2.0))),
}
SMALL_EMBEDDING = PeriodicEmbedding(n_frequencies=2, n_outputs=3, frequency_scale=0.7)


def stream(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed), dtype=torch.float64)


def small_network(kind="diag", n_components=3, n_targets=2, activation="tanh", embedding=None):
    head = MixtureHead(n_components, n_targets, kind, reg_covar=1e-3)
    return StackedMLP(embedding or TableEmbedding(2), (4, 3), activation, head)


def periodic_table(n_numbers=2):
    return TableEmbedding(n_numbers, periodic=SMALL_EMBEDDING)


# Numbers with gaps in some columns and without, categories beside them and alone.
EMBEDDINGS = {
    "numbers": TableEmbedding(2),
    "periodic": periodic_table(),
    "gaps": TableEmbedding(3, gaps=(0, 2)),
    "gaps, periodic": TableEmbedding(3, gaps=(1,), periodic=SMALL_EMBEDDING),
    "categories": TableEmbedding(1, n_codes=(3, 40)),
    "only categories": TableEmbedding(0, n_codes=(2, 5, 1)),
    "everything": TableEmbedding(2, gaps=(1,), n_codes=(4, 7), periodic=SMALL_EMBEDDING),
    "bins": TableEmbedding(4, n_codes=(3,), piecewise=PiecewiseLinearEncoding((4, 0, 2, 4))),
    "bins and everything": TableEmbedding(
        3,
        gaps=(0, 2),
        n_codes=(4, 7),
        periodic=SMALL_EMBEDDING,
        piecewise=PiecewiseLinearEncoding((3, 0, 2)),
    ),
}


def table_rows(embedding, *batch, seed=0):
    """Rows (..., n_columns) with gaps where there may be some, and codes that come up several times."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(*batch, embedding.n_numbers))
    for column in embedding.gaps:
        numbers[..., column][random.random(batch) < 0.4] = np.nan
    codes = [random.integers(0, count, size=batch) for count in embedding.n_codes]
    return torch.from_numpy(np.concatenate([numbers, *(code[..., None] for code in codes)], axis=-1))


def log_prob_and_gradient(network, params, x, y, weight, keep=None):
    """What a training step computes: log densities, and the gradient of their weighted sum."""
    weights, gradient, trace = network.split(params), torch.full_like(params, torch.nan), []
    outputs = network.outputs(weights, x, keep, trace)
    log_prob, by_outputs = network.head.log_prob_gradient(outputs, y, weight)
    network.backward(weights, keep, trace, by_outputs, network.split(gradient))
    return log_prob, gradient


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0)


# Slow oracles: one member, one row, one component at a time.


def oracle_covariances(raw, head):
    """Covariances (K, D, D) from the last entries of the head's outputs."""
    n_components, dim = head.n_components, head.n_targets
    blocks = raw.reshape(1 if head.covariance_type == "tied" else n_components, -1)
    covariances = []
    for k in range(n_components):
        block = blocks[0 if head.covariance_type == "tied" else k]
        if head.covariance_type in ("diag", "spherical"):
            factor = np.diag(np.broadcast_to(softplus(block), dim))
        else:
            factor, position = np.zeros((dim, dim)), 0
            for i in range(dim):
                for j in range(i + 1):
                    factor[i, j] = softplus(block[position]) if i == j else block[position]
                    position += 1
        covariances.append(factor @ factor.T + head.reg_covar * np.eye(dim))
    return np.array(covariances)


def oracle_log_density(outputs, y, head):
    n_components, dim = head.n_components, head.n_targets
    log_weights = log_softmax(outputs[:n_components])
    means = outputs[n_components : n_components * (1 + dim)].reshape(n_components, dim)
    covariances = oracle_covariances(outputs[n_components * (1 + dim) :], head)
    terms = [
        log_weights[k] + multivariate_normal(means[k], covariances[k]).logpdf(y) for k in range(n_components)
    ]
    return np.logaddexp.reduce(terms)


def oracle_bins(embedding, weights, numbers):
    """The columns with the fewest bins first, of equally many the first one."""
    if embedding.piecewise is None:
        return []
    counts = np.array(embedding.piecewise.n_bins)
    starts, slopes = weights["embedding_bins"]
    columns = np.repeat(np.argsort(counts, kind="stable"), np.sort(counts))
    return [
        min(max(slope * (numbers[j] - start), 0.0), 1.0)
        for j, start, slope in zip(columns, starts, slopes, strict=True)
    ]


def oracle_embedding(embedding, weights, row):
    """Numbers, their bins, marks of gaps, periodic features, vectors of categories, for one row."""
    numbers, codes = row[: embedding.n_numbers].copy(), row[embedding.n_numbers :].astype(int)
    marks = [float(np.isnan(numbers[column])) for column in embedding.gaps]
    for j in np.flatnonzero(np.isnan(numbers)):
        numbers[j] = weights["gap_values"][j]
    features = [*numbers, *oracle_bins(embedding, weights, numbers), *marks]
    for j, value in enumerate(numbers if embedding.periodic else []):
        angles = 2.0 * np.pi * weights["embedding_frequencies"][j] * value
        waves = np.concatenate([np.sin(angles), np.cos(angles)])
        linear = waves @ weights["embedding_coefs"] + weights["embedding_intercepts"]
        features.extend(np.maximum(linear, 0.0))
    start = 0
    for code, count in zip(codes, embedding.n_codes, strict=True):
        width = category_width(count)
        table = weights["category_coefs"][start : start + count * width].reshape(count, width)
        features.extend(table[code])
        start += count * width
    return np.array(features)


def oracle_outputs(network, weights, x, keep=None):
    hidden = oracle_embedding(network.embedding, weights, np.asarray(x))
    for i in range(len(network.hidden_layer_sizes)):
        linear = hidden @ weights[f"coefs_{i}"] + weights[f"intercepts_{i}"]
        hidden = NUMPY_ACTIVATIONS[network.activation](linear) * (1.0 if keep is None else keep[i])
    last = len(network.hidden_layer_sizes)
    return hidden @ weights[f"coefs_{last}"] + weights[f"intercepts_{last}"]


# The head.


@pytest.mark.parametrize(("kind", "n_components", "n_targets"), HEADS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("reg_covar", [1e-6, 0.5])
def test_reg_covar_is_a_floor(kind, n_components, n_targets, dtype, size, reg_covar):
    head = MixtureHead(n_components, n_targets, kind, reg_covar)
    mixture = head((size * normal(2, 50, sum(head.sizes))).to(dtype))
    # Singular values of the factor: squaring would drown a small eigenvalue in the rounding of a large one.
    singular = torch.linalg.svdvals(mixture.scale.cholesky().double())
    slack = 8 * torch.finfo(dtype).eps * singular.max(-1).values
    assert (singular.min(-1).values >= math.sqrt(reg_covar) * (1 - 1e-6) - slack).all()
    assert (torch.diagonal(mixture.scale.cholesky(), dim1=-2, dim2=-1) > 0).all()


@pytest.mark.parametrize(("kind", "n_components", "n_targets"), HEADS)
def test_the_head_reads_logits_means_and_covariances(kind, n_components, n_targets):
    head = MixtureHead(n_components, n_targets, kind, reg_covar=1e-2)
    outputs = normal(2, 4, sum(head.sizes))
    mixture = head(outputs)
    covariances = mixture.scale.expand_components(n_components).covariance()
    assert torch.equal(mixture.logits, outputs[..., :n_components])
    for s, i in np.ndindex(2, 4):
        row = outputs[s, i].numpy()
        means = row[n_components : n_components * (1 + n_targets)].reshape(n_components, n_targets)
        expected = oracle_covariances(row[n_components * (1 + n_targets) :], head)
        np.testing.assert_array_equal(mixture.means[s, i], means)
        np.testing.assert_allclose(covariances[s, i], expected, rtol=1e-12, atol=1e-14)


# The network.


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("embedding", EMBEDDINGS.values(), ids=EMBEDDINGS.keys())
@pytest.mark.parametrize("dropout", [False, True], ids=["whole", "dropout"])
def test_a_stack_is_one_network_at_a_time(activation, embedding, dropout):
    network = small_network(activation=activation, embedding=embedding)
    params, y = normal(3, network.n_parameters), normal(3, 5, 2, seed=2)
    x, keep = table_rows(embedding, 3, 5), None
    if dropout:
        keep = [
            2.0 * (normal(3, 5, width, seed=i) > 0).double()
            for i, width in enumerate(network.hidden_layer_sizes)
        ]
    found = network(network.split(params), x, keep=keep).log_prob(y)
    for s, i in np.ndindex(3, 5):
        weights = {name: values[s].numpy() for name, values in network.split(params).items()}
        own = None if keep is None else [layer[s, i].numpy() for layer in keep]
        outputs = oracle_outputs(network, weights, x[s, i].numpy(), own)
        expected = oracle_log_density(outputs, y[s, i].numpy(), network.head)
        assert found[s, i].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("hidden", [(), (3,), (4, 2, 3)])
@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_any_depth_has_the_shapes_it_says(hidden, kind):
    network = replace(small_network(kind), hidden_layer_sizes=hidden)
    widths = [2, *hidden, sum(network.head.sizes)]
    assert network.n_layers == len(hidden) + 1
    assert network.n_parameters == sum((a + 1) * b for a, b in pairwise(widths))
    params, x = normal(2, network.n_parameters), normal(2, 1, 2, seed=1)
    weights = {name: values[1].numpy() for name, values in network.split(params).items()}
    expected = oracle_outputs(network, weights, x[1, 0].numpy())
    np.testing.assert_allclose(network.outputs(network.split(params), x)[1, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "n_components", "n_targets"), HEADS)
def test_gradients_agree_with_finite_differences(kind, n_components, n_targets):
    network = small_network(kind, n_components, n_targets, embedding=periodic_table())
    params, weight = normal(2, network.n_parameters), normal(2, 3, seed=3)
    x, y = normal(2, 3, 2, seed=1), normal(2, 3, n_targets, seed=2)
    log_prob, gradient = log_prob_and_gradient(network, params, x, y, weight)
    torch.testing.assert_close(
        log_prob, network(network.split(params), x).log_prob(y), rtol=1e-13, atol=1e-13
    )
    step = 1e-6 * torch.eye(network.n_parameters, dtype=torch.float64)
    for column, move in enumerate(step):
        up, down = (network(network.split(params + sign * move), x).log_prob(y) for sign in (1, -1))
        expected = (weight * (up - down)).sum(1) / 2e-6
        torch.testing.assert_close(gradient[:, column], expected, rtol=1e-5, atol=1e-5)


def enlarged_and_factorised(factor, amount):
    """What ``add_to_diagonal`` gives, in a form that autograd knows the derivative of."""
    below = amount**0.5 * torch.eye(factor.shape[-1], dtype=factor.dtype).expand(factor.shape)
    triangle = torch.linalg.qr(torch.cat([factor.mT, below], dim=-2)).R.mT
    sign = torch.where(torch.diagonal(triangle, dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    return triangle * sign.unsqueeze(-2)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("embedding", EMBEDDINGS.values(), ids=EMBEDDINGS.keys())
@pytest.mark.parametrize("hidden", [(), (3,), (4, 2, 3)])
@pytest.mark.parametrize("dropout", [False, True], ids=["whole", "dropout"])
@pytest.mark.parametrize("kind", ["diag", "tied"])
def test_gradients_are_those_of_autograd(activation, embedding, hidden, dropout, kind, monkeypatch):
    """In networks of any make."""
    network = replace(small_network(kind, 3, 2, activation, embedding), hidden_layer_sizes=hidden)
    params, weight = normal(2, network.n_parameters).requires_grad_(), normal(2, 5, seed=3)
    x, y = table_rows(embedding, 2, 5), normal(2, 5, 2, seed=2)
    keep = [2.0 * (normal(2, 5, width, seed=9) > 0).double() for width in hidden] if dropout else None
    with monkeypatch.context() as patch:
        patch.setattr(head_module, "add_to_diagonal", enlarged_and_factorised)
        expected = network(network.split(params), x, keep=keep).log_prob(y)
    (by_params,) = torch.autograd.grad(expected, params, weight)
    with torch.no_grad():
        log_prob, gradient = log_prob_and_gradient(network, params, x, y, weight, keep)
    torch.testing.assert_close(log_prob, expected.detach(), rtol=1e-13, atol=1e-13)
    # Next to large entries: where the covariance is nearly singular both derivatives lose digits.
    size = max(1.0, by_params.abs().max().item())
    torch.testing.assert_close(gradient, by_params, rtol=1e-9, atol=1e-11 * size)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("distance", [1e3, 1e6])
def test_gradients_are_finite_far_from_every_component(kind, distance):
    network = small_network(kind)
    params, x = normal(1, network.n_parameters), normal(1, 1, 2, seed=1)
    y, weight = torch.full((1, 1, 2), distance, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    log_prob, gradient = log_prob_and_gradient(network, params, x, y, weight)
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("embedding", EMBEDDINGS.values(), ids=EMBEDDINGS.keys())
def test_gradients_of_tables_agree_with_finite_differences(embedding):
    network = small_network("diag", 2, 1, embedding=embedding)
    params, weight = normal(2, network.n_parameters), normal(2, 7, seed=3)
    x, y = table_rows(embedding, 2, 7), normal(2, 7, 1, seed=2)
    _, gradient = log_prob_and_gradient(network, params, x, y, weight)
    step = 1e-6 * torch.eye(network.n_parameters, dtype=torch.float64)
    learned = torch.ones(1, network.n_parameters, dtype=torch.float64)
    network.split(learned).get("embedding_bins", learned[:, :0]).zero_()
    for column, move in enumerate(step):
        up, down = (network(network.split(params + sign * move), x).log_prob(y) for sign in (1, -1))
        expected = learned[0, column] * (weight * (up - down)).sum(1) / 2e-6
        torch.testing.assert_close(gradient[:, column], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("n_codes", "expected"), [(1, 1), (2, 1), (3, 2), (4, 3), (10, 5), (100, 15), (10**5, 16)]
)
def test_categories_have_as_many_numbers_as_is_said(n_codes, expected):
    assert category_width(n_codes) == expected
    assert CategoryEmbedding((n_codes, 3)).n_outputs == expected + 2


@pytest.mark.parametrize("sort", [False, True])
def test_equal_places_are_added(sort):
    places = torch.tensor([[0, 2, 2, 1], [3, 3, 3, 3]])
    values = torch.arange(8.0).view(2, 4)
    out = torch.full((2, 4), 9.0)
    add_at(out, places, values, sort=sort)
    assert out.tolist() == [[0.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 22.0]]


def test_layers_are_views_of_the_parameter_matrix():
    network = small_network(embedding=periodic_table())
    params = normal(3, network.n_parameters)
    weights = network.split(params)
    assert {name: tuple(values.shape) for name, values in weights.items()} == {
        name: (3, *shape) for name, shape in network.shapes.items()
    }
    storage = params.untyped_storage().data_ptr()
    assert all(values.untyped_storage().data_ptr() == storage for values in weights.values())
    assert torch.equal(network.join(weights), params)


def test_weights_decay_and_biases_do_not():
    network = small_network(embedding=periodic_table())
    marks = network.split((torch.arange(network.n_parameters) < network.n_decayed).double().unsqueeze(0))
    assert {name: values.unique().tolist() for name, values in marks.items()} == {
        name: [1.0] if "coefs" in name else [0.0] for name in network.shapes
    }


# The first weights.


def test_first_weights_depend_on_their_generator_alone():
    network = small_network(embedding=periodic_table())
    centers = normal(3, 2)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = network.initial(stream(5), centers, 0.5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(network.initial(stream(5), centers, 0.5), first)
    assert not torch.equal(network.initial(stream(6), centers, 0.5), first)
    assert first.dtype == torch.float64


@pytest.mark.parametrize(("kind", "n_components", "n_targets"), HEADS)
def test_components_start_at_their_centres(kind, n_components, n_targets):
    network = small_network(kind, n_components, n_targets)
    centers = normal(n_components, n_targets, seed=3)
    params = network.initial(stream(0), centers, spread=0.5).unsqueeze(0)
    weights = network.split(params)
    weights["coefs_2"] = torch.zeros_like(weights["coefs_2"])
    mixture = network(weights, normal(1, 4, 2))
    for i in range(4):
        np.testing.assert_allclose(mixture.means[0, i], centers, rtol=1e-14)
        np.testing.assert_allclose(mixture.weights[0, i], 1.0 / n_components)
        covariance = mixture.scale.expand_components(n_components).covariance()[0, i]
        expected = (0.25 + 1e-3) * torch.eye(n_targets).expand(n_components, -1, -1)
        np.testing.assert_allclose(covariance, expected, rtol=1e-6, atol=1e-12)


def test_first_weights_have_the_variance_of_lecun():
    network = StackedMLP(TableEmbedding(40), (50, 60), "tanh", MixtureHead(20, 3, "diag", 1e-6))
    weights = network.split(network.initial(stream(0), torch.zeros(20, 3), 0.5).unsqueeze(0))
    for name, fan_in, factor in [("coefs_0", 40, 1.0), ("coefs_1", 50, 1.0), ("coefs_2", 60, 0.1)]:
        assert weights[name].std().item() * math.sqrt(fan_in) == pytest.approx(factor, rel=0.05)
        assert abs(weights[name].mean().item()) < 0.1 * factor / math.sqrt(fan_in)
    assert not weights["intercepts_0"].any()


def test_first_frequencies_have_their_scale():
    embedding = PeriodicEmbedding(n_frequencies=50, n_outputs=60, frequency_scale=0.7)
    network = StackedMLP(
        TableEmbedding(40, periodic=embedding), (5,), "tanh", MixtureHead(2, 1, "diag", 1e-6)
    )
    weights = network.split(network.initial(stream(0), torch.zeros(2, 1), 0.5).unsqueeze(0))
    assert weights["embedding_frequencies"].std().item() == pytest.approx(0.7, rel=0.05)
    assert weights["embedding_coefs"].std().item() == pytest.approx(1 / math.sqrt(2 * 50), rel=0.05)


# Bits.


@pytest.mark.parametrize("name", [*sorted(ACTIVATIONS), "softplus"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_an_entry_gives_does_not_hang_on_its_place(name, dtype):
    """Nor on how many others there are: it is the same in any stack and with any number of threads."""
    entries = (6.0 * normal(1000, seed=4)).to(dtype)

    def answers(x):
        if name == "softplus":
            return layers.softplus(x), layers.softplus_derivative(layers.softplus(x))
        return ACTIVATIONS[name].value(x), *ACTIVATIONS[name].with_derivative(x)

    expected = answers(entries)
    assert torch.equal(expected[0], expected[1]) or name == "softplus"
    for size in (1, 3, 17, 64, 999):
        parts = [answers(part.clone()) for part in torch.split(entries, size)]
        for found, whole in zip(zip(*parts, strict=True), expected, strict=True):
            assert torch.equal(torch.cat(found), whole)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_and_their_derivatives_at_the_ends(name):
    x = torch.tensor([-1e30, -800.0, -90.0, 0.0, 90.0, 800.0, 1e30])
    value, derivative = ACTIVATIONS[name].with_derivative(x)
    np.testing.assert_allclose(
        value.numpy(), NUMPY_ACTIVATIONS[name](x.double().numpy()), rtol=1e-6, atol=1e-30
    )
    assert torch.isfinite(derivative).all()


def test_softplus_and_its_derivative():
    x = torch.tensor([-700.0, -100.0, -30.0, -1.0, 0.0, 5.0, 39.9, 40.1, 800.0], dtype=torch.float64)
    np.testing.assert_allclose(layers.softplus(x), np.logaddexp(0.0, x.numpy()), rtol=1e-14)
    np.testing.assert_allclose(layers.softplus_derivative(layers.softplus(x)), expit(x.numpy()), rtol=1e-14)

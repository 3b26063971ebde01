"""The make of a network: from plain values, which are what an estimator stores, and the bins of its rows."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_mdn._estimators.rows import TrainingSet
from sklearn_mdn._networks.embedding import PeriodicEmbedding, PiecewiseLinearEncoding, TableEmbedding
from sklearn_mdn._networks.head import MixtureHead
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._tables.bins import bins_of_columns

# Values of ``numerical_embedding`` by which numbers enter beside waves, and beside bins.
PERIODIC, BINNED = ("periodic", "both"), ("piecewise_linear", "both")


def fitted_bins(data: TrainingSet, n_bins: int) -> tuple[PiecewiseLinearEncoding | None, Tensor | None]:
    """Bins of the columns of numbers, and their parameters; None where no column has any."""
    table = data.rows.head(data.n_train)
    numbers = table.x[:, : data.encoding.n_numbers]
    starts, slopes = bins_of_columns(numbers, table.weight, n_bins) if n_bins else ([], [])
    encoding = PiecewiseLinearEncoding(tuple(len(own) for own in starts))
    if not encoding.n_outputs:
        return None, None
    tensors = [[torch.from_numpy(own) for own in part] for part in (starts, slopes)]
    return encoding, encoding.parameters(*tensors)


def network_from(
    n_numbers: int,
    gaps: list[int],
    n_codes: list[int],
    n_outputs: int,
    n_components: int,
    covariance_type: str,
    hidden_layer_sizes: list[int],
    activation: str,
    numerical_embedding: str | None,
    reg_covar: float,
    n_bins: list[int] | None = None,
) -> StackedMLP:
    """The network of what an estimator stores of its make."""
    periodic = PeriodicEmbedding() if numerical_embedding in PERIODIC and n_numbers else None
    piecewise = PiecewiseLinearEncoding(tuple(n_bins)) if n_bins and any(n_bins) else None
    return StackedMLP(
        embedding=TableEmbedding(n_numbers, tuple(gaps), tuple(n_codes), periodic, piecewise),
        hidden_layer_sizes=tuple(hidden_layer_sizes),
        activation=activation,
        head=MixtureHead(n_components, n_outputs, covariance_type, reg_covar),
    )

"""The network that parameters of the estimator describe, and what is kept of those before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_mdn._estimators.group import ProcessGroup
from sklearn_mdn._estimators.rows import TrainingSet
from sklearn_mdn._networks.embedding import PeriodicEmbedding, PiecewiseLinearEncoding, TableEmbedding
from sklearn_mdn._networks.head import MixtureHead
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._tables.bins import bins_of_columns

# Bins of a column of many values, for the piecewise linear encoding, which these embeddings have.
N_BINS = 16
BINNED = ("piecewise_linear", "both")


def bins_for(
    data: TrainingSet,
    numerical_embedding: str | None,
    fitted: Mapping[str, Any] | None,
    group: ProcessGroup | None,
) -> tuple[PiecewiseLinearEncoding | None, Tensor | None]:
    """Bins of the columns of numbers, where they are asked for: those of the first fit."""
    if fitted is not None:
        stored = fitted.get("embedding_bins_")
        if stored is None:
            return None, None
        bins = torch.from_numpy(np.array(stored[0], dtype=np.float64))
        return PiecewiseLinearEncoding(tuple(fitted["_architecture"]["n_bins"])), bins
    if numerical_embedding not in BINNED:
        return None, None
    table = data.rows.head(data.n_train)
    everything = (lambda values: values) if group is None else group.column
    weight, n_numbers = everything(table.weight), data.encoding.n_numbers
    columns = (everything(table.x[:, i : i + 1]) for i in range(n_numbers))
    found = [bins_of_columns(column, weight, N_BINS) for column in columns]
    starts, slopes = ([column for own in found for column in own[part]] for part in (0, 1))
    encoding = PiecewiseLinearEncoding(tuple(len(own) for own in starts))
    if not encoding.n_outputs:
        return None, None
    tensors = [[torch.from_numpy(own) for own in part] for part in (starts, slopes)]
    return encoding, encoding.parameters(*tensors)


def bins_beside_names(numerical_embedding: str | None, group: object, distributed: bool) -> int:
    """Bins of columns that may have names as well, 0 where none may.

    Names say nothing of groups that are new, and each of several processes would number them for itself.
    """
    return N_BINS if numerical_embedding in BINNED and group is None and not distributed else 0


def append_history(attributes: dict[str, Any], earlier: Mapping[str, Any]) -> None:
    """Put the curves of the fit that ``warm_start`` went on from before the new ones."""
    n_earlier = len(earlier["n_iter_"])
    for name in ("loss_curve_", "validation_scores_"):
        past = earlier[name]
        attributes[name][:n_earlier] = [
            np.concatenate(pair) for pair in zip(past, attributes[name][:n_earlier], strict=True)
        ]
    for name in ("n_iter_", "n_skipped_steps_"):
        attributes[name][:n_earlier] += earlier[name]


def network_of(
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
    """The network of these parameters of the estimator."""
    periodic = PeriodicEmbedding() if numerical_embedding in ("periodic", "both") and n_numbers else None
    piecewise = PiecewiseLinearEncoding(tuple(n_bins)) if n_bins and any(n_bins) else None
    return StackedMLP(
        embedding=TableEmbedding(n_numbers, tuple(gaps), tuple(n_codes), periodic, piecewise),
        hidden_layer_sizes=tuple(hidden_layer_sizes),
        activation=activation,
        head=MixtureHead(n_components, n_outputs, covariance_type, reg_covar),
    )

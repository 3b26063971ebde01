"""From fitted weights to predicted mixtures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_mdn._estimators.likelihood import widen
from sklearn_mdn._estimators.rows import Standardization
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.stack import StackedMLP

# float64 numbers of the widest layer that prediction holds at once.
PREDICTION_BLOCK = 1 << 23


@torch.no_grad()
def predict_mixture(
    network: StackedMLP,
    weights: dict[str, NDArray[np.float64]],
    calibration: NDArray[np.float64],
    standardization: Standardization,
    x: NDArray[np.float64],
    device: torch.device,
) -> Mixture:
    """The members' pooled mixture at rows x, in original units: float64, on the CPU, batch axis (n,)."""
    tensors = {
        name: torch.from_numpy(np.array(values, dtype=np.float64)).to(device)
        for name, values in weights.items()
    }
    n_members = len(next(iter(tensors.values())))
    with np.errstate(over="ignore"):  # what comes of it is refused below
        inputs = torch.from_numpy(standardization.x(x)).to(device)
    width = max(network.activations) * (1 + network.embedding.n_columns)
    block = max(1, PREDICTION_BLOCK // (n_members * width))
    outputs = torch.cat(
        [
            network.outputs(tensors, part.expand(n_members, -1, -1)).cpu()
            for part in torch.split(inputs, block)
        ],
        dim=1,
    )
    finite = torch.isfinite(outputs).all(dim=-1).all(dim=0)
    if not finite.all():
        row = int((~finite).nonzero()[0])
        raise ValueError(
            "X must not lie so far from the rows of fit that float64 cannot hold what a network makes of it, "
            f"got a value as large as {np.nanmax(np.abs(x[row])):.3g} in row {row}."
        )
    offset = torch.from_numpy(np.array(standardization.y_offset))
    scale = torch.from_numpy(np.array(standardization.y_scale))
    mixture = widen(network.head(outputs), torch.from_numpy(np.array(calibration)).unsqueeze(1))
    return mixture.merge_members().affine(offset, scale)

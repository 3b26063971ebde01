"""From fitted weights to predicted mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mdn._estimators.likelihood import widen
from sklearn_mdn._estimators.marginal import Marginal
from sklearn_mdn._estimators.rows import Standardization
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._torch.memory import naming_memory
from sklearn_mdn._torch.threads import threads_for_numbers

# float64 numbers of the widest layer that prediction holds at once: about what stays in the cache. A few rows
# go through the layers together whatever their width, or reading weights would take most of the time, but not
# more of them than a limit on memory allows.
PREDICTION_BLOCK = 1 << 17
FEW_LAYER_ROWS = 64
MOST_NUMBERS = 1 << 23

# Outputs that are made into mixtures at once where the mixtures themselves are not asked for.
OUTPUT_BLOCK = 1 << 18


class TooFarError(ValueError):
    """A row of X, and its largest value, of which a network makes no number."""

    def __init__(self, row: int, value: float) -> None:
        super().__init__(row, value)
        self.row, self.value = row, value

    def __str__(self) -> str:
        return (
            "X must not lie so far from the rows of fit that float64 cannot hold what a network makes of it, "
            f"got a value as large as {self.value:.3g} in row {self.row}."
        )


@final
@dataclass(frozen=True)
class FittedNetworks:
    """The networks of a fit, as numbers that predict: parameters (E, ...) by name, and calibrations (E,)."""

    network: StackedMLP
    weights: dict[str, NDArray[np.float64]]
    calibration: NDArray[np.float64]
    standardization: Standardization
    marginal: Marginal
    device: torch.device

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return {
            name: readable(np.asarray(values, dtype=np.float64)).to(self.device)
            for name, values in self.weights.items()
        }

    @property
    def n_members(self) -> int:
        return len(self.calibration)

    @property
    def _layer_block(self) -> int:
        """Rows that go through the layers at once."""
        embedding = self.network.embedding
        periodic = 0 if embedding.periodic is None else 2 * embedding.periodic.n_frequencies
        features = embedding.n_features, embedding.n_numbers * periodic
        outputs = sum(self.network.head.sizes)
        width = self.n_members * max(*self.network.hidden_layer_sizes, *features, outputs)
        rows = max(FEW_LAYER_ROWS, PREDICTION_BLOCK // width)
        return max(1, min(rows, MOST_NUMBERS // width))

    @property
    def rows_at_once(self) -> int:
        """Rows whose mixtures are to be held at once: the layers see the same blocks as if it were all."""
        rows = OUTPUT_BLOCK // (self.n_members * sum(self.network.head.sizes))
        return self._layer_block * max(1, rows // self._layer_block)

    @torch.no_grad()
    def mixture(self, x: NDArray[np.float64]) -> Mixture:
        """The members' pooled mixture at rows x, in original units: float64, on the CPU, batch axis (n,)."""
        numbers = len(x) * self.n_members * sum(self.network.activations)
        way_out = "Fewer rows at a time need less of it."
        with naming_memory(f"predicting {len(x)} mixtures", way_out), threads_for_numbers(numbers):
            with np.errstate(over="ignore"):
                reached, near = self.marginal.within_reach(self.standardization.x(x))
            outputs = self._outputs(reached, x)
            offset = torch.from_numpy(np.array(self.standardization.y_offset))
            scale = torch.from_numpy(np.array(self.standardization.y_scale))
            calibration = torch.from_numpy(np.array(self.calibration)).unsqueeze(1)
            mixture = widen(self.marginal.applied(self.network.head(outputs), near), calibration)
            return mixture.merge_members().affine(offset, scale)

    def _outputs(self, standardised: NDArray[np.float64], x: NDArray[np.float64]) -> Tensor:
        inputs = torch.from_numpy(standardised).to(self.device)
        outputs = torch.cat(
            [
                self.network.outputs(self._tensors, part.expand(self.n_members, -1, -1)).cpu()
                for part in torch.split(inputs, self._layer_block)
            ],
            dim=1,
        )
        finite = outputs.isfinite().all(-1).all(0)
        if not finite.all():
            row = int((~finite).nonzero()[0])
            raise TooFarError(row, float(np.nanmax(np.abs(x[row]))))
        return outputs


def readable(values: NDArray[np.float64]) -> Tensor:
    """The numbers as a tensor, copied only where torch would warn: arrays that must not be written to."""
    return torch.from_numpy(values if values.flags.writeable else values.copy())

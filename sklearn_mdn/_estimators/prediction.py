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
from sklearn_mdn._estimators.rows import Standardization
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._torch.threads import threads_for_numbers

# float64 numbers of the widest layer that prediction holds at once.
PREDICTION_BLOCK = 1 << 23

# Outputs that are made into mixtures at once where the mixtures themselves are not asked for.
OUTPUT_BLOCK = 1 << 21


@final
@dataclass(frozen=True)
class FittedNetworks:
    """The networks of a fit, as numbers that predict: parameters (E, ...) by name, and calibrations (E,)."""

    network: StackedMLP
    weights: dict[str, NDArray[np.float64]]
    calibration: NDArray[np.float64]
    standardization: Standardization
    device: torch.device

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return {
            name: torch.from_numpy(np.array(values, dtype=np.float64)).to(self.device)
            for name, values in self.weights.items()
        }

    @property
    def n_members(self) -> int:
        return len(self.calibration)

    @property
    def _layer_block(self) -> int:
        """Rows that go through the layers at once."""
        width = max(self.network.activations) * (1 + self.network.embedding.n_columns)
        return max(1, PREDICTION_BLOCK // (self.n_members * width))

    @property
    def rows_at_once(self) -> int:
        """Rows whose mixtures are to be held at once: the layers see the same blocks as if it were all."""
        rows = OUTPUT_BLOCK // (self.n_members * sum(self.network.head.sizes))
        return self._layer_block * max(1, rows // self._layer_block)

    @torch.no_grad()
    def mixture(self, x: NDArray[np.float64]) -> Mixture:
        """The members' pooled mixture at rows x, in original units: float64, on the CPU, batch axis (n,)."""
        with threads_for_numbers(len(x) * self.n_members * sum(self.network.activations)):
            outputs = self._outputs(x)
            offset = torch.from_numpy(np.array(self.standardization.y_offset))
            scale = torch.from_numpy(np.array(self.standardization.y_scale))
            calibration = torch.from_numpy(np.array(self.calibration)).unsqueeze(1)
            mixture = widen(self.network.head(outputs), calibration)
            return mixture.merge_members().affine(offset, scale)

    def _outputs(self, x: NDArray[np.float64]) -> Tensor:
        with np.errstate(over="ignore"):  # what comes of it is refused below
            inputs = torch.from_numpy(self.standardization.x(x)).to(self.device)
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
            raise ValueError(
                "X must not lie so far from the rows of fit that float64 cannot hold what a network makes of "
                f"it, got a value as large as {np.nanmax(np.abs(x[row])):.3g}."
            )
        return outputs

"""A function of tensors recorded once on its device and replayed, where a device can do that.

A step of a small network is some ninety operations, and each costs its launch. A CUDA graph launches what it
has recorded at once, with the addresses that everything had then.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

Outputs = tuple[Tensor, ...]
Recorder = Callable[[Callable[[], Outputs], torch.device], tuple[Callable[[], object], Outputs]]

# Calls before one is recorded. Libraries set themselves up in their first calls, which cannot be recorded.
WARM_UP = 3


def record_cuda(
    work: Callable[[], Outputs], device: torch.device
) -> tuple[Callable[[], object], Outputs]:  # pragma: no cover - needs a card
    """What does the work again, and where it leaves its results. Recording does not do the work."""
    graph = torch.cuda.CUDAGraph()
    # Other threads, of joblib say, may go on with what this one must not do meanwhile.
    with torch.cuda.device(device), torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = work()
    return graph.replay, outputs


RECORDERS: dict[str, Recorder] = {"cuda": record_cuda}


def replayed(function: Callable[..., Outputs], device: torch.device) -> Callable[..., Outputs]:
    """The function as it is, or recorded where devices of this type can do that.

    The function may read and change other tensors than its arguments, which have to stay where they are in
    memory, and must do the same whatever the numbers: it may not look at them. Gradients are not recorded.
    """
    record = RECORDERS.get(device.type)
    return function if record is None else Replayed(function, device, record)


@final
class Replayed:
    """A function that is recorded after its first calls, and anew for arguments of other shapes."""

    def __init__(self, function: Callable[..., Outputs], device: torch.device, record: Recorder) -> None:
        self._function, self._device, self._record = function, device, record
        self._shapes: list[torch.Size] = []
        self._replay: Callable[[], object] | None = None
        self._refused = False

    def __call__(self, *inputs: Tensor) -> Outputs:
        shapes = [x.shape for x in inputs]
        if shapes != self._shapes:
            self._shapes, self._n_calls, self._replay = shapes, 0, None
        if self._refused or self._n_calls < WARM_UP:
            self._n_calls += 1
            return self._function(*inputs)
        if self._replay is None:
            self._inputs = [x.clone() for x in inputs]
            self._start_recording()
            if self._refused:
                return self._function(*inputs)
        return self._again(inputs)

    def _start_recording(self) -> None:
        try:
            self._replay, self._outputs = self._record(lambda: self._function(*self._inputs), self._device)
        except RuntimeError as error:
            self._refused = True
            warnings.warn(
                f"{self._device} did not record a step and goes on without, more slowly: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _again(self, inputs: Sequence[Tensor]) -> Outputs:
        assert self._replay is not None
        for place, value in zip(self._inputs, inputs, strict=True):
            place.copy_(value)
        self._replay()
        return tuple(output.clone() for output in self._outputs)  # the next replay overwrites them

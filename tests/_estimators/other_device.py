"""A device beside the CPU, on any machine: PyTorch's spare one, named "elsewhere", made of CPU tensors.

It is as strict as CUDA: an operation on tensors of two devices is refused, unless those on the CPU are single
numbers or indices into a tensor on the device, and NumPy cannot see what is there. What it cannot show is
speed, and how a GPU rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "elsewhere"
ATEN = torch.ops.aten
TRANSFERS = {ATEN._to_copy.default, ATEN.copy_.default, ATEN._local_scalar_dense.default}
INDEXING = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default, ATEN._index_put_impl_.default}

_setup_privateuseone_for_python_backend(NAME)


class Elsewhere(Tensor):
    """A tensor on the device; ``held`` has its numbers."""

    n_fetched = 0  # transfers to the CPU, each of which waits for the device

    @staticmethod
    def __new__(cls, held):
        return Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )

    def __init__(self, held):
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return compute(operation, args, kwargs or {})


def compute(operation, args, kwargs):
    """Do on the CPU what an operation does on the device, if a device would do it."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    is_there, device = any(isinstance(tensor, Elsewhere) for tensor in tensors), kwargs.get("device")
    if operation in TRANSFERS:
        goes_there = isinstance(args[0], Elsewhere) if device is None else device.type == NAME
        goes_there = goes_there and operation is not ATEN._local_scalar_dense.default
        Elsewhere.n_fetched += is_there and not goes_there
    else:
        strays = any(tensor.dim() > 0 and not isinstance(tensor, Elsewhere) for tensor in tensors)
        if is_there and strays and not (operation in INDEXING and isinstance(args[0], Elsewhere)):
            raise RuntimeError(f"{operation}: tensors on two devices")
        goes_there = is_there if device is None else device.type == NAME
    plain_args, plain_kwargs = tree_map_only(Elsewhere, lambda tensor: tensor.held, (args, kwargs))
    if device is not None:
        plain_kwargs = plain_kwargs | {"device": torch.device("cpu")}
    result = operation(*plain_args, **plain_kwargs)
    if not goes_there:
        return result
    return return_and_correct_aliasing(operation, args, kwargs, tree_map_only(Tensor, Elsewhere, result))


@contextmanager
def other_device() -> Iterator[str]:
    """The device's name, which PyTorch knows for as long as this lasts."""
    operations = torch.library.Library("_", "IMPL")
    operations.fallback(lambda operation, *args, **kwargs: compute(operation, args, kwargs), "PrivateUse1")
    # torch.tensor(values, device=...) then moves there as any tensor does, instead of out of sight.
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        yield NAME
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
        operations._destroy()

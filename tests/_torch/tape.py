"""A recorder for any device, with the discipline of CUDA's graphs.

It notes each operation that a work does, with the tensors it is given and those it makes. To replay is to do
them again with the same tensors, into the same memory: a number that Python looked at stays what it was.
"""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls, self.before = [], {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in written(operation, args, kwargs):
            self.before.setdefault(id(tensor), (tensor, tensor.clone()))
        result = operation(*args, **kwargs)
        self.calls.append((operation, args, kwargs, result))
        return result

    def rewind(self):
        """Undo what recording has done: a device records without doing."""
        for tensor, value in reversed(self.before.values()):
            tensor.copy_(value)

    def replay(self):
        for operation, args, kwargs, result in self.calls:
            again = operation(*args, **kwargs)
            for old, new in zip(tensors_of(result), tensors_of(again), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def written(operation, args, kwargs):
    """The tensors among the arguments that the operation writes to."""
    given = {
        spec.name: value for spec, value in zip(operation._schema.arguments, args, strict=False)
    } | kwargs
    aliases = {spec.name: spec.alias_info for spec in operation._schema.arguments}
    return tensors_of([value for name, value in given.items() if aliases[name] and aliases[name].is_write])


def tensors_of(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def recorder(tapes):
    """What ``RECORDERS`` holds; each tape is appended to ``tapes``."""

    def record(work, device):
        tape = Tape()
        with tape:
            outputs = work()
        tape.rewind()
        tapes.append(tape)
        return tape.replay, outputs

    return record

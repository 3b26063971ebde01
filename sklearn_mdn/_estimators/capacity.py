"""What a device, its memory and floating-point numbers cannot do, said in words of the parameters."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import numpy as np
import torch

from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._tables.encoding import Encoding
from sklearn_mdn._torch.memory import naming_memory
from sklearn_mdn._training.loop import History, MemberSettings

# Which a stack keeps for each parameter: itself, its average and its best value, two moments, temporaries.
NUMBERS_A_PARAMETER = 8


def auto_batch_size(n_rows: int) -> int:
    """Rows a step for ``batch_size="auto"``: the power of two nearest below n / 8, within 32 and 256."""
    return int(min(256, max(32, 2 ** math.floor(math.log2(max(n_rows / 8, 1))))))


def auto_max_iter(n_rows: int) -> int:
    """Epochs for ``max_iter="auto"``: 600, fewer of many rows, where an epoch takes many steps."""
    return min(600, max(50, 10**7 // n_rows))


def check_device(device: str) -> torch.device:
    """The torch device of that name, if tensors can be put there."""
    try:
        tensor = torch.empty(0, device=device)
        tensor.cpu()
        return tensor.device
    except (RuntimeError, AssertionError, ImportError) as error:
        kind, reason = device.partition(":")[0], ""
        if kind == "cuda" and torch.version.cuda is None:
            reason = f" PyTorch {torch.__version__} is built without CUDA: install a build with it."
        elif kind == "cuda" and not torch.cuda.is_available():
            reason = " PyTorch finds no GPU and driver for its CUDA."
        elif kind == "cuda":
            reason = f" PyTorch finds {torch.cuda.device_count()} GPU(s), numbered from 0."
        elif kind == "mps" and not torch.backends.mps.is_available():
            reason = " PyTorch finds no Metal (MPS) here."
        raise ValueError(
            f"device must name a device that this PyTorch can use, such as 'cpu' or 'cuda', got {device!r}."
            + reason
        ) from error


def check_memory(network: StackedMLP, n_members: int, encoding: Encoding, names: tuple[str, ...]) -> None:
    """Refuse networks that memory has no room for."""
    try:
        np.empty((NUMBERS_A_PARAMETER, int(n_members), network.n_parameters))
        return
    except (MemoryError, ValueError):
        pass
    size = f"{n_members} networks with {network.n_parameters} parameters each"
    most = max(encoding.n_codes, default=0)
    if most > max(network.hidden_layer_sizes, default=0):
        column = int(np.argmax(encoding.n_codes))
        numbers, labels = (np.flatnonzero(encoding.is_categorical == kind) for kind in (False, True))
        name = names[[*labels, *numbers[list(encoding.names.places)]][column]]
        n_categories = [len(known) for known in (*encoding.categories, *encoding.names.values)][column]
        raise ValueError(
            f"X must have fewer categories: memory has no room for {size}. Column {name!r} alone has "
            f"{n_categories} categories."
        )
    raise ValueError(
        f"hidden_layer_sizes, n_components and n_estimators must be smaller: memory has no room for {size}, "
        f"got hidden_layer_sizes={network.hidden_layer_sizes}, n_components={network.head.n_components} and "
        f"n_estimators={n_members}."
    )


def naming_training_memory(n_parameters: int, n_networks: int) -> AbstractContextManager[None]:
    """Say of memory that ran out in training what took it."""
    return naming_memory(
        f"training {n_networks} network(s) of {n_parameters} parameters",
        "Smaller hidden_layer_sizes, batch_size, n_components or n_estimators (in an MDNSearchCV also "
        "max_stack_bytes and n_jobs) need less of it.",
    )


def untrainable(
    number: int, history: History, settings: MemberSettings, reg_covar: float
) -> FloatingPointError:
    """What to raise for a network that had no finite step in an epoch, and what is likely to have made it."""
    # Decoupled decay multiplies a weight by 1 - rate * alpha, which grows without end below -1.
    if settings.alpha > 1.0 and settings.learning_rate * settings.alpha > 2.0:
        likely = (
            f"alpha={settings.alpha:g} times learning_rate_init={settings.learning_rate:g} is above 2, so "
            "that the decay makes weights larger in each step: a smaller alpha helps."
        )
    elif settings.learning_rate >= 1.0:
        likely = f"learning_rate_init={settings.learning_rate:g} is likely to be too large: 0.01 is usual."
    elif reg_covar > 1e6:
        likely = f"reg_covar={reg_covar:g} is likely to be too large: it is added to variances of about 1."
    else:
        likely = (
            "A smaller learning_rate_init or clip_grad_norm, a larger reg_covar, or dtype='float64' may help."
        )
    epoch = f"epoch {len(history.loss) + 1} of {settings.max_iter}"
    return FloatingPointError(f"Network {number} cannot be trained: {history.failure}, {epoch}. {likely}")

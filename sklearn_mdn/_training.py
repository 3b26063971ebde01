"""The training loop of a stack: one state, one step for all members, each with settings of its own.

It knows an objective, rows and members; it knows neither mixtures nor scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, final

import torch
from torch import Tensor

from sklearn_mdn._data import Batch, Member, Rows, dropout_factors, epoch_batches, validation_rows
from sklearn_mdn._threads import threads_for

# Adam's published constants (Kingma and Ba 2015).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

# Decay of the running average of the weights, which is what is validated and kept: it has most of what a
# smaller learning rate would bring (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).
AVERAGING = 0.99

# Rows of all members together that validation evaluates at once, and numbers that it may make of them.
VALIDATION_BLOCK, VALIDATION_NUMBERS = 1 << 14, 1 << 23


class Objective(Protocol):
    """What is maximised: the log-likelihood of each row under each member's network, (S, B).

    Held-out rows are scored under several calibrations of the same network, (C, S, B), and the best one
    of each member counts.
    """

    @property
    def hidden_widths(self) -> tuple[int, ...]: ...

    @property
    def n_decayed(self) -> int: ...

    def select(self, index: Tensor) -> Objective: ...

    def __call__(self, params: Tensor, x: Tensor, y: Tensor, keep: Sequence[Tensor] | None) -> Tensor: ...

    @property
    def calibrations(self) -> Sequence[float]: ...

    @property
    def numbers_a_row(self) -> int:
        """Of the largest tensor that ``calibrated`` makes."""

    def calibrated(self, params: Tensor, x: Tensor, y: Tensor) -> Tensor: ...


def rows_at_once(objective: Objective) -> int:
    """Rows of all members together that can be scored under all calibrations at once."""
    return max(1, min(VALIDATION_BLOCK, VALIDATION_NUMBERS // objective.numbers_a_row))


@final
@dataclass(frozen=True)
class MemberSettings:
    """How one member is trained."""

    max_iter: int
    learning_rate: float
    alpha: float
    dropout: float
    clip_grad_value: float = math.inf
    clip_grad_norm: float = math.inf
    tol: float = 0.0
    n_iter_no_change: float = math.inf
    warm_up: float = 0.05

    def rates(self, steps: Tensor, n_steps: int) -> Tensor:
        """Learning rates of steps: linear warm-up, then half a cosine to 0 (Loshchilov and Hutter 2017)."""
        warm = max(1, math.ceil(self.warm_up * n_steps))
        fall = 0.5 * (1.0 + torch.cos(math.pi * (steps - warm + 1).double() / (n_steps - warm + 1)))
        return self.learning_rate * torch.where(steps < warm, (steps + 1).double() / warm, fall)


@final
@dataclass
class History:
    """What is known of one member's training."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_score: float = -math.inf
    calibration: float = 1.0
    stale: int = 0
    n_skipped: int = 0
    stopped: bool = False
    failure: str | None = None


@final
class TrainingState:
    """Everything that changes: a row of each matrix is a member still in training."""

    def __init__(self, params: Tensor, objective: Objective, rows: Rows, members: list[Member]) -> None:
        self.histories = [History() for _ in members]
        self.result = params.detach().clone()
        self.active = torch.arange(len(members), device="cpu")
        self.params = params.detach().clone().requires_grad_()
        self.average = self.params.detach().clone()
        self.best = self.average.clone()
        self.first = torch.zeros_like(self.best)
        self.second = torch.zeros_like(self.best)
        self.powers = torch.ones(len(members), 2, dtype=torch.float64, device=params.device)
        self.n_updates = torch.zeros(len(members), 1, dtype=params.dtype, device=params.device)
        self.objective = objective
        self.members = members
        self.held_out = validation_rows(members, rows)

    def snapshot(self) -> Tensor:
        """Each member's best parameters so far, (S, P)."""
        self.result[self.active] = self.best
        return self.result

    def keep(self, mask: list[bool]) -> None:
        """Store the parameters of the members that leave the stack, go on with the others."""
        self.snapshot()
        if all(mask):
            return
        index = torch.tensor(mask, device="cpu").nonzero().squeeze(1)
        self.active = self.active[index]
        self.members = [member for member, kept in zip(self.members, mask, strict=True) if kept]
        on_device = index.to(self.params.device)
        self.params = self.params.detach()[on_device].requires_grad_()
        self.best, self.first, self.second = (
            self.best[on_device],
            self.first[on_device],
            self.second[on_device],
        )
        self.average = self.average[on_device]
        self.powers, self.n_updates = self.powers[on_device], self.n_updates[on_device]
        self.objective = self.objective.select(on_device)
        self.held_out = (self.held_out[0][on_device], self.held_out[1][on_device])


@final
class Adam:
    """AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019) on a matrix (S, P).

    Each row has its own step count, rate, decay and clipping. One that takes no part in a step keeps
    every number.
    """

    def __init__(self, settings: list[MemberSettings], n_decayed: int, like: Tensor) -> None:
        def column(name: str) -> Tensor:
            values = [getattr(setting, name) for setting in settings]
            return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)

        self.alpha, self.n_decayed = column("alpha"), n_decayed
        self.clip_value, self.clip_norm = column("clip_grad_value"), column("clip_grad_norm")
        self.clips_values = any(math.isfinite(setting.clip_grad_value) for setting in settings)
        self.betas = torch.tensor([BETA_1, BETA_2], dtype=torch.float64, device=like.device)
        self.zero, self.one = like.new_zeros(()), self.betas.new_ones(())

    @torch.no_grad()
    def step(
        self, state: TrainingState, loss: Tensor, gradient: Tensor, rate: Tensor, active: Tensor
    ) -> Tensor:
        """Move the rows of ``state.params`` that are ``active`` (S,) and finite, by ``rate`` (S, 1).

        ``gradient`` is overwritten. Returns which rows moved, (S,).
        """
        # A row's length is finite exactly if its entries are (and do not overflow when squared).
        length = torch.linalg.vector_norm(gradient, dim=1)
        moved = active & torch.isfinite(loss + length)
        taken = moved.unsqueeze(1)
        part = taken.to(gradient.dtype)
        # 1. Clip each entry at the row's threshold, then each row to its length; 0 in rows that stay. (An
        #    operation that picks entries by a column of marks takes several times as long as arithmetic.)
        if self.clips_values:
            gradient = torch.maximum(torch.minimum(gradient, self.clip_value), -self.clip_value)
            length = torch.linalg.vector_norm(gradient, dim=1)
        shortening = (self.clip_norm / length.unsqueeze(1)).clamp_max_(1.0)
        gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(torch.where(taken, shortening, self.zero))
        # 2. Moments, and the powers beta^t that correct their bias (in float64: 1 - beta_2^t cancels)
        state.powers *= torch.where(taken, self.betas, self.one)
        state.first.lerp_(gradient, part * (1.0 - BETA_1))
        state.second.lerp_(gradient.square_(), part * (1.0 - BETA_2))
        # A row before its first step has powers 1; it moves by 0, not by 0 / 0.
        bias_1, bias_2 = (1.0 - state.powers).clamp_min_(EPSILON).to(gradient.dtype).split(1, dim=1)
        # 3. Decay, then move
        rate = rate * part
        state.params[:, : self.n_decayed].mul_(1.0 - rate * self.alpha)
        root = bias_2.sqrt()
        denominator = torch.sqrt(state.second, out=gradient).add_(EPSILON * root)
        state.params.addcdiv_(state.first * (rate * root / bias_1), denominator, value=-1.0)
        # 4. The running average of the weights, over few steps at first
        state.n_updates += part
        share = part * (9.0 / (10.0 + state.n_updates)).clamp_min_(1.0 - AVERAGING)
        state.average.lerp_(state.params, share)
        return moved


def autocast_off(device_type: str) -> AbstractContextManager[object]:
    """Arithmetic in the precision asked for, also where the caller lets torch lower it."""
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()  # some devices know no autocast at all


def train(
    objective: Objective,
    params: Tensor,
    rows: Rows,
    members: list[Member],
    settings: list[MemberSettings],
    on_epoch: Callable[[int, TrainingState], bool] | None = None,
) -> TrainingState:
    """Train a stack.

    Parameters
    ----------
    objective : Objective
        Log-likelihood of rows.
    params : Tensor of shape (S, P)
        Where each member starts; left as it is.
    rows : Rows
    members : list of S Member
        One without validation rows ends with its last (averaged) weights, any other with its best ones.
    settings : list of S MemberSettings
    on_epoch : callable, optional
        Called after each epoch with its number and the state; training stops when it returns True.

    Returns
    -------
    TrainingState
        ``snapshot()`` gives the parameters (S, P), ``histories`` what happened.
    """
    with threads_for(sum(member.rows_per_step for member in members)), autocast_off(params.device.type):
        return _train(objective, params, rows, members, settings, on_epoch)


def _train(
    objective: Objective,
    params: Tensor,
    rows: Rows,
    members: list[Member],
    settings: list[MemberSettings],
    on_epoch: Callable[[int, TrainingState], bool] | None,
) -> TrainingState:
    """The loop of ``train``."""
    state = TrainingState(params, objective, rows, members)
    # 0. The start is the first candidate for the best weights
    for history, score, calibration in zip(state.histories, *validate(state, rows), strict=True):
        if math.isfinite(score):
            history.best_score, history.calibration = score, calibration
    epoch = 0
    while len(state.active):
        # 1. One pass over each member's rows
        current = [settings[i] for i in state.active.tolist()]
        losses, taken = run_epoch(state, rows, current, epoch)
        # 2. Score the held-out rows and keep the best weights
        record(state, current, losses, taken, *validate(state, rows))
        # 3. Report
        epoch += 1
        stop = on_epoch is not None and on_epoch(epoch, state)
        # 4. Let the finished members leave the stack
        going = [
            not (stop or state.histories[i].stopped or epoch >= settings[i].max_iter)
            for i in state.active.tolist()
        ]
        state.keep(going)
    return state


def run_epoch(
    state: TrainingState, rows: Rows, settings: list[MemberSettings], epoch: int
) -> tuple[Tensor, Tensor]:
    """All steps of an epoch.

    Returns each member's mean loss over the steps it took, and how many it took and how many it had, (S, 2).
    """
    optimizer = Adam(settings, state.objective.n_decayed, state.params)
    rates = learning_rates(state.members, settings, epoch).to(state.params)
    dropout = [setting.dropout for setting in settings]
    widths = state.objective.hidden_widths
    total = torch.zeros(len(settings), dtype=torch.float64, device=state.params.device)
    n_taken = torch.zeros(len(settings), dtype=torch.int64, device=state.params.device)
    for step, batch in enumerate(epoch_batches(state.members, rows)):
        keep = dropout_factors(state.members, dropout, widths, step, batch)
        loss, gradient = loss_and_gradient(state, rows, batch, keep)
        taken = optimizer.step(state, loss, gradient, rates[step], batch.active)
        total += torch.where(taken, loss, optimizer.zero)
        n_taken += taken
    n_active = torch.tensor([member.n_steps for member in state.members], device="cpu")
    n_taken = n_taken.cpu()
    return total.cpu() / n_taken, torch.stack([n_taken, n_active], dim=1)


def loss_and_gradient(
    state: TrainingState, rows: Rows, batch: Batch, keep: Sequence[Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Each member's weighted mean negative log-likelihood on its batch (S,), and its gradient (S, P)."""
    x, y = rows.x[batch.index], rows.y[batch.index]
    log_likelihood = state.objective(state.params, x, y, keep)
    # A padded place must not turn an infinite value into 0 * inf.
    loss = (batch.factor * log_likelihood.masked_fill(batch.factor == 0.0, 0.0)).sum(1).neg()
    (gradient,) = torch.autograd.grad(loss.sum(), state.params)
    return loss.detach(), gradient


def learning_rates(members: list[Member], settings: list[MemberSettings], epoch: int) -> Tensor:
    """Rates of the steps of an epoch, (steps, S, 1); 0 where a member has no such step."""
    n_steps = max(member.n_steps for member in members)
    rates = torch.zeros(n_steps, len(members), 1, dtype=torch.float64, device="cpu")
    for i, (member, setting) in enumerate(zip(members, settings, strict=True)):
        steps = epoch * member.n_steps + torch.arange(member.n_steps, device="cpu")
        rates[: member.n_steps, i, 0] = setting.rates(steps, setting.max_iter * member.n_steps)
    return rates


@torch.no_grad()
def validate(state: TrainingState, rows: Rows) -> tuple[list[float], list[float]]:
    """Score the averaged weights of each member on its held-out rows.

    Returns the weighted mean log-likelihood under the calibration that gives the highest, NaN for a member
    that holds out nothing, and that calibration.
    """
    index, factor = state.held_out
    calibrations = state.objective.calibrations
    total = torch.zeros(len(calibrations), len(index), dtype=torch.float64, device=index.device)
    block = max(1, rows_at_once(state.objective) // len(index))
    for part, weight in zip(index.split(block, dim=1), factor.split(block, dim=1), strict=True):
        log_likelihood = state.objective.calibrated(state.average, rows.x[part], rows.y[part])
        total += (weight * log_likelihood.masked_fill(weight == 0.0, 0.0)).sum(-1)
    best, choice = total.cpu().max(dim=0)
    empty = torch.tensor([len(member.validation) == 0 for member in state.members], device="cpu")
    scores: list[float] = best.masked_fill(empty, math.nan).tolist()
    return scores, [calibrations[i] for i in choice.tolist()]


@torch.no_grad()
def record(
    state: TrainingState,
    settings: list[MemberSettings],
    losses: Tensor,
    taken: Tensor,
    scores: list[float],
    calibrations: list[float],
) -> None:
    """Write the epoch into the histories, keep best weights, and mark who is to stop."""
    improved = []
    for place, (i, setting) in enumerate(zip(state.active.tolist(), settings, strict=True)):
        history, held_out = state.histories[i], len(state.members[place].validation) > 0
        n_taken, n_active = taken[place].tolist()
        history.n_skipped += int(n_active - n_taken)
        if n_taken == 0:
            history.failure = "loss or gradient was not finite in every step of an epoch"
            history.stopped = True
            improved.append(False)
            continue
        history.loss.append(losses[place].item())
        score = -history.loss[-1]
        if held_out:
            score = scores[place]
            history.validation.append(score)
        better = score > history.best_score
        enough = score > history.best_score + setting.tol
        history.stale = 0 if enough else history.stale + 1
        if better:
            history.best_score = score
            history.calibration = calibrations[place] if held_out else 1.0
        history.stopped = history.stale >= setting.n_iter_no_change
        improved.append(better or not held_out)
    mask = torch.tensor(improved, device=state.params.device).unsqueeze(1)
    state.best = torch.where(mask, state.average, state.best)

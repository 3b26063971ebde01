"""The training loop of a stack: one state, one step for all members, each with settings of its own.

It knows an objective, rows and members; it knows neither mixtures nor scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol, final

import torch
from torch import Tensor

from sklearn_mdn._torch.replay import replayed
from sklearn_mdn._torch.threads import threads_for
from sklearn_mdn._training.rows import (
    Member,
    Rows,
    dropout_factors,
    epoch_batches,
    hide_codes,
    validation_rows,
)

# Adam's published constants (Kingma and Ba 2015).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

# Decay of the running average of the weights, which is what is validated and kept: it has most of what a
# smaller learning rate would bring (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).
AVERAGING = 0.99

# Rows of all members together that validation evaluates at once, and numbers that it may make of them.
VALIDATION_BLOCK, VALIDATION_NUMBERS = 1 << 14, 1 << 23

# Of these the rows that go through the layers at once.
LAYER_ROWS = 1 << 11


class Derivative(Protocol):
    """The objective and its gradient at parameters (S, P) that change in place."""

    def __call__(
        self, x: Tensor, y: Tensor, weight: Tensor, keep: Sequence[Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Log-likelihoods (S, B), and the gradient (S, P) of their sums weighted by ``weight`` (S, B).

        The gradient may be the same tensor each time, and be overwritten.
        """


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

    def derivative(self, params: Tensor) -> Derivative: ...

    @property
    def calibrations(self) -> Sequence[float]: ...

    @property
    def numbers_a_row(self) -> int:
        """Of the largest tensor that ``calibrated`` makes."""

    def calibrated(self, params: Tensor, x: Tensor, y: Tensor) -> Tensor: ...


class Feed(Protocol):
    """Where rows come from: ``held_out`` stays, and an epoch goes through the ``parts``."""

    @property
    def weight(self) -> Tensor: ...

    @property
    def held_out(self) -> Rows: ...

    def parts(self, members: list[Member], epoch: int) -> Iterator[tuple[list[Member], Rows]]: ...


class Group(Protocol):
    """Processes that train the same networks, each on rows of its own."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes."""

    def sum_step(self, share: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        """Put the sum of the processes' shares of a gradient (S, P) in its place; returns that of losses."""


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
    falls: bool = True

    def rates(self, steps: Tensor, n_steps: int) -> Tensor:
        """Learning rates of steps: linear warm-up, then half a cosine to 0 (Loshchilov and Hutter 2017).

        Always the highest one if it does not fall.
        """
        if not self.falls:
            return torch.full(steps.shape, self.learning_rate, dtype=torch.float64, device="cpu")
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

    def __init__(
        self,
        params: Tensor,
        objective: Objective,
        rows: Feed,
        members: list[Member],
        group: Group | None = None,
    ) -> None:
        self.histories = [History() for _ in members]
        self.result = params.clone()
        self.active = torch.arange(len(members), device="cpu")
        self.params = params.clone()
        self.average = self.params.clone()
        self.best = self.params.clone()
        self.first = torch.zeros_like(self.params)
        self.second = torch.zeros_like(self.params)
        self.n_updates = torch.zeros(len(members), dtype=torch.int64, device=params.device)
        self.objective = objective
        self.derivative = objective.derivative(self.params)
        self.members, self.rows = members, rows
        self.group = group
        self.hold_out()

    def hold_out(self) -> None:
        """Find the rows that each member holds out, and its share of what all processes hold out."""
        rows = self.rows.held_out
        self.held_out = validation_rows(self.members, rows)
        self.holds_out = [len(member.validation) > 0 for member in self.members]
        # Of the rows that each member trains on, and of the weight of those that it holds out.
        self.share = self.held_share = torch.ones(len(self.members), dtype=self.params.dtype, device="cpu")
        if self.group is not None and self.members:
            weight = [rows.weight[member.validation.long()].double().sum() for member in self.members]
            trained = [len(member.train) for member in self.members]
            own = torch.stack([torch.tensor(trained, device="cpu").double(), torch.stack(weight).cpu()])
            total = self.group.sum(own)
            self.holds_out = (total[1] > 0.0).tolist()
            shares = own / total.clamp_min(torch.finfo(own.dtype).tiny)
            self.share, self.held_share = shares.to(self.params)

    def snapshot(self) -> Tensor:
        """Each member's best parameters so far, (S, P)."""
        with torch.inference_mode():
            self.result[self.active] = self.best
        return self.result.clone()

    def keep(self, mask: list[bool]) -> None:
        """Store the parameters of the members that leave the stack, go on with the others."""
        self.snapshot()
        index = torch.tensor(mask, device="cpu").nonzero().squeeze(1)
        self.active = self.active[index]
        self.members = [member for member, kept in zip(self.members, mask, strict=True) if kept]
        on_device = index.to(self.params.device)
        for name in ("params", "average", "best", "first", "second", "n_updates"):
            setattr(self, name, getattr(self, name)[on_device])
        self.objective = self.objective.select(on_device)
        self.derivative = self.objective.derivative(self.params)
        self.hold_out()


@final
class Adam:
    """AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019) on the rows of a matrix (S, P).

    Each row has its own count of updates, rate, decay and clipping. One that takes no part in a step keeps
    every number. What ``step`` reads and changes stays where it is in memory.
    """

    def __init__(self, settings: list[MemberSettings], state: TrainingState, room: int) -> None:
        """``room`` is the largest number of steps that ``begin`` is given rates of."""
        like = state.params

        def column(name: str) -> Tensor:
            values = [getattr(setting, name) for setting in settings]
            return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)

        self.n_decayed = state.objective.n_decayed
        self.clip_value, self.clip_norm = column("clip_grad_value"), column("clip_grad_norm")
        self.clips_values = any(math.isfinite(setting.clip_grad_value) for setting in settings)
        self.alpha, self.zero = column("alpha"), like.new_zeros(())
        self.taken = torch.zeros_like(state.n_updates)
        self.by_count = like.new_empty(room, 6, len(like), 1)
        self.place = self.taken.view(1, 1, -1, 1).expand(1, *self.by_count.shape[1:])

    def begin(self, state: TrainingState, rates: Tensor) -> Tensor:
        """Prepare as many steps as there are ``rates`` (n_steps, S, 1); returns their factors."""
        like, n_steps = state.params, len(rates)
        # What depends on the number of updates alone, for the next n_steps of them, (n_steps, 6, S, 1).
        # 1 - beta^t by exponentials: torch rounds a power by its place in memory, and the difference cancels.
        count = torch.arange(1, n_steps + 1, device=like.device).unsqueeze(1) + state.n_updates.double()
        root, one = torch.expm1(count * math.log(BETA_2)).neg_().sqrt_(), torch.ones_like(count)
        share = (9.0 / (10.0 + count)).clamp_min(1.0 - AVERAGING)  # an average over few steps at first
        bias_1 = torch.expm1(count * math.log(BETA_1)).neg_()
        by_count = [root * EPSILON, root / bias_1, one * (1.0 - BETA_1), one * (1.0 - BETA_2), share, one]
        self.by_count[:n_steps] = torch.stack(by_count, dim=1).unsqueeze(-1)
        self.taken.zero_()
        # Factors on these that depend on the step, (n_steps, 6, S, 1).
        one = torch.ones_like(rates)
        return torch.stack([one, rates, one, one, one, rates * self.alpha], dim=1)

    def step(
        self, state: TrainingState, factors: Tensor, loss: Tensor, gradient: Tensor, active: Tensor
    ) -> Tensor:
        """Move the rows of ``state.params`` that are ``active`` (S,) and finite, by a step's ``factors``.

        ``gradient`` is overwritten. Returns which rows moved, (S,).
        """
        # A row's length is finite exactly if its entries are (and do not overflow when squared), and only
        # finite numbers are 0 when taken from themselves.
        length = torch.linalg.vector_norm(gradient, dim=1)
        size = loss + length
        moved: Tensor = active & (size - size == 0.0)
        taken = moved.unsqueeze(1)
        factors = self.by_count.gather(0, self.place)[0] * factors
        epsilon = factors[0]
        _, rate, new_1, new_2, share, decay = (factors * taken).unbind()
        self.taken += moved
        # 1. Clip each entry at the row's threshold, then each row to its length; 0 in rows that stay. (An
        #    operation that picks entries by a column of marks takes several times as long as arithmetic.)
        if self.clips_values:
            gradient = torch.maximum(torch.minimum(gradient, self.clip_value), -self.clip_value)
            length = torch.linalg.vector_norm(gradient, dim=1)
        shortening = (self.clip_norm / length.unsqueeze(1)).clamp_max_(1.0)
        gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(torch.where(taken, shortening, self.zero))
        # 2. Moments
        state.first.lerp_(gradient, new_1)
        state.second.lerp_(gradient.square_(), new_2)
        # 3. Decay, then move
        decayed = state.params[:, : self.n_decayed]
        decayed.addcmul_(decayed, decay, value=-1.0)
        denominator = torch.sqrt(state.second, out=gradient).add_(epsilon)
        state.params.addcdiv_(state.first * rate, denominator, value=-1.0)
        # 4. The running average of the weights
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
    rows: Feed,
    members: list[Member],
    settings: list[MemberSettings],
    on_epoch: Callable[[int, TrainingState], bool] | None = None,
    group: Group | None = None,
) -> TrainingState:
    """Train a stack.

    Parameters
    ----------
    objective : Objective
        Log-likelihood of rows.
    params : Tensor of shape (S, P)
        Where each member starts; left as it is.
    rows : Rows or RowStream
    members : list of S Member
        One without validation rows ends with its last (averaged) weights, any other with its best ones.
    settings : list of S MemberSettings
    on_epoch : callable, optional
        Called after each epoch with its number and the state; training stops when it returns True.
    group : Group, optional
        Other processes that train the same members, each on rows of its own.

    Returns
    -------
    TrainingState
        ``snapshot()`` gives the parameters (S, P), ``histories`` what happened.
    """
    n_rows = sum(member.rows_per_step for member in members)
    # Inference mode spares small operations a sixth of their time, where autograd would keep its books.
    with threads_for(n_rows), autocast_off(params.device.type), torch.inference_mode():
        return _train(objective, params, rows, members, settings, on_epoch, group)


@final
@dataclass(frozen=True)
class Going:
    """What one pass over rows leaves for the next: a row of each matrix (S, P) is a member."""

    params: Tensor
    average: Tensor
    first: Tensor
    second: Tensor
    n_updates: Tensor


def one_pass(
    objective: Objective, before: Going, rows: Rows, members: list[Member], settings: list[MemberSettings]
) -> tuple[TrainingState, Going]:
    """An epoch that goes on from earlier ones; nothing is held out, and what counts is the average.

    Returns the state, whose histories are of this pass alone, and what it leaves.
    """
    n_rows = sum(member.rows_per_step for member in members)
    device_type = before.params.device.type
    with threads_for(n_rows), autocast_off(device_type), torch.inference_mode():
        state = TrainingState(before.params, objective, rows, members)
        for name in ("average", "first", "second", "n_updates"):
            getattr(state, name).copy_(getattr(before, name))
        losses, taken = run_epoch(Steps(state, settings), rows, epoch=0)
        record(state, settings, losses, taken, [], [])
    names = ("params", "average", "first", "second", "n_updates")
    return state, Going(*(getattr(state, name).clone() for name in names))


def _train(
    objective: Objective,
    params: Tensor,
    rows: Feed,
    members: list[Member],
    settings: list[MemberSettings],
    on_epoch: Callable[[int, TrainingState], bool] | None,
    group: Group | None,
) -> TrainingState:
    """The loop of ``train``."""
    state = TrainingState(params, objective, rows, members, group)
    # 0. The start is the first candidate for the best weights
    for history, score, calibration in zip(state.histories, *validate(state, rows.held_out), strict=True):
        if math.isfinite(score):
            history.best_score, history.calibration = score, calibration
    epoch, steps = 0, Steps(state, settings)
    while len(state.active):
        # 1. One pass over each member's rows
        losses, taken = run_epoch(steps, rows, epoch)
        # 2. Score the held-out rows and keep the best weights
        record(state, steps.settings, losses, taken, *validate(state, rows.held_out))
        # 3. Report
        epoch += 1
        with torch.inference_mode(mode=False):  # what is called may be anything
            stop = on_epoch is not None and on_epoch(epoch, state)
            if group is not None:
                stop = bool(group.sum(torch.tensor(float(stop), device="cpu")) > 0.0)
        # 4. Let the finished members leave the stack
        going = [
            not (stop or state.histories[i].stopped or epoch >= settings[i].max_iter)
            for i in state.active.tolist()
        ]
        if not all(going):
            state.keep(going)
            steps = Steps(state, [settings[i] for i in state.active.tolist()])
    return state


@final
class Steps:
    """Steps of a stack as long as its members stay: what takes one is kept from epoch to epoch."""

    def __init__(self, state: TrainingState, settings: list[MemberSettings]) -> None:
        self.state, self.settings, self.room = state, settings, 0

    def begin(self, rates: Tensor) -> Tensor:
        """Prepare steps with these rates (n_steps, S, 1); returns a factor of ``take`` for each."""
        if len(rates) > self.room:
            self.room = len(rates)
            self.optimizer = Adam(self.settings, self.state, self.room)
            self.take = one_step(self.state, self.optimizer)
        return self.optimizer.begin(self.state, rates)


def one_step(state: TrainingState, optimizer: Adam) -> Callable[..., tuple[Tensor, ...]]:
    """What takes a step with tensors alone, and returns losses and who moved, (S,); recorded if it can be."""

    def step(
        x: Tensor, y: Tensor, weight: Tensor, active: Tensor, factors: Tensor, *keep: Tensor
    ) -> tuple[Tensor, ...]:
        loss, gradient = loss_and_gradient(state, x, y, weight, keep or None)
        if state.group is not None:
            loss = state.group.sum_step(state.share, loss, gradient)
        return loss, optimizer.step(state, factors, loss, gradient, active)

    return replayed(step, state.params.device) if state.group is None else step


def run_epoch(steps: Steps, rows: Feed, epoch: int) -> tuple[Tensor, Tensor]:
    """All steps of an epoch.

    Returns each member's mean loss over the steps it took, and how many it took and how many it had, (S, 2).
    """
    state = steps.state
    whole = [member.n_steps for member in state.members]
    total = torch.zeros(len(whole), dtype=torch.float64, device="cpu")
    counts = torch.zeros(len(whole), 2, dtype=torch.int64, device="cpu")
    for members, part in rows.parts(state.members, epoch):
        done = [epoch * n_steps + n for n_steps, n in zip(whole, counts[:, 1].tolist(), strict=True)]
        rates = learning_rates(members, steps.settings, done, whole).to(state.params)
        loss, taken = run_steps(steps, part, members, rates)
        total += loss
        counts += torch.stack([taken, torch.tensor([m.n_steps for m in members], device="cpu")], dim=1)
    return total / counts[:, 0], counts


def run_steps(steps: Steps, rows: Rows, members: list[Member], rates: Tensor) -> tuple[Tensor, Tensor]:
    """A step for each of the ``rates``; returns sums of losses and how many steps were taken, (S,)."""
    factors = steps.begin(rates)
    dropout = [setting.dropout for setting in steps.settings]
    widths = steps.state.objective.hidden_widths
    losses, moved = [], []
    for step, batch in enumerate(epoch_batches(members, rows)):
        batch = hide_codes(members, step, batch)
        keep = dropout_factors(members, dropout, widths, step, batch)
        own = batch.x, batch.y, batch.weight, batch.active, factors[step]
        loss, who = steps.take(*own, *(keep or ()))
        losses.append(loss)
        moved.append(who)
    steps.state.n_updates += steps.optimizer.taken
    taken, loss = torch.stack(moved).cpu(), torch.stack(losses).cpu().double()
    # One after the other, so that steps which others have and a member has not add nothing to its rounding.
    return torch.where(taken, loss, 0.0).cumsum(0)[-1], taken.sum(0)


def loss_and_gradient(
    state: TrainingState, x: Tensor, y: Tensor, weight: Tensor, keep: Sequence[Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Each member's weighted mean negative log-likelihood on its batch (S,), and its gradient (S, P).

    What pads a batch repeats rows of its own, so that 0 times infinity can only come up where a loss is
    infinite anyway.
    """
    log_likelihood, gradient = state.derivative(x, y, weight, keep)
    return (weight * log_likelihood).sum(1), gradient


def learning_rates(
    members: list[Member], settings: list[MemberSettings], done: list[int], whole: list[int]
) -> Tensor:
    """Rates of the members' next steps, (steps, S, 1); 0 where a member has no such step.

    ``done`` are the steps taken so far, ``whole`` those of an epoch.
    """
    n_steps = max(member.n_steps for member in members)
    rates = torch.zeros(n_steps, len(members), 1, dtype=torch.float64, device="cpu")
    alike: dict[tuple[MemberSettings, int, int, int], list[int]] = {}
    for i, key in enumerate(zip(settings, (m.n_steps for m in members), done, whole, strict=True)):
        alike.setdefault(key, []).append(i)
    for (setting, own, first, in_epoch), places in alike.items():
        last = setting.max_iter * in_epoch
        # Where buffers are filled in another way, an epoch may have a step more.
        steps = (first + torch.arange(own, device="cpu")).clamp_max(last - 1)
        rates[:own, places] = setting.rates(steps, last).view(-1, 1, 1)
    return rates


def validate(state: TrainingState, rows: Rows) -> tuple[list[float], list[float]]:
    """Score the averaged weights of each member on its held-out rows.

    Returns the weighted mean log-likelihood under the calibration that gives the highest, NaN for a member
    that holds out nothing, and that calibration.
    """
    calibrations = state.objective.calibrations
    total = torch.zeros(len(calibrations), len(state.active), dtype=torch.float64, device=state.params.device)
    at_once = rows_at_once(state.objective)
    for group in state.held_out:
        # A member's rows are cut where they would be without the others.
        n_members, n_rows = group.index.shape
        for some in torch.split(torch.arange(n_members, device=total.device), max(1, at_once // n_rows)):
            members = group.members[some]
            params = state.average if len(some) == len(state.active) else state.average[members]
            for start in range(0, n_rows, at_once):
                part = slice(start, start + at_once)
                index, weight = group.index[some, part], group.factor[some, part]
                log_likelihood = torch.cat(
                    [
                        state.objective.calibrated(params, rows.x[places], rows.y[places])
                        for places in torch.split(index, max(1, LAYER_ROWS // len(some)), dim=1)
                    ],
                    dim=-1,
                )
                total[:, members] += (weight * log_likelihood.masked_fill(weight == 0.0, 0.0)).sum(-1)
    if state.group is not None:
        total = state.group.sum(total * state.held_share)
    best, choice = total.cpu().max(dim=0)
    empty = ~torch.tensor(state.holds_out, device="cpu")
    scores: list[float] = best.masked_fill(empty, math.nan).tolist()
    return scores, [calibrations[i] for i in choice.tolist()]


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
        history, held_out = state.histories[i], state.holds_out[place]
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

"""The training loop of a stack against its members trained one at a time, and Adam against PyTorch's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from sklearn_mdn import MDNRegressor
from sklearn_mdn._estimators.plans import stack_key, train_plans
from sklearn_mdn._training import loop
from sklearn_mdn._training import rows as rows_module
from sklearn_mdn._training.loop import (
    Adam,
    MemberSettings,
    TrainingState,
    learning_rates,
    loss_and_gradient,
    train,
)
from sklearn_mdn._training.rows import (
    PLACES,
    Member,
    Rows,
    dropout_factors,
    epoch_batches,
    hide_codes,
    validation_rows,
)

POISON = 666.0


@dataclass(frozen=True)
class Linear:
    """log N(y; x w, 1) up to a constant for parameters w (S, d): a model with nothing of mixtures in it.

    A row whose first input is POISON has an infinite loss for the members named in ``poisoned``, or
    a finite loss with an infinite gradient.
    """

    width: int
    poisoned: tuple[bool, ...] | None = None
    poison: str = "loss"
    hidden_widths: tuple[int, ...] = ()

    @property
    def n_decayed(self):
        return self.width - 1

    def select(self, index):
        return (
            self if self.poisoned is None else replace(self, poisoned=tuple(self.poisoned[i] for i in index))
        )

    def log_prob(self, params, x, y):
        residual = y[..., 0] - (x * params.unsqueeze(1)).sum(-1)
        log_prob = -0.5 * residual.square()
        if self.poisoned is not None:
            hit = (x[..., 0] == POISON) & torch.tensor(self.poisoned).unsqueeze(1)
            if self.poison == "loss":
                bad = torch.full_like(log_prob, -math.inf)
            else:
                # The root of 0, with a derivative of infinity; other members see the root of 1.
                zero = params[:, :1] - params[:, :1].detach()
                bad = torch.where(hit, zero, 1.0).sqrt()
            log_prob = torch.where(hit, bad, log_prob)
        return log_prob

    def derivative(self, params):
        def log_prob_and_gradient(x, y, weight, keep):
            with torch.inference_mode(mode=False):
                leaf, x, y, weight = (tensor.clone() for tensor in (params, x, y, weight))
                log_prob = self.log_prob(leaf.requires_grad_(), x, y)
                (gradient,) = torch.autograd.grad(log_prob, leaf, weight)
            return log_prob.detach(), gradient

        return log_prob_and_gradient

    @property
    def calibrations(self):
        return (1.0, 2.0)

    @property
    def numbers_a_row(self):
        return 2

    def calibrated(self, params, x, y):
        """The standard deviation as it is, and doubled."""
        log_prob = self.log_prob(params, x, y)
        return torch.stack([log_prob, log_prob / 4.0 - math.log(2.0)])


def stream(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed), dtype=torch.float64)


def some_rows(n=40, width=3, poison_at=()):
    x = normal(n, width)
    x[list(poison_at), 0] = POISON
    y = x @ torch.ones(width, 1, dtype=torch.float64) + 0.1 * normal(n, 1, seed=1)
    return Rows(x, y, torch.ones(n, dtype=torch.float64))


def member(train_rows, validation=(), batch_size=8, seed=0):
    def index(rows):
        return torch.tensor(list(rows), dtype=torch.int64)

    return Member(index(train_rows), index(validation), batch_size, stream(seed))


def setting(**changes):
    base = {"max_iter": 3, "learning_rate": 0.1, "alpha": 0.0, "dropout": 0.0}
    return MemberSettings(**(base | changes))


# Adam.


def torch_adam(start, n_decayed, setting):
    """PyTorch's AdamW on one member, its decayed and its other parameters as two groups."""
    groups = [start[:n_decayed].clone().requires_grad_(), start[n_decayed:].clone().requires_grad_()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [groups[0]], "weight_decay": setting.alpha},
            {"params": [groups[1]], "weight_decay": 0.0},
        ],
        lr=1.0,
    )
    return optimizer, groups


def clipped(gradient, setting):
    gradient = gradient.clamp(-setting.clip_grad_value, setting.clip_grad_value)
    return gradient * min(1.0, setting.clip_grad_norm / gradient.norm().item())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_adam_is_torch_adamw_member_by_member(dtype):
    objective = Linear(6)
    settings = [
        setting(alpha=0.0),
        setting(alpha=0.3, clip_grad_norm=0.5),
        setting(alpha=0.01, clip_grad_value=0.2),
        setting(alpha=0.1, clip_grad_value=0.4, clip_grad_norm=0.6),
    ]
    start = normal(4, 6).to(dtype)
    state = TrainingState(start, objective, some_rows(4), [member(range(4)) for _ in settings])
    n_decayed = objective.n_decayed
    rates = 0.1 * normal(25, 4, 1, seed=100).abs().to(dtype)
    ours = Adam(settings, state, len(rates))
    factors = ours.begin(state, rates)
    theirs = [torch_adam(row, n_decayed, own) for row, own in zip(start, settings, strict=True)]
    for step in range(25):
        gradient = (normal(4, 6, seed=step) * 10.0 ** (step % 5 - 2)).to(dtype)
        active = normal(4, seed=200 + step) > -0.5
        moved = ours.step(state, factors[step], normal(4).to(dtype), gradient.clone(), active)
        assert torch.equal(moved, active)
        for i, (optimizer, groups) in enumerate(theirs):
            if active[i]:
                own = clipped(gradient[i], settings[i])
                groups[0].grad, groups[1].grad = own[:n_decayed], own[n_decayed:]
                for group in optimizer.param_groups:
                    group["lr"] = rates[step, i].item()
                optimizer.step()
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-5}[dtype]
    for i, (_, groups) in enumerate(theirs):
        found = state.params[i].detach()
        torch.testing.assert_close(found[:n_decayed], groups[0].detach(), rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(found[n_decayed:], groups[1].detach(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("loss", "entry", "active"),
    [
        (0.0, 1.0, False),
        (math.nan, 1.0, True),
        (math.inf, 1.0, True),
        (0.0, math.nan, True),
        (0.0, math.inf, True),
        (0.0, -math.inf, True),
    ],
)
@pytest.mark.parametrize("clip_grad_value", [math.inf, 0.5])
def test_a_member_that_takes_no_step_keeps_every_number(loss, entry, active, clip_grad_value):
    settings = [setting(alpha=0.5, clip_grad_norm=1.0, clip_grad_value=clip_grad_value)] * 2
    state = TrainingState(normal(2, 3), Linear(3), some_rows(4), [member(range(4)), member(range(4))])
    adam = Adam(settings, state, 2)
    factors = adam.begin(state, torch.full((2, 2, 1), 0.1, dtype=torch.float64))
    zero = torch.zeros(2, dtype=torch.float64)

    def numbers(row):
        tensors = (state.params, state.average, state.first, state.second, adam.taken)
        return [tensor[row].clone() for tensor in tensors]

    moved = adam.step(state, factors[0], zero, normal(2, 3), torch.tensor([True, True]))
    assert moved.tolist() == [True, True]
    before = [numbers(0), numbers(1)]
    losses, gradient = zero.clone(), normal(2, 3, seed=1)
    losses[1], gradient[1, 0] = loss, entry
    moved = adam.step(state, factors[1], losses, gradient, torch.tensor([True, active]))
    assert moved.tolist() == [True, False]
    assert all(torch.equal(a, b) for a, b in zip(before[1], numbers(1), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(before[0], numbers(0), strict=True))


def test_the_rate_warms_up_and_falls_along_half_a_cosine():
    own = setting(learning_rate=0.3, warm_up=0.1)
    n_steps, warm = 200, 20
    rates = own.rates(torch.arange(n_steps), n_steps).tolist()
    for step, rate in enumerate(rates):
        if step < warm:
            expected = 0.3 * (step + 1) / warm
        else:
            expected = 0.15 * (1.0 + math.cos(math.pi * (step - warm + 1) / (n_steps - warm + 1)))
        assert rate == pytest.approx(expected, rel=1e-12)
    assert max(rates) == rates[warm - 1] == pytest.approx(0.3)
    assert rates[-1] > 0.0
    assert setting(learning_rate=0.3).rates(torch.arange(1), 1).tolist() == [pytest.approx(0.3)]


def test_each_member_has_its_own_place_in_its_schedule():
    members = [member(range(8), batch_size=4), member(range(12), batch_size=4)]
    settings = [setting(max_iter=5, learning_rate=0.1), setting(max_iter=7, learning_rate=0.2)]
    for epoch in range(5):
        rates = learning_rates(members, settings, [2 * epoch, 3 * epoch], [2, 3])
        assert rates.shape == (3, 2, 1)
        first, second = settings[0].rates(torch.arange(10), 10), settings[1].rates(torch.arange(21), 21)
        assert rates[:, 0, 0].tolist() == [*first[2 * epoch : 2 * epoch + 2].tolist(), 0.0]
        assert rates[:, 1, 0].tolist() == second[3 * epoch : 3 * epoch + 3].tolist()


# Batches.


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 31, 32, 33])
@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_an_epoch_deals_each_row_once(n, batch_size):
    rows = torch.arange(100, 100 + n)
    own = Member(rows, rows[:0], batch_size, stream(3))
    index, share = own.epoch(), own.share(slice(None))
    assert index.shape == share.shape == (own.n_steps, own.rows_per_step)
    assert index.shape[1] <= batch_size
    present = share > 0
    assert sorted(index[present].tolist()) == rows.tolist()
    sizes = present.sum(1)
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1
    expected = torch.where(present, 1.0 / sizes.double().unsqueeze(1), 0.0)
    torch.testing.assert_close(share, expected, rtol=1e-15, atol=0)
    # What pads a batch is one of its own rows, and no other can reach it.
    assert all(
        set(batch[~own]) <= set(batch[own]) for batch, own in zip(index.numpy(), present.numpy(), strict=True)
    )


def test_epochs_are_shuffled_by_the_members_own_stream():
    a, b = Member(torch.arange(30), torch.arange(0), 8, stream(1)), member(range(30), seed=1)
    first = a.epoch()
    assert torch.equal(first, b.epoch())
    assert not torch.equal(first, a.epoch())
    assert not torch.equal(first, member(range(30), seed=2).epoch())


def test_dropout_keeps_the_mean_and_draws_from_the_members_own_stream():
    members = [member(range(200), batch_size=200, seed=seed) for seed in (1, 2, 1)]
    (batch,) = epoch_batches(members, some_rows(200))
    layers = dropout_factors(members, [0.25, 0.0, 0.25], (30, 20), 0, batch)
    assert [layer.shape for layer in layers] == [(3, 200, 30), (3, 200, 20)]
    for layer in layers:
        assert sorted(layer[0].unique().tolist()) == pytest.approx([0.0, 4.0 / 3.0])
        assert layer[0].mean().item() == pytest.approx(1.0, abs=0.05)
        assert (layer[1] == 1.0).all()
        assert torch.equal(layer[0], layer[2])
    assert torch.equal(members[1].generator.get_state(), after_one_epoch(2).get_state())
    assert dropout_factors(members, [0.0, 0.0, 0.0], (30, 20), 0, batch) is None


def after_one_epoch(seed):
    fresh = member(range(200), batch_size=200, seed=seed)
    fresh.epoch()
    return fresh.generator


def test_codes_are_hidden_as_often_as_is_said_and_from_the_members_own_stream():
    n = 400
    x = torch.cat([torch.full((n, 1), math.nan), 1.0 + torch.arange(2.0 * n).view(n, 2)], dim=1).double()
    hidden = torch.tensor([0.25, 0.0], dtype=torch.float64).expand(n, 2)
    rows = Rows(x, x[:, :1], torch.ones(n, dtype=torch.float64), hidden)
    members = [member(range(n), batch_size=n, seed=seed) for seed in (1, 2, 1)]
    members.append(member(range(n // 2), batch_size=n // 4, seed=3))
    for step, batch in enumerate(epoch_batches(members, rows)):
        before = [own.generator.get_state() for own in members]
        seen = hide_codes(members, step, batch).x
        assert seen[..., 0].isnan().all()
        assert torch.equal(seen[..., 2], batch.x[..., 2])
        assert torch.equal(seen[0].nan_to_num(), seen[2].nan_to_num())
        forgotten = seen[..., 1] == 0.0
        assert torch.equal(seen[..., 1], batch.x[..., 1] * ~forgotten)
        for i, own in enumerate(members):
            taken = step < own.n_steps
            assert taken != torch.equal(own.generator.get_state(), before[i])
            share = forgotten[i, : own.rows_per_step].double().mean().item()
            assert share == pytest.approx(0.25 * taken, abs=0.1 * taken)


def test_rows_without_codes_are_as_they_are_and_draw_nothing():
    members = [member(range(20), batch_size=20)]
    (batch,) = epoch_batches(members, some_rows(20))
    before = members[0].generator.get_state()
    assert hide_codes(members, 0, batch) is batch
    assert torch.equal(before, members[0].generator.get_state())


def test_a_batch_weighs_rows_and_pads_with_nothing():
    rows = some_rows(40)
    weighted = Rows(torch.arange(40).double().view(40, 1), rows.y, 0.5 + torch.arange(40).double() / 40)
    members = [
        member(range(10), batch_size=4),
        member(range(10, 17), batch_size=7),
        member([39], batch_size=1),
    ]
    for epoch_members in (members, members[::-1]):
        batches = list(epoch_batches(epoch_members, weighted))
        assert len(batches) == 3
        for i, own in enumerate(epoch_members):
            assert [bool(batch.active[i]) for batch in batches] == [step < own.n_steps for step in range(3)]
            seen = []
            for batch in batches:
                index, used = batch.x[i, :, 0].long(), batch.weight[i] < 0
                expected = -weighted.weight[index[used]] / max(1, int(used.sum()))
                torch.testing.assert_close(batch.weight[i, used], expected)
                assert torch.equal(batch.y[i], weighted.y[index])
                assert not batch.weight[i, ~used].any()
                assert set(index.tolist()) <= set(
                    index[used].tolist() if batch.active[i] else own.train.tolist()
                )
                seen += index[used].tolist()
            assert sorted(seen) == own.train.tolist()


@pytest.mark.parametrize("n", [1, 7, 32, 33, 100])
def test_shares_are_those_of_the_epoch_whatever_steps_are_asked_for(n):
    own = member(range(n), batch_size=8)
    whole = own.share(slice(None))
    for size in range(1, own.n_steps + 2):
        parts = [own.share(slice(start, start + size)) for start in range(0, own.n_steps + 3, size)]
        assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("numbers", [1, 100, 1000])
def test_batches_do_not_depend_on_how_many_are_gathered_at_once(monkeypatch, numbers):
    def batches():
        return epoch_batches([member(range(40), batch_size=3), member(range(30), seed=1)], some_rows(40))

    expected = list(batches())
    monkeypatch.setattr(rows_module, "GATHERED_NUMBERS", numbers)
    monkeypatch.setattr(rows_module, "INDEXED_ROWS", numbers // 2)
    for found, whole in zip(batches(), expected, strict=True):
        for name, expected_tensor in vars(whole).items():
            found_tensor = getattr(found, name)
            assert found_tensor is expected_tensor is None or torch.equal(found_tensor, expected_tensor)


def test_validation_factors_are_weights_that_sum_to_one():
    rows = some_rows(20)
    weighted = Rows(rows.x, rows.y, 1.0 + torch.arange(20).double())
    members = [member(range(5), [7, 9]), member(range(5), []), member(range(5), range(10, 15))]
    members.append(member(range(5), list(range(5)) * 8))  # more than there are places for in the others
    groups = validation_rows(members, weighted)
    assert [group.members.tolist() for group in groups] == [[0, 2], [3]]
    assert [group.index.shape for group in groups] == [(2, PLACES), (1, 2 * PLACES)]
    for group in groups:
        for i, index, factor in zip(group.members.tolist(), group.index, group.factor, strict=True):
            own, used = members[i].validation, factor > 0
            assert index[used].tolist() == own.tolist()
            expected = weighted.weight[own] / weighted.weight[own].sum()
            torch.testing.assert_close(factor[used], expected)


def test_the_loss_is_each_members_weighted_mean_and_its_gradient_its_own():
    rows = some_rows(40)
    weighted = Rows(rows.x, rows.y, 0.5 + torch.arange(40).double() / 40)
    members = [member(range(10), batch_size=4), member(range(10, 35), batch_size=7)]
    state = TrainingState(normal(2, 3), Linear(3), rows, members)
    for batch in epoch_batches(members, weighted):
        loss, gradient = loss_and_gradient(state, batch.x, batch.y, batch.weight, None)
        for i in range(2):
            x, y, weight = (part[i, batch.weight[i] < 0] for part in (batch.x, batch.y, -batch.weight))
            params = state.params[i].clone().requires_grad_()
            own = (weight * 0.5 * (y[:, 0] - x @ params).square()).sum()
            (own_gradient,) = torch.autograd.grad(own, params)
            torch.testing.assert_close(loss[i], own.detach(), rtol=1e-12, atol=1e-14)
            torch.testing.assert_close(gradient[i], own_gradient, rtol=1e-12, atol=1e-14)


# The loop.


def run(objective, rows, members, settings, on_epoch=None):
    return train(
        objective, torch.zeros(len(members), objective.width).double(), rows, members, settings, on_epoch
    )


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_steps_that_are_not_finite_are_skipped_and_counted(poison):
    rows = some_rows(32, poison_at=[5])
    members = [member(range(32), batch_size=8), member(range(32), batch_size=4, seed=1)]
    objective = Linear(3, poisoned=(True, False), poison=poison)
    state = run(objective, rows, members, [setting(max_iter=4)] * 2)
    assert [history.n_skipped for history in state.histories] == [4, 0]
    assert [history.failure for history in state.histories] == [None, None]
    assert all(len(history.loss) == 4 for history in state.histories)
    assert all(math.isfinite(loss) for history in state.histories for loss in history.loss)
    assert torch.isfinite(state.snapshot()).all()


def test_a_padded_place_adds_nothing_even_if_infinite():
    """Ten rows make batches of 4, 3 and 3; the short ones are padded with the member's first row."""
    state = run(
        Linear(3, poisoned=(True,)),
        some_rows(10, poison_at=[0]),
        [member(range(10), batch_size=4)],
        [setting(max_iter=4)],
    )
    assert state.histories[0].n_skipped == 4


def test_rows_of_others_do_no_harm():
    """What pads a batch is the member's own: a row that it could not bear never reaches it."""
    rows = some_rows(32, poison_at=[0])
    members = [member(range(32), batch_size=8), member(range(20, 31), batch_size=4, seed=1)]
    state = run(Linear(3, poisoned=(True, True), poison="gradient"), rows, members, [setting(max_iter=4)] * 2)
    assert [history.n_skipped for history in state.histories] == [4, 0]


def test_a_skipped_step_leaves_the_weights_of_the_steps_taken():
    """Poisoned batches vanish: what is left is the run over the other batches, in their order.

    Moments, their correction and the share in the average go on from one epoch to the next.
    """
    rows, own = some_rows(12, poison_at=[3]), setting(max_iter=3)
    state = run(Linear(3, poisoned=(True,)), rows, [member(range(12), batch_size=3)], [own])
    params = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    average, n_updates = params.detach().clone(), 0
    optimizer = torch.optim.AdamW([params], lr=1.0, weight_decay=0.0)
    rates, walk = own.rates(torch.arange(12), 12), member(range(12), batch_size=3)
    losses = []
    for step, batch in enumerate(torch.cat([walk.epoch() for _ in range(3)])):
        if 3 not in batch.tolist():
            residual = rows.y[batch, 0] - rows.x[batch] @ params
            loss = 0.5 * residual.square().mean()
            losses.append(loss.item())
            (params.grad,) = torch.autograd.grad(loss, params)
            optimizer.param_groups[0]["lr"] = rates[step].item()
            optimizer.step()
            n_updates += 1
            average += max(9.0 / (10.0 + n_updates), 0.01) * (params.detach() - average)
    assert n_updates == 9
    torch.testing.assert_close(state.snapshot()[0], average, rtol=1e-12, atol=1e-14)
    assert state.histories[0].loss == pytest.approx(np.reshape(losses, (3, 3)).mean(1), rel=1e-12)


def test_the_running_average_takes_a_hundredth_of_late_steps():
    state = TrainingState(torch.zeros(1, 3, dtype=torch.float64), Linear(3), some_rows(), [member(range(40))])
    state.n_updates += 10_000
    gradient, active = torch.ones(1, 3, dtype=torch.float64), torch.tensor([True])
    adam = Adam([setting()], state, 1)
    (factors,) = adam.begin(state, torch.full((1, 1, 1), 0.1, dtype=torch.float64))
    adam.step(state, factors, torch.zeros(1, dtype=torch.float64), gradient, active)
    assert state.params.abs().min() > 0.01
    torch.testing.assert_close(state.average, 0.01 * state.params)


def test_a_member_whose_every_step_fails_does_not_disturb_the_others():
    rows = some_rows(24, poison_at=range(24))

    def members():
        return [member(range(24), seed=seed) for seed in range(3)]

    settings = [setting(max_iter=3), setting(max_iter=5), setting(max_iter=5)]
    together = run(Linear(3, poisoned=(False, True, False)), rows, members(), settings)
    assert [history.failure is None for history in together.histories] == [True, False, True]
    assert together.histories[1].n_skipped == 3
    assert together.histories[1].loss == []
    assert not together.snapshot()[1].any()
    for i in (0, 2):
        alone = run(Linear(3), rows, [members()[i]], [settings[i]])
        assert together.histories[i].loss == pytest.approx(alone.histories[0].loss, rel=1e-12)
        torch.testing.assert_close(together.snapshot()[i], alone.snapshot()[0], rtol=1e-12, atol=1e-14)


def test_finished_members_leave_the_stack():
    rows, widths = some_rows(24), []
    settings = [setting(max_iter=2), setting(max_iter=5), setting(max_iter=3)]

    def members():
        return [member(range(24), batch_size=size, seed=size) for size in (4, 8, 12)]

    def on_epoch(epoch, state):
        assert state.params.shape[0] == len(state.members) == len(state.active) == len(state.first)
        widths.append(state.active.tolist())
        return False

    together = run(Linear(3), rows, members(), settings, on_epoch)
    assert widths == [[0, 1, 2], [0, 1, 2], [1, 2], [1], [1]]
    assert [len(history.loss) for history in together.histories] == [2, 5, 3]
    for i in range(3):
        alone = run(Linear(3), rows, [members()[i]], [settings[i]])
        torch.testing.assert_close(together.snapshot()[i], alone.snapshot()[0], rtol=1e-12, atol=1e-14)


def test_training_stops_when_told():
    epochs = []

    def on_epoch(epoch, state):
        epochs.append(epoch)
        return epoch == 2

    state = run(Linear(3), some_rows(24), [member(range(24))], [setting(max_iter=9)], on_epoch)
    assert epochs == [1, 2]
    assert len(state.histories[0].loss) == 2


def test_what_is_told_of_an_epoch_can_be_used_for_anything():
    gradients = []

    def on_epoch(epoch, state):
        weights = state.snapshot().requires_grad_()
        gradients.append(torch.autograd.grad(weights.square().sum(), weights)[0])
        weights.data.zero_()
        return False

    told = run(Linear(3), some_rows(24), [member(range(24))], [setting(max_iter=4)], on_epoch)
    alone = run(Linear(3), some_rows(24), [member(range(24))], [setting(max_iter=4)])
    assert torch.equal(told.snapshot(), alone.snapshot())
    assert torch.equal(gradients[-1], 2.0 * alone.snapshot())


def opposed_rows():
    """Training rows that pull the weight to 1, held-out rows (from 20) that want 0.3."""
    x = torch.ones(30, 1, dtype=torch.float64)
    y = torch.tensor([[1.0]] * 20 + [[0.3]] * 10, dtype=torch.float64)
    return Rows(x, y, torch.ones(30, dtype=torch.float64))


@pytest.mark.parametrize("start", [0.0, 0.3])
def test_held_out_rows_choose_the_weights(start):
    seen = []

    def on_epoch(epoch, state):
        seen.append(state.average[0, 0].item())
        return False

    own = member(range(20), range(20, 30), batch_size=5)
    params = torch.full((1, 1), start, dtype=torch.float64)
    state = train(Linear(1), params, opposed_rows(), [own], [setting(max_iter=8)], on_epoch)
    history = state.histories[0]
    scores = [-0.5 * (0.3 - weight) ** 2 for weight in seen]
    assert history.validation == pytest.approx(scores, rel=1e-12)
    assert seen[-1] > 0.6  # by then training has passed the best weights
    best = max([start, *seen], key=lambda weight: -((0.3 - weight) ** 2))
    assert state.snapshot()[0, 0].item() == best
    assert history.best_score == pytest.approx(-0.5 * (0.3 - best) ** 2, rel=1e-12)


def test_without_held_out_rows_the_last_average_stays():
    last = []

    def on_epoch(epoch, state):
        last.append(state.average.clone())
        return False

    state = run(Linear(3), some_rows(24), [member(range(24))], [setting(max_iter=4)], on_epoch)
    assert torch.equal(state.snapshot(), last[-1])
    assert state.histories[0].validation == []
    assert state.histories[0].calibration == 1.0


@pytest.mark.parametrize(("residual", "calibration"), [(0.5, 1.0), (3.0, 2.0)])
def test_the_calibration_that_held_out_rows_like_best_is_kept(residual, calibration):
    x = torch.ones(30, 1, dtype=torch.float64)
    y = torch.zeros(30, 1, dtype=torch.float64)
    y[20:] = residual
    rows = Rows(x, y, torch.ones(30, dtype=torch.float64))
    state = run(Linear(1), rows, [member(range(20), range(20, 30))], [setting(max_iter=3)])
    history = state.histories[0]
    assert history.calibration == calibration
    error = residual - state.snapshot()[0, 0].item()
    expected = -0.5 * (error / calibration) ** 2 - math.log(calibration)
    assert history.best_score == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("tol", "patience", "expected"), [(0.0, math.inf, 30), (1e9, 4, 4), (0.0, 4, None)])
def test_tol_counts_epochs_without_improvement(tol, patience, expected):
    own = member(range(20), range(20, 30), batch_size=20)
    state = run(Linear(1), opposed_rows(), [own], [setting(max_iter=30, tol=tol, n_iter_no_change=patience)])
    history = state.histories[0]
    if expected is None:  # the score rises until the weight passes 0.3, then falls
        expected = int(np.argmax(history.validation)) + 1 + 4
        assert 4 < expected < 30
    assert len(history.validation) == expected
    assert history.stopped is (expected < 30)


# A stack of fits.


def problem(seed=0, n=130):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3))
    y = np.stack([np.sin(2 * X[:, 0]), X[:, 1] * X[:, 2]], axis=1) + 0.2 * generator.normal(size=(n, 2))
    return X, y, generator.uniform(0.2, 2.0, size=n)


BASE = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "dtype": "float64", "random_state": 3}
STACKS = {
    "rates, decay and clipping": [
        {"learning_rate_init": 0.02, "alpha": 0.1},
        {"learning_rate_init": 0.001, "clip_grad_norm": 0.1},
        {"clip_grad_value": 0.01, "clip_grad_norm": None},
    ],
    "components": [{"n_components": 4}, {"n_components": 4, "n_estimators": 2}],
    "full": [{"covariance_type": "full", "alpha": alpha} for alpha in (0.0, 0.1)],
    "tied": [{"covariance_type": "tied", "alpha": alpha} for alpha in (0.0, 0.1)],
    "spherical": [{"covariance_type": "spherical", "alpha": alpha} for alpha in (0.0, 0.1)],
    "batches and epochs": [{"batch_size": 50, "max_iter": n} for n in (3, 4, 1)],
    "folds": [{"early_stopping": False}, {"validation_fraction": 0.5}, {"n_estimators": 3}],
    "dropout": [{"dropout": 0.5}, {"dropout": 0.2}, {"dropout": 0.0, "n_estimators": 2}],
    "bins": [{"numerical_embedding": "piecewise_linear"}, {"numerical_embedding": "piecewise_linear"}],
    "tolerance": [{"tol": 1e3, "n_iter_no_change": 2}, {"tol": None}],
}


def plan_of(parameters, fit, weighted):
    X, y, weight = problem(seed=fit, n=130 - 20 * fit)
    model = MDNRegressor(**(BASE | parameters))
    return model._build(model._validate(X, y, weight if weighted else None))


def train_all(plans, dtype=torch.float64):
    return train_plans(plans, device=torch.device("cpu"), dtype=dtype)


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weighted"])
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_of_fits_is_the_fits_one_by_one(name, weighted):
    # One data set each, of unequal sizes: a plan is built anew because training uses up its streams.
    together = train_all([plan_of(parameters, i, weighted) for i, parameters in enumerate(STACKS[name])])
    for i, parameters in enumerate(STACKS[name]):
        (alone,) = train_all([plan_of(parameters, i, weighted)])
        torch.testing.assert_close(together[i].params, alone.params, rtol=1e-7, atol=1e-9)
        for found, expected in zip(together[i].histories, alone.histories, strict=True):
            assert found.loss == pytest.approx(expected.loss, rel=1e-9)
            assert found.validation == pytest.approx(expected.validation, rel=1e-9)
            assert found.stopped == expected.stopped


def products_hang_on_nothing(network, n_rows, dtype):
    """Whether products of the network's matrices are rounded alike in any stack by this machine."""
    for fan_in, fan_out in (shape for shape in network.shapes.values() if len(shape) == 2):
        x, by, weights = (
            normal(5, *shape).to(dtype) for shape in ((n_rows, fan_in), (n_rows, fan_out), (fan_in, fan_out))
        )
        for left, right in ((x, weights), (x.mT, by), (by, weights.mT)):
            if not torch.equal(torch.bmm(left, right)[:1], torch.bmm(left[:1], right[:1])):
                return False
    return True


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", ["silu", "gelu", "logistic", "tanh"])
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_changes_no_bit(name, activation, dtype):
    shared = {"activation": activation, "max_iter": 12}
    cases = [shared | parameters for parameters in STACKS[name]]
    plans = [plan_of(parameters, i, weighted=True) for i, parameters in enumerate(cases)]
    if not products_hang_on_nothing(plans[0].network, plans[0].batch_places, dtype):
        pytest.skip("products of matrices hang on the stack on this machine")
    for found, parameters, i in zip(train_all(plans, dtype), cases, range(len(cases)), strict=True):
        (alone,) = train_all([plan_of(parameters, i, weighted=True)], dtype)
        assert torch.equal(found.params, alone.params)
        assert found.histories == alone.histories


def test_what_differs_in_shape_is_no_stack():
    plans = [plan_of({"n_components": k}, 0, weighted=False) for k in (1, 2)]
    assert stack_key(plans[0]) != stack_key(plans[1])
    plans = [plan_of({"batch_size": size}, 0, weighted=False) for size in (9, 50, 1000, 2000)]
    assert [plan.batch_places for plan in plans] == [9, 50, 160, 160]
    assert stack_key(plans[2]) == stack_key(plans[3])


def test_training_moves_far_enough_to_tell():
    """The comparison above would hold for weights that never moved."""
    plan = plan_of({}, 0, weighted=False)
    (trained,) = train_all([plan])
    assert (trained.params - plan.params).abs().max() > 0.05
    assert trained.histories[0].loss[-1] < trained.histories[0].loss[0]


@pytest.mark.parametrize(
    ("bound", "block"), [("VALIDATION_BLOCK", 1), ("VALIDATION_BLOCK", 7), ("VALIDATION_NUMBERS", 1000)]
)
def test_validation_in_blocks_is_validation(monkeypatch, bound, block):
    whole = train_all([plan_of({"n_estimators": 3, "validation_fraction": 0.3}, 0, weighted=True)])[0]
    monkeypatch.setattr(loop, bound, block)
    parts = train_all([plan_of({"n_estimators": 3, "validation_fraction": 0.3}, 0, weighted=True)])[0]
    for found, expected in zip(parts.histories, whole.histories, strict=True):
        assert found.validation == pytest.approx(expected.validation, rel=1e-9)


def test_plans_share_a_table_of_rows():
    X, y, _ = problem()
    model = MDNRegressor(**BASE)
    data = model._validate(X, y)
    alone = train_all([model._build(data)])[0].params
    together = train_all([model._build(data), model._build(data)])
    for trained in together:
        torch.testing.assert_close(trained.params, alone, rtol=1e-7, atol=1e-9)

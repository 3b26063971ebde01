"""From the rows of one or several fits to one stack of networks, and back.

A fit is a plan: arrays, members and a network. Plans whose networks differ at most in the number of
components train as one stack; a single fit is a stack made of one plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sklearn_mdn._data import Member, Rows
from sklearn_mdn._mixture import Mixture
from sklearn_mdn._network import StackedMLP, Trace
from sklearn_mdn._training import History, MemberSettings, TrainingState, rows_at_once, train

# A fold that held out fewer rows than this would stop training on noise.
MIN_VALIDATION_ROWS = 10

# Factors on the standard deviations that early stopping chooses from. None is below 1, so that reg_covar
# stays a lower bound of the variances.
CALIBRATIONS = (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)

# Weights of rows are known to so many bits relative to the smallest one, and those that are smaller than this
# share of the largest one are 0.
WEIGHT_BITS = 40
SMALLEST_WEIGHT = 1e-100

# float64 numbers of the widest layer that prediction holds at once.
PREDICTION_BLOCK = 1 << 23


@final
@dataclass(frozen=True)
class Table:
    """Rows in an order that depends only on the set of rows: x (n, d), y (n, D), weight (n,)."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)

    def head(self, n_rows: int) -> Table:
        return Table(self.x[:n_rows], self.y[:n_rows], self.weight[:n_rows])


def canonical_rows(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Table:
    """Drop rows of weight 0, merge equal rows by adding their weights, sort, scale weights to mean 1.

    Weighted and repeated data, weights on any scale, and any order of rows become the same arrays, so
    that a fit to them is the same to the last bit.
    """
    weight = np.ones(len(x)) if weight is None else weight / weight.max()
    rows = np.concatenate([x, y, weight[:, None]], axis=1)[weight > SMALLEST_WEIGHT]
    rows = rows + 0.0  # -0.0 becomes 0.0
    rows = rows[np.lexsort(rows.T[::-1])]
    differs = np.any(rows[1:, :-1] != rows[:-1, :-1], axis=1)
    first = np.flatnonzero(np.concatenate([[True], differs]))
    merged = counted(np.add.reduceat(rows[:, -1], first))
    n_features = x.shape[1]
    return Table(
        x=np.ascontiguousarray(rows[first, :n_features]),
        y=np.ascontiguousarray(rows[first, n_features:-1]),
        weight=merged * (len(merged) / merged.sum()),
    )


def counted(weight: np.ndarray) -> np.ndarray:
    """Weights in units of the smallest one, without the rounding that another scale would have left.

    Integers again where they were integers: which rows have reached just half of all weight, say, must not
    hang on the last bit.
    """
    mantissa, exponent = np.frexp(weight / weight.min())
    return np.ldexp(np.round(np.ldexp(mantissa, WEIGHT_BITS)), exponent - WEIGHT_BITS)


def fitted_scaler(values: np.ndarray, weight: np.ndarray, name: str) -> StandardScaler:
    """Weighted means and standard deviations of columns, 1 for a constant one."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(values, sample_weight=weight)
        spread = np.ptp(values, axis=0)
    # StandardScaler takes a spread below n eps |mean| for rounding, and squares that underflow for none.
    hidden = (scaler.scale_ == 1.0) & (scaler.var_ != 1.0) & (spread > 0.0)
    if hidden.any():
        closer = StandardScaler().fit((values - values[0])[:, hidden] / spread[hidden], sample_weight=weight)
        scaler.mean_[hidden] = values[0, hidden] + spread[hidden] * closer.mean_
        scaler.scale_[hidden] = spread[hidden] * closer.scale_
    if not np.isfinite(scaler.var_).all():
        raise ValueError(
            f"{name} must have a variance that a float64 can hold, got values as large as "
            f"{np.abs(values).max():.3g}."
        )
    return scaler


@final
@dataclass(frozen=True)
class Standardization:
    """The affine maps of inputs and targets to mean 0 and standard deviation 1 on the training rows."""

    x_offset: np.ndarray
    x_scale: np.ndarray
    y_offset: np.ndarray
    y_scale: np.ndarray

    @classmethod
    def of(cls, table: Table) -> Standardization:
        x_scaler = fitted_scaler(table.x, table.weight, "X")
        y_scaler = fitted_scaler(table.y, table.weight, "y")
        return cls(x_scaler.mean_, x_scaler.scale_, y_scaler.mean_, y_scaler.scale_)

    def x(self, values: np.ndarray) -> np.ndarray:
        return (values - self.x_offset) / self.x_scale

    def y(self, values: np.ndarray) -> np.ndarray:
        return (values - self.y_offset) / self.y_scale

    @property
    def log_jacobian(self) -> float:
        """What a log density in standardised units loses in original ones."""
        return float(np.log(self.y_scale).sum())


@final
@dataclass(frozen=True)
class TrainingSet:
    """Standardised rows: ``n_train`` to train on, then those that only early stopping watches."""

    rows: Table
    n_train: int
    standardization: Standardization
    target_ndim: int

    @classmethod
    def of(
        cls, table: Table, watched: Table | None, standardization: Standardization, target_ndim: int
    ) -> TrainingSet:
        parts = [table] if watched is None else [table, watched]
        rows = Table(
            x=standardization.x(np.concatenate([part.x for part in parts])),
            y=standardization.y(np.concatenate([part.y for part in parts])),
            weight=np.concatenate([part.weight for part in parts]),
        )
        return cls(rows, len(table), standardization, target_ndim)

    @property
    def n_watched(self) -> int:
        return len(self.rows) - self.n_train


def component_centers(table: Table, n_components: int) -> np.ndarray:
    """Where component means start, (K, D): targets at even quantiles along their main direction."""
    _, vectors = np.linalg.eigh(
        np.cov(table.y.T, aweights=table.weight, ddof=0).reshape(table.y.shape[1], -1)
    )
    # Its sign: that of the first large entry, for the largest may share its size with others to rounding.
    direction = vectors[:, -1]
    direction = direction * np.sign(direction[np.argmax(np.abs(direction) > 0.5 * np.abs(direction).max())])
    order = np.argsort(table.y @ direction, kind="stable")
    reached = np.cumsum(table.weight[order]) / table.weight.sum()
    levels = (np.arange(n_components) + 0.5) / n_components
    return table.y[order[np.searchsorted(reached, levels).clip(max=len(order) - 1)]]


def held_out_folds(n_rows: int, fraction: float, seed: int) -> list[np.ndarray]:
    """One shuffle of the rows, cut into round(1 / fraction) folds, or fewer if those would be too small.

    Of few rows half are held out at once: a network that nothing stops learns them by heart.
    """
    if n_rows < 2:
        return []
    n_folds = max(2, round(min(1.0 / fraction, n_rows // MIN_VALIDATION_ROWS)))
    order = np.random.default_rng(np.random.SeedSequence([seed])).permutation(n_rows)
    return [np.sort(fold) for fold in np.array_split(order, n_folds)]


def members_folds(folds: list[np.ndarray], n_members: int) -> list[np.ndarray]:
    """The fold that each member holds out: 0, 1, 0, 1, then 2, 3, 2, 3, and so on, and round again.

    It depends on the member's number alone. Two networks or more see every row, and of three or more there
    are two that hold out the same rows, which tell how good networks are together.
    """
    return [folds[(i // 4 * 2 + i % 2) % len(folds)] for i in range(n_members)]


def member_generator(seed: int, member: int) -> torch.Generator:
    """The random stream of a member: it depends on (seed, member) alone, and lives on the CPU."""
    (state,) = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


@final
@dataclass
class Plan:
    """One fit, ready to train: its rows (shared by plans with equal preprocessing) and its members."""

    architecture: dict
    network: StackedMLP
    data: TrainingSet
    train: list[np.ndarray]
    validation: list[np.ndarray]
    generators: list[torch.Generator]
    settings: MemberSettings
    batch_size: int
    params: Tensor
    seed: int


def stack_key(plan: Plan) -> tuple:
    """Plans of equal keys can train in one stack: their networks differ in the number of components only."""
    network = plan.network
    return replace(network, head=replace(network.head, n_components=1)), plan.batch_size


def network_bytes(plan: Plan, dtype: str) -> int:
    """About the memory that each network of a plan takes in training, its rows left out."""
    # Parameters, their best values, the gradient and its clipped copy, two moments, two temporaries; the
    # activations of a batch, each with its gradient and the temporaries of the activation function.
    shapes = plan.network.shapes.values()
    activations = plan.batch_size * sum(shape[-1] for shape in shapes) * (2 + plan.network.n_features)
    return (8 * plan.network.n_parameters + 4 * activations) * np.dtype(dtype).itemsize


@final
@dataclass
class Trained:
    """What training gives one plan: parameters (E, P) and the members' histories."""

    params: Tensor
    histories: list[History]


def widen(mixture: Mixture, factor: Tensor) -> Mixture:
    """The mixture with standard deviations multiplied by ``factor``, which fits the batch axes."""
    batch_axes = mixture.logits.ndim - 1

    def stretch(stored: Tensor) -> Tensor:
        return stored * factor[(..., *(None,) * (stored.ndim - batch_axes))]

    return replace(mixture, scale=mixture.scale.map(stretch))


@final
@dataclass(frozen=True)
class MixtureLikelihood:
    """log p(y | x) of each row under each member, with padded components switched off.

    A calibration is a factor on the standard deviations: a network that has begun to fit noise is too sure
    of itself on rows it has not seen, and wider components mend that (Levi et al. 2022, "Evaluating and
    calibrating uncertainty prediction in regression tasks").
    """

    network: StackedMLP
    used: Tensor | None = None

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        return self.network.hidden_layer_sizes

    @property
    def n_decayed(self) -> int:
        return self.network.n_decayed

    def select(self, index: Tensor) -> MixtureLikelihood:
        return self if self.used is None else replace(self, used=self.used[index])

    def derivative(self, params: Tensor) -> LikelihoodDerivative:
        return LikelihoodDerivative(self, params)

    @property
    def calibrations(self) -> Sequence[float]:
        return CALIBRATIONS

    @property
    def numbers_a_row(self) -> int:
        head = self.network.head
        entries = 1 if head.covariance_type in ("spherical", "diag") else head.n_targets
        return len(CALIBRATIONS) * head.n_components * head.n_targets * entries

    def calibrated(self, params: Tensor, x: Tensor, y: Tensor) -> Tensor:
        mixture = self.network(self.network.split(params), x, used=self.used)
        return widen(mixture, x.new_tensor(CALIBRATIONS).view(-1, 1, 1)).log_prob(y)


@final
class LikelihoodDerivative:
    """The log-likelihood of rows and its gradient, at parameters (S, P) that change in place.

    Parameters and gradient are cut into layers once, not in every step.
    """

    def __init__(self, likelihood: MixtureLikelihood, params: Tensor) -> None:
        self.network, self.used = likelihood.network, likelihood.used
        self.gradient = torch.zeros_like(params)
        self.weights, self.by = self.network.split(params), self.network.split(self.gradient)

    def __call__(
        self, x: Tensor, y: Tensor, weight: Tensor, keep: Sequence[Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        trace: Trace = []
        outputs = self.network.outputs(self.weights, x, keep, trace)
        log_prob, by_outputs = self.network.head.log_prob_gradient(outputs, y, weight, self.used)
        self.network.backward(self.weights, keep, trace, by_outputs, self.by)
        return log_prob, self.gradient


def train_plans(
    plans: list[Plan],
    *,
    device: torch.device,
    dtype: torch.dtype,
    on_epoch: Callable[[int, TrainingState], bool] | None = None,
) -> list[Trained]:
    """Train the members of all plans as one stack."""
    widest = max((plan.network for plan in plans), key=lambda network: network.head.n_components)
    rows, starts = _joined_rows([plan.data.rows for plan in plans], device, dtype)
    members, settings, used = [], [], []
    for plan, start in zip(plans, starts, strict=True):
        for own, held_out, generator in zip(plan.train, plan.validation, plan.generators, strict=True):
            members.append(
                Member(
                    torch.from_numpy(own + start),
                    torch.from_numpy(held_out + start),
                    plan.batch_size,
                    generator,
                )
            )
            settings.append(plan.settings)
            used.append(torch.arange(widest.head.n_components, device="cpu") < plan.network.head.n_components)
    mask = torch.stack(used).unsqueeze(1).to(device)
    objective = MixtureLikelihood(widest, None if mask.all() else mask)
    params = torch.cat([plan.network.widen(plan.params, widest) for plan in plans])
    state = train(objective, params.to(device=device, dtype=dtype), rows, members, settings, on_epoch)
    return _separate(plans, widest, state)


def calibration_places(calibration: np.ndarray) -> np.ndarray:
    """Where factors stand in CALIBRATIONS."""
    return np.searchsorted(CALIBRATIONS, calibration)


def shifted(places: np.ndarray, shift: int) -> np.ndarray:
    """Places in CALIBRATIONS that are further up, or down if negative, as far as its ends."""
    return np.clip(places + shift, 0, len(CALIBRATIONS) - 1)


def larger_pool(log_density: np.ndarray, weight: np.ndarray, growth: float) -> np.ndarray:
    """What to expect of log(sum_m w_m p_m), with log p (..., M, n), in a pool ``growth`` times as large.

    To second order the logarithm of a mean of densities lies below that of their expectation by half their
    squared coefficient of variation times sum_m w_m^2, which is 1 / M for equal weights, so that more
    networks of the same kind gain what they take off this (Nowozin 2018, "Debiasing evidence
    approximations", proposition 1).
    """
    pooled = logsumexp(log_density, axis=-2, b=weight[:, np.newaxis])
    square = weight @ weight
    if square == 1.0:  # nothing is known of how networks differ
        return pooled
    possible = np.where(np.isfinite(pooled), pooled, 0.0)
    deviation = np.expm1(log_density - possible[..., np.newaxis, :])
    variance = (weight[:, np.newaxis] * deviation**2).sum(-2) / (1.0 - square)
    return pooled + 0.5 * square * (1.0 - 1.0 / growth) * variance


@torch.no_grad()
def ensemble_calibration(plan: Plan, trained: Trained, device: torch.device) -> np.ndarray:
    """Factors on the members' standard deviations, (E,), for the mixture of them all.

    Networks that disagree widen their mixture by that already, so that factors which are best for each
    network alone are too large for it. All members go down the same number of places in CALIBRATIONS:
    the number that is best for rows which several of them have held out.
    """
    rows, n_members = plan.data.rows, len(plan.validation)
    own = np.array([history.calibration for history in trained.histories])
    places = np.stack([shifted(calibration_places(own), -i) for i in range(len(CALIBRATIONS))])
    objective, score = MixtureLikelihood(plan.network), np.zeros(len(CALIBRATIONS))
    sharing: dict[bytes, list[int]] = {}
    for i, fold in enumerate(plan.validation):
        sharing.setdefault(fold.tobytes(), []).append(i)
    for members in sharing.values():
        m, fold = len(members), plan.validation[members[0]]
        params = trained.params[members].double().to(device)
        for part in (
            np.array_split(fold, -(-len(fold) * m // rows_at_once(objective))) if m > 1 and len(fold) else []
        ):
            x, y = (
                torch.from_numpy(values[part]).to(device).expand(m, -1, -1) for values in (rows.x, rows.y)
            )
            log_density = objective.calibrated(params, x, y).cpu().numpy()[places[:, members], np.arange(m)]
            score += larger_pool(log_density, np.full(m, 1.0 / m), n_members / m) @ rows.weight[part]
    return np.array(CALIBRATIONS)[places[np.argmax(np.nan_to_num(score, nan=-np.inf))]]


def _joined_rows(tables: list[Table], device: torch.device, dtype: torch.dtype) -> tuple[Rows, list[int]]:
    """All distinct tables one below the other, each once, and where each plan's table starts."""
    distinct = {id(table): table for table in tables}
    lengths = np.cumsum([0] + [len(table) for table in distinct.values()])
    start = dict(zip(distinct, lengths[:-1].tolist(), strict=True))

    def tensor(name: str) -> Tensor:
        arrays = [torch.from_numpy(getattr(table, name)) for table in distinct.values()]
        return torch.cat([array.to(device=device, dtype=dtype) for array in arrays])

    return Rows(tensor("x"), tensor("y"), tensor("weight")), [start[id(table)] for table in tables]


def _separate(plans: list[Plan], widest: StackedMLP, state: TrainingState) -> list[Trained]:
    """Cut a stack's result into the plans' own."""
    params, trained, start = state.snapshot().cpu(), [], 0
    for plan in plans:
        end = start + len(plan.train)
        own = plan.network.narrow(params[start:end], widest)
        trained.append(Trained(own, state.histories[start:end]))
        start = end
    return trained


@torch.no_grad()
def predict_mixture(
    network: StackedMLP,
    weights: dict[str, np.ndarray],
    calibration: np.ndarray,
    standardization: Standardization,
    x: np.ndarray,
    device: torch.device,
) -> Mixture:
    """The members' pooled mixture at rows x, in original units: float64, on the CPU, batch axis (n,)."""
    tensors = {
        name: torch.from_numpy(np.array(values, dtype=np.float64)).to(device)
        for name, values in weights.items()
    }
    n_members = len(next(iter(tensors.values())))
    inputs = torch.from_numpy(standardization.x(x)).to(device)
    width = max(shape[-1] for shape in network.shapes.values()) * (1 + network.n_features)
    block = max(1, PREDICTION_BLOCK // (n_members * width))
    outputs = torch.cat(
        [network.outputs(tensors, part.expand(n_members, -1, -1)).cpu() for part in inputs.split(block)],
        dim=1,
    )
    offset = torch.from_numpy(np.array(standardization.y_offset))
    scale = torch.from_numpy(np.array(standardization.y_scale))
    mixture = widen(network.head(outputs), torch.from_numpy(np.array(calibration)).unsqueeze(1))
    return mixture.merge_members().affine(offset, scale)

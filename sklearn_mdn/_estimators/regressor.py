"""MDNRegressor: a mixture density network as a scikit-learn estimator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import narwhals.stable.v2 as nw
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, validate_data

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.records import Grid, Records
from sklearn_mdn._distributions.stored_state import FORMAT_KEY, StoredEstimator
from sklearn_mdn._estimators.architecture import append_history, bins_beside_names, bins_for, network_of
from sklearn_mdn._estimators.arguments import (
    check_independent,
    check_on,
    check_targets_of,
    grid_of,
    group_keys,
    names_of_targets,
    naming,
    stand_in,
    warn_of_far_values,
    weighted_table,
)
from sklearn_mdn._estimators.bounds import TargetBounds, bounds_of
from sklearn_mdn._estimators.calibration import ensemble_calibration
from sklearn_mdn._estimators.capacity import (
    auto_batch_size,
    auto_max_iter,
    check_device,
    check_memory,
    naming_training_memory,
    untrainable,
)
from sklearn_mdn._estimators.density import DensityRegressorMixin, check_numeric, check_records, draw_seed
from sklearn_mdn._estimators.fit_context import fit_context
from sklearn_mdn._estimators.folds import (
    fold_bounds,
    held_out_folds,
    member_generator,
    members_folds,
    rows_without,
)
from sklearn_mdn._estimators.group import ProcessGroup
from sklearn_mdn._estimators.large import LargeFitsMixin
from sklearn_mdn._estimators.marginal import Marginal, earlier_attributes
from sklearn_mdn._estimators.plans import Plan, Trained, component_centers, train_plans
from sklearn_mdn._estimators.prediction import FittedNetworks
from sklearn_mdn._estimators.progress import Progress
from sklearn_mdn._estimators.rows import Standardization, TrainingSet
from sklearn_mdn._estimators.streams import is_stream
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.embedding import TableEmbedding
from sklearn_mdn._networks.layers import ACTIVATIONS
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._tables.columns import Columns, plain_columns, read_columns
from sklearn_mdn._tables.encoding import Encoding
from sklearn_mdn._training.loop import MemberSettings

EMBEDDING_NAMES = (
    *("embedding_frequencies", "embedding_coefs", "embedding_intercepts"),
    *("embedding_bins", "gap_values", "category_coefs"),
)

# What a prediction reads, beside the parameters of embeddings, and what warm_start reads as well.
TO_PREDICT = (
    *("coefs_", "intercepts_", "_architecture", "calibration_"),
    *("X_offset_", "X_scale_", "X_gaps_", "X_min_", "X_max_", "y_offset_", "y_scale_"),
    *("shrinkage_", "marginal_deviations_"),
    *("is_categorical_", "categories_", "category_codes_", "n_features_in_", "target_ndim_"),
)
TO_CONTINUE = (
    *("_seed", "_folds", "n_outputs_"),
    *("n_iter_", "n_skipped_steps_", "loss_curve_", "validation_scores_"),
)

# Attributes, beside parameters of embeddings, that only some fits set.
SOMETIMES = (
    *("target_names_", "resolution_", "resolution_offset_", "support_", "limits_"),
    *("named_columns_", "named_values_", "_passed"),
)

# Spread of the components at the start, in standard deviations of the target.
INITIAL_SPREAD = 0.5

# So that the steps of all epochs can be counted.
MOST_EPOCHS = 10**9


class MDNRegressor(LargeFitsMixin, CallbackSupportMixin, DensityRegressorMixin, StoredEstimator):
    r"""Mixture density network regressor.

    A feed-forward network gives the mixing proportions, means and covariances of a Gaussian mixture
    over the target [1]_, so that every row has a whole conditional density:

    .. math:: p(y \mid x) = \sum_k \pi_k(x)\, N(y; \mu_k(x), \Sigma_k(x)).

    The negative log-likelihood is minimised by backpropagation with AdamW [2]_ under a learning rate that
    warms up and then falls along half a cosine [3]_. Inputs and targets are standardised inside.
    ``n_estimators`` networks train together as one stack and predict as one mixture.

    Parameters
    ----------
    n_components : int, default=5
        Components of each network's mixture; an ensemble's has ``n_estimators`` times as many.
    covariance_type : {"diag", "full", "tied", "spherical"}, default="diag"
        Structure of the covariances over several targets: targets independent within a component, any
        covariance for each component, one for all components of a member, or one variance a component (of the
        standardised targets). All of them depend on x.
    n_estimators : int, default=1
        Networks in the ensemble, each with a fold held out for early stopping, which two networks share.
    hidden_layer_sizes : int or array-like of int, default=(64, 64)
        Units of the hidden layers. An int is one layer; empty is for densities whose parameters are linear
        in x.
    activation : {"silu", "gelu", "relu", "tanh", "logistic", "identity"}, default="silu"
        Activation of the hidden layers.
    categorical_features : array-like of {bool, int, str} or None, default="from_dtype"
        Which columns are categories. "from_dtype" goes by their types: in a data frame columns of categories
        (pandas ``category``, polars ``Categorical`` and ``Enum``, pyarrow dictionaries) and of texts, in an
        array of objects columns of texts. An array of bool has an entry for each column, one of int or str
        names columns. None takes all columns as numbers. A category has a learned vector [5]_ with a normal
        prior, so that few rows move it little; those with a single distinct row share one, which also stands
        for categories that ``fit`` did not see.
    numerical_embedding : {"both", "piecewise_linear", "periodic"} or None, default="both"
        What each number enters as beside its own value [4]_. "piecewise_linear" adds where it lies in bins
        between quantiles of the training rows, or between all values of a column that has few, which lets
        networks follow steps and kinks as trees do. "periodic" adds learned sines and cosines of it, for
        smooth but sharp changes. None uses the numbers alone. With bins, a column whose single values say
        more of the target than where they lie (an identity, a day, a route) is one of categories
        as well, if an F test of lack of fit says so beyond doubt; not with ``groups`` or ``distributed``, nor
        where rows are read in blocks.
    alpha : float, default=1e-4
        Decoupled decay of the weights (not the biases) at each step, relative to the learning rate.
    batch_size : int or "auto", default="auto"
        Rows a step. "auto" is the largest power of two that is at most n / 8, but at least 32 and at most
        256, where n counts the distinct training rows.
    learning_rate_init : float, default=0.01
        Highest learning rate of the schedule.
    max_iter : int or "auto", default="auto"
        Epochs at most, which is also the length of the learning-rate schedule. "auto" is 600 for up to
        16,666 distinct training rows, 10,000,000 / n for more of them, and at least 50.
    tol : float or None, default=None
        Improvement of the watched log-likelihood that counts. None counts any and takes reaching
        ``max_iter`` as planned; with a number, a network that gets there gives a ConvergenceWarning (unless
        ``n_iter_no_change=None`` wants it to).
    n_iter_no_change : int or None, default=100
        Epochs without such an improvement after which a network stops. None runs all ``max_iter`` epochs.
    early_stopping : bool, default=True
        Whether to hold out a fold for each network, watch its log-likelihood and end with the best
        weights, and with the factor on the standard deviations that is best there. False trains on all
        rows and watches the training loss.
    validation_fraction : float, default=0.1
        Share of the distinct rows that each network holds out, in (0, 0.5]. The rows are cut into round(1 /
        validation_fraction) folds, at least 2, and a network holds out one: 0.3 makes it a third, 0.4 a half.
        The folds become fewer, down to 2, where they would have fewer than 10 rows each.
    dropout : float, default=0.0
        Probability with which a hidden unit is left out in a training step.
    resolution : float, array-like of shape (n_outputs,), "auto" or None, default=None
        Distance between the values that a target can have because it was rounded or counted: 1 for whole
        numbers. A value y then stands for what is rounded to it, the interval from y - resolution / 2 to
        y + resolution / 2, and the likelihood is that of the interval, in ``fit`` as in ``score``. "auto"
        finds the coarsest grid that all values lie on, and 0 where there is none. None, or 0 for one of
        several targets, takes values as they are, with a density. Targets have to be independent within
        components then ("diag" or "spherical").
    support : "positive", pair (low, high) or None, default=None
        Where all values of the target lie, without the bounds themselves; None for an open end, "positive" is
        (0, None). The networks learn log(y - low), -log(high - y) or the logit, standardised, and everything
        they predict is of y: ``predict`` its mean, ``score`` its log-likelihood in units of y, and
        ``predict_distribution`` a :class:`TransformedDistribution`. None takes the whole line.
    limits : pair (low, high) or None, default=None
        Bounds at which values of the target were cut, or that carry mass: rain of 0 mm, the top code of a
        survey; None for an open end. A value on a bound says that the latent target lies there or beyond
        (it is censored), and ``predict_distribution`` gives a :class:`ClippedDistribution`. Targets have to
        be independent within components then ("diag" or "spherical").
    reg_covar : float, default=1e-6
        Added to the variances (to the diagonal of each covariance), in units of the standardised target.
    clip_grad_value : float or None, default=None
        Threshold to which each entry of the gradient is cut. None leaves entries as they are.
    clip_grad_norm : float or None, default=5.0
        Norm at which each network's gradient is clipped. None leaves it as it is.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights and scalers of the last ``fit`` for up to ``max_iter`` more
        epochs. A larger ``n_estimators`` adds networks.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the held-out folds, the order of rows and dropout. Pass an int for the same
        network, bit for bit, in every fit. None uses fresh entropy.
    verbose : int, default=0
        1 prints about twenty lines on the way, 2 a line an epoch.
    device : str, default="cpu"
        PyTorch device to train and predict on.
    dtype : {"float32", "float64"}, default="float32"
        Precision of training. Predictions are computed in float64.
    buffer_size : int or "auto", default="auto"
        Rows that ``fit`` shuffles together where it reads ``X`` in blocks: of an object that has a length and
        gives rows for slices, and is no array, list or frame, and of a ``numpy.memmap`` of more rows than
        these. "auto" is as many as make 1 GiB.
    distributed : bool, default=False
        Whether the processes of the default group of ``torch.distributed`` fit the same networks, each to the
        rows that it passes to ``fit``: columns of numbers, about as many rows everywhere. Every step takes
        ``batch_size`` rows of all processes together, and all end with the same networks. Rows that are equal
        are merged within a process alone.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_estimators, n_inputs, n_units)
        Weights of each layer. The last one gives logits, means and scales, in this order.
    intercepts_ : list of ndarray of shape (n_estimators, n_units)
        Biases of each layer.
    embedding_frequencies_, embedding_coefs_, embedding_intercepts_ : ndarray
        Parameters of the periodic embedding, with shapes (n_estimators, n_features, 6),
        (n_estimators, 12, 4) and (n_estimators, 4); only if it is used.
    embedding_bins_ : ndarray of shape (n_estimators, 2, n_bins)
        Left ends and inverse widths of the bins of all columns of numbers, in standardised units: those of
        columns with the fewest bins first. The inverse width is 0 for one that a column has no need of.
        Columns of less than three values have no bins; only if there are any.
    gap_values_ : ndarray of shape (n_estimators, n_numbers)
        What a gap in a column of numbers counts as, in standardised units; only if ``fit`` saw gaps.
    category_coefs_ : ndarray of shape (n_estimators, n_category_numbers)
        Vectors of all categories, those of the first categorical column first, in the order of
        ``category_codes_``; only if there are categories, or values that are names.
    is_categorical_ : ndarray of bool of shape (n_features,)
        Which columns are categories.
    categories_ : list of ndarray
        The categories of each categorical column, sorted, a gap last (NaN, or None among texts).
    category_codes_ : list of ndarray of int
        For each of them the number of its vector; 0 is the shared one.
    named_columns_ : ndarray of int of shape (n_named,)
        Columns of numbers, by their place among these, whose values are names and have vectors as categories
        do, behind those of the categorical columns; only if there are any.
    named_values_ : list of ndarray of float32
        The values of each of them that have a vector, sorted; only if there are any.
    X_offset_, X_scale_ : ndarray of shape (n_numbers,)
        Mean and standard deviation (1 for a constant column) of the columns of numbers.
    X_gaps_ : ndarray of bool of shape (n_numbers,)
        Whether there were gaps in ``fit``. A gap in another column counts as its mean.
    X_min_, X_max_ : ndarray of shape (n_numbers,)
        Smallest and largest training value of the columns of numbers.
    y_offset_, y_scale_ : ndarray of shape (n_outputs,)
        The same of the target.
    resolution_ : ndarray of shape (n_outputs,)
        Steps of the grids that values lie on, 0 for none; only with a ``resolution``.
    resolution_offset_ : ndarray of shape (n_outputs,)
        How far above the multiples of the step they lie; only with a ``resolution``.
    support_, limits_ : ndarray of shape (2,)
        The bounds of the target, infinite where there is none; only with a ``support`` or ``limits``.
    calibration_ : ndarray of shape (n_estimators,)
        Factor, at least 1, on each network's standard deviations, chosen on its held-out rows; 1 without.
        Where networks hold out the same rows, as of three there are two that do, they have one factor, that
        which is best for the mixture, between 0.5 and 4: what they disagree on widens it already.
    shrinkage_ : float
        How far the densities are moved towards that of the target alone, in [0, 1], as held-out rows say: 0
        leaves them as they are, 1 leaves nothing of the networks. See Notes.
    marginal_deviations_ : ndarray of shape (n_components,)
        Standard deviations of the components of the target's own density, in units of ``y_scale_``.
    batch_size_ : int
        Rows a step.
    n_iter_ : ndarray of shape (n_estimators,)
        Epochs that each network was trained for.
    loss_curve_ : list of n_estimators ndarray
        Mean negative log-likelihood of the training batches of each epoch, in the target's units: of the
        weights as they were in each step, with dropout.
    validation_scores_ : list of n_estimators ndarray
        Held-out log-likelihood after each epoch, in the target's units: of the running average of the
        weights, with the factor that is best at the time. Empty without held-out rows.
    best_validation_score_ : ndarray of shape (n_estimators,)
        Highest held-out log-likelihood, that of the stored weights with the factor that is best for the
        network alone, before any shrinkage; NaN without held-out rows.
    n_skipped_steps_ : ndarray of shape (n_estimators,)
        Steps left out because the loss or its gradient was not finite.
    n_outputs_ : int
        Targets.
    target_ndim_ : int
        Axes of the target in ``fit``: 1, or 2 for a target of shape (n_samples, n_outputs).
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names for all of them.
    target_names_ : ndarray of shape (n_outputs,)
        Names of the targets, where ``y`` was a series or a data frame with such names.

    Notes
    -----
    Where the rows say little, densities are moved towards that of the target alone, which is Student's for as
    many rows as there are [6]_, in ``n_components`` normal components. With shares a of their own, component
    means (from the mean of the target) are multiplied by a, variances become a^2 times themselves plus
    1 - a^2 times those of the target's own density, and component weights go to the power a.

    * The same for all rows, a is 1 - ``shrinkage_``. It is below 1 where networks are not clearly better than
      that density on the rows that they hold out.
    * It falls further, to 0, for rows of X in which a column lies 1 to 6 standard deviations beyond its
      training values, since nothing is known there. The standard deviations are then half as large again.

    References
    ----------
    .. [1] C. M. Bishop, "Mixture density networks", Aston University, 1994.
    .. [2] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    .. [3] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    .. [4] Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in tabular
       deep learning", NeurIPS 2022.
    .. [5] C. Guo and F. Berkhahn, "Entity embeddings of categorical variables", 2016.
    .. [6] A. Gelman et al., "Bayesian data analysis", 3rd edition, 2013, section 3.2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mdn import MDNRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = MDNRegressor(max_iter=20, random_state=0).fit(X_train, y_train)
    >>> distribution = model.predict_distribution(X_test)
    >>> lower, upper = distribution.interval(0.9)
    >>> bool(0.8 < ((lower < y_test) & (y_test < upper)).mean() < 1)
    True
    """

    __module__ = "sklearn_mdn"

    # Requested wherever metadata are routed, since a splitter's groups are what to hold out as well.
    # An upper end means the same to whoever asks for it.
    __metadata_request__fit: ClassVar[dict[str, bool | str | None]] = {"groups": True, "y_upper": True}
    __metadata_request__partial_fit: ClassVar[dict[str, bool | str | None]] = {"y_upper": True}
    __metadata_request__score: ClassVar[dict[str, bool | str | None]] = {"y_upper": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "tied", "diag", "spherical"})],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "numerical_embedding": [StrOptions({"periodic", "piecewise_linear", "both"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, MOST_EPOCHS, closed="both")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "resolution": ["array-like", StrOptions({"auto"}), Interval(Real, 0, None, closed="neither"), None],
        "support": ["array-like", StrOptions({"positive"}), None],
        "limits": ["array-like", None],
        "reg_covar": [Interval(Real, 0, None, closed="neither")],
        "clip_grad_value": [Interval(Real, 0, None, closed="neither"), None],
        "clip_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "device": [str],
        "dtype": [StrOptions({"float32", "float64"})],
        "distributed": ["boolean"],
        "buffer_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    }

    _EARLIER: ClassVar[dict[str, Any]] = {"resolution": None, "support": None, "limits": None}

    coefs_: list[NDArray[np.float64]]
    intercepts_: list[NDArray[np.float64]]
    embedding_frequencies_: NDArray[np.float64]
    embedding_coefs_: NDArray[np.float64]
    embedding_intercepts_: NDArray[np.float64]
    X_offset_: NDArray[np.float64]
    X_scale_: NDArray[np.float64]
    y_offset_: NDArray[np.float64]
    y_scale_: NDArray[np.float64]
    X_min_: NDArray[np.float64]
    X_max_: NDArray[np.float64]
    calibration_: NDArray[np.float64]
    shrinkage_: float
    marginal_deviations_: NDArray[np.float64]
    batch_size_: int
    n_iter_: NDArray[np.int64]
    loss_curve_: list[NDArray[np.float64]]
    validation_scores_: list[NDArray[np.float64]]
    best_validation_score_: NDArray[np.float64]
    n_skipped_steps_: NDArray[np.int64]
    n_outputs_: int
    target_ndim_: int
    _seed: int
    _architecture: dict[str, Any]

    def __init__(
        self,
        n_components: int = 5,
        *,
        covariance_type: Literal["diag", "full", "tied", "spherical"] = "diag",
        n_estimators: int = 1,
        hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]] = (64, 64),
        activation: Literal["silu", "gelu", "relu", "tanh", "logistic", "identity"] = "silu",
        categorical_features: ArrayLike | Literal["from_dtype"] | None = "from_dtype",
        numerical_embedding: Literal["periodic", "piecewise_linear", "both"] | None = "both",
        alpha: float = 1e-4,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 0.01,
        max_iter: int | Literal["auto"] = "auto",
        tol: float | None = None,
        n_iter_no_change: int | None = 100,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        dropout: float = 0.0,
        resolution: float | ArrayLike | Literal["auto"] | None = None,
        support: Literal["positive"] | tuple[float | None, float | None] | None = None,
        limits: tuple[float | None, float | None] | None = None,
        reg_covar: float = 1e-6,
        clip_grad_value: float | None = None,
        clip_grad_norm: float | None = 5.0,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
        buffer_size: int | Literal["auto"] = "auto",
        distributed: bool = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.categorical_features = categorical_features
        self.numerical_embedding = numerical_embedding
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.dropout = dropout
        self.resolution = resolution
        self.support = support
        self.limits = limits
        self.reg_covar = reg_covar
        self.clip_grad_value = clip_grad_value
        self.clip_grad_norm = clip_grad_norm
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.device, self.dtype = device, dtype
        self.buffer_size, self.distributed = buffer_size, distributed

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        # ``score`` is a log-likelihood, not the R² that scikit-learn's check expects.
        tags.regressor_tags.poor_score = True
        return tags

    # ------------------------------------------------------------------------------------- fit

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        y_upper: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        y_upper_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. Those of a large ``numpy.memmap``, or of an object with LightGBM's protocol of a
            sequence (``len(X)``, and ``X[start:stop]`` an array of numbers), are read in blocks, in another
            order in each epoch; ``y`` may then be such an object as well.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Their ratios count: beside weights of 1, a row of weight 2 is that row twice.
        y_upper : array-like of the shape of y, default=None
            Where given, a target is known to lie above ``y`` and not above ``y_upper``: infinite if it is
            censored from the right (alive at the end of a study), with ``y`` minus infinity if from the left
            (below a detection limit). Equal numbers are a value that was observed exactly. The likelihood is
            the probability of the interval, and the density of a value. Targets have to be independent
            within components for intervals ("diag" or "spherical").
        X_val : array-like of shape (n_validation, n_features), default=None
            Rows to watch instead of held-out training rows; all networks then train on all of X.
        y_val : array-like of shape (n_validation,) or (n_validation, n_outputs), default=None
            Their targets.
        y_upper_val : array-like of the shape of y_val, default=None
            Their upper ends.
        sample_weight_val : array-like of shape (n_validation,), default=None
            Their weights.
        groups : array-like of shape (n_samples,), default=None
            What each row belongs to: a patient, a shop, a day. Networks then hold out whole groups, so that
            early stopping and the factors on the deviations are judged by rows of groups that a network has
            not seen. Give them where new rows will come from new groups. With routed metadata they are
            requested by default.

        Returns
        -------
        self : MDNRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is not as described.
        FloatingPointError
            If no step of an epoch had a finite loss and gradient. What was fitted before is kept, as it is
            after any error.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> MDNRegressor(max_iter=5, random_state=0).fit(X, y).n_iter_
        array([5])

        With rows of one's own to watch:

        >>> model = MDNRegressor(max_iter=5, random_state=0)
        >>> model = model.fit(X[100:], y[100:], X_val=X[:100], y_val=y[:100])
        >>> model.validation_scores_[0].shape
        (5,)
        """
        beside = {"y_upper": y_upper, "X_val": X_val, "y_val": y_val, "groups": groups}
        if is_stream(X, self.buffer_size):
            self._fit_stream(X, y, sample_weight, beside)
            return self
        if self.distributed:
            plan = self._shard_plan(X, y, sample_weight, beside)
        else:
            plan = self._build(
                self._validate(
                    X, y, sample_weight, y_upper, X_val, y_val, y_upper_val, sample_weight_val, groups
                )
            )
        progress = Progress(self, plan, X, y, sample_weight)
        with naming_training_memory(plan.network.n_parameters, self.n_estimators):
            (trained,) = train_plans(
                [plan],
                device=check_device(self.device),
                dtype=getattr(torch, self.dtype),
                on_epoch=progress.on_epoch,
            )
        self._store(plan, trained)
        progress.end()
        return self

    def _validate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        y_upper_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        min_rows: int = 2,
    ) -> TrainingSet:
        """Arguments of ``fit`` as a TrainingSet; what cannot be trained on is refused here."""
        self._check_settings(watched=X_val is not None)
        if (X_val is None) != (y_val is None):
            given = "X_val" if y_val is None else "y_val"
            raise ValueError(f"X_val and y_val must come together, got {given} alone.")
        for name, value in (("sample_weight_val", sample_weight_val), ("y_upper_val", y_upper_val)):
            if X_val is None and value is not None:
                raise ValueError(f"{name} must come with the X_val that it belongs to, got it alone.")
        if X_val is not None and groups is not None:
            raise ValueError("groups say what to hold out, but with X_val nothing is: leave one of them out.")
        continues = self._continues()
        check_numeric(y)
        columns = self._read(X, y, categorical=self._declared_categories(continues), reset=not continues)
        targets = check_targets_of(columns, y, self, y_upper, min_rows)
        if continues and (self.target_ndim_, self.n_outputs_) != (targets.ndim, targets[:1].size):
            fitted = (len(targets), self.n_outputs_)[: self.target_ndim_]
            raise ValueError(f"warm_start=True goes on with a target of shape {fitted}, got {targets.shape}.")
        names = columns.names, names_of_targets(y)
        bounds = bounds_of(self.support, self.limits)
        if continues:
            bounds.check_goes_on(TargetBounds.from_attributes(vars(self)))
        bounds.check_covariances(self.covariance_type, targets[:1].size)
        records, grid = self._records(check_records(targets, y_upper, targets.shape), names[1])
        records = bounds.learned(records, "y", names[1])
        known = self._encoding() if continues else None
        group = group_keys(groups, len(targets))
        n_bins = bins_beside_names(self.numerical_embedding, group, self.distributed)
        table, encoding = weighted_table(columns, records, sample_weight, known, min_rows, group, n_bins)
        watched = None
        if X_val is not None and y_val is not None:
            with naming("X_val"):
                columns_val = self._read(X_val, categorical=encoding.is_categorical, reset=False)
            records_val = check_records(y_val, y_upper_val, (len(columns_val), *targets.shape[1:]), "y_val")
            if grid is not None:
                check_on(grid, records_val, names[1], "y_val")
                records_val = records_val.rounded(grid.step)
            records_val = bounds.learned(records_val, "y_val", names[1])
            with naming("sample_weight_val"):
                watched, _ = weighted_table(columns_val, records_val, sample_weight_val, encoding, min_rows=1)
        scaling = self._standardization() if continues else Standardization.of(table, encoding.n_numbers)
        if not continues:
            numbers = [n for n, c in zip(columns.names, encoding.is_categorical, strict=True) if not c]
            warn_of_far_values(table, numbers, names[1] or range(table.y.shape[1]))
        known_of_y = targets.ndim, *names, grid, bounds.transformer
        return TrainingSet.of(table, watched, encoding, scaling, *known_of_y)

    def _records(self, records: Records, names: tuple[str, ...] | None) -> tuple[Records, Grid | None]:
        """What was recorded, with values standing for what is rounded to them, and the grid they lie on."""
        grid = None if self.resolution is None else grid_of(self.resolution, records, names)
        if self._continues():
            fitted, auto = self._grid(), isinstance(self.resolution, str)
            given = None if grid is None else grid.step.tolist()
            before = None if fitted is None else fitted.step.tolist()
            if (given is None) != (before is None) or (given != before and not auto):
                raise ValueError(f"warm_start=True goes on with resolution={before}, got {given}.")
            grid = fitted
        if grid is not None:
            check_on(grid, records, names, "y")
            records = records.rounded(grid.step)
            if self.verbose and isinstance(self.resolution, str):
                steps = ", ".join(f"{step:g}" if step else "none" for step in grid.step)
                print(f"Resolution of the target: {steps}")
        return records, grid

    def _grid(self) -> Grid | None:
        """The grid that values of the fitted target lie on."""
        stored = vars(self)
        if "resolution_" not in stored:
            return None
        return Grid(np.array(stored["resolution_"]), np.array(stored["resolution_offset_"]))

    def _declared_categories(self, continues: bool) -> Any:
        return self.is_categorical_ if continues else self.categorical_features

    def _read(self, X: Any, y: Any = "no_validation", *, categorical: Any, reset: bool) -> Columns:
        """The columns of X, whose number and names are those of ``fit``, or become so with ``reset``."""
        try:
            validate_data(self, X, y, reset=reset, skip_check_array=True)
        except (TypeError, ValueError):  # of what is no table at all there is more to say
            if not nw.dependencies.is_into_dataframe(X):
                read_columns(X, "from_dtype")
            raise
        columns = read_columns(X, categorical)
        check_array(stand_in(columns), ensure_min_samples=0 if reset else 1, estimator=self)
        return columns

    def _check_settings(self, watched: bool) -> None:
        """Refuse what the parameters' types cannot rule out."""
        if self._continues():
            self._check_stored(*TO_CONTINUE)
        check_device(self.device)
        self._architecture_for(TableEmbedding(1), 1)
        if watched and not self.early_stopping:
            raise ValueError("X_val is watched by early stopping, so early_stopping must be True, got False.")

    def _continues(self) -> bool:
        return self.warm_start and self.__sklearn_is_fitted__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what this or an earlier version stored."""
        earlier = earlier_attributes(state) if state.get(FORMAT_KEY) in (None, 1) else {}
        super().__setstate__({**earlier, **state})

    def __sklearn_is_fitted__(self) -> bool:
        return not {"coefs_", "_architecture"}.isdisjoint(vars(self))

    def _check_stored(self, *names: str) -> None:
        """Refuse to go on without what ``fit`` sets: these names, and those that predictions need."""
        self._check_fitted(*TO_PREDICT, *names)
        parameters = self._network().shapes
        self._check_fitted(*(f"{name}_" for name in EMBEDDING_NAMES if name in parameters))

    def _architecture_for(self, embedding: TableEmbedding, n_outputs: int) -> dict[str, Any]:
        """What the parameters say of the network: plain values, so that they can be stored and compared."""
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object))
        integral = [isinstance(size, Integral) and not isinstance(size, bool) for size in sizes]
        if sizes.ndim > 1 or not all(integral) or any(size < 1 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be a list of positive integers, got {self.hidden_layer_sizes!r}."
            )
        return {
            "n_numbers": embedding.n_numbers,
            "gaps": list(embedding.gaps),
            "n_codes": list(embedding.n_codes),
            "n_outputs": n_outputs,
            "n_components": int(self.n_components),
            "covariance_type": self.covariance_type,
            "hidden_layer_sizes": [int(size) for size in sizes],
            "activation": self.activation,
            "numerical_embedding": self.numerical_embedding,
            "n_bins": [] if embedding.piecewise is None else list(embedding.piecewise.n_bins),
            "reg_covar": float(self.reg_covar),
        }

    def _check_continuation(self, architecture: dict[str, Any]) -> None:
        """``warm_start`` goes on with the networks it has, and perhaps more of them."""
        for name, value in architecture.items():
            if value != self._architecture.get(name, value) and name != "reg_covar":
                raise ValueError(
                    f"warm_start=True goes on with {name}={self._architecture[name]!r}, got {value!r}."
                )
        if self.n_estimators < len(self.n_iter_):
            raise ValueError(
                f"warm_start=True keeps the {len(self.n_iter_)} networks that are fitted, "
                f"got n_estimators={self.n_estimators}."
            )

    def _build(self, data: TrainingSet, seed: int | None = None, group: ProcessGroup | None = None) -> Plan:
        """Members, their rows and their first weights."""
        gaps = np.flatnonzero(data.standardization.x_gaps).tolist()
        fitted = {**vars(self)} if self._continues() else None
        piecewise, bins = bins_for(data, self.numerical_embedding, fitted, group)
        embedding = TableEmbedding(
            data.encoding.n_numbers, tuple(gaps), data.encoding.n_codes, piecewise=piecewise
        )
        architecture = self._architecture_for(embedding, data.rows.y.shape[1])
        network = network_of(**architecture)
        check_independent(data.rows, self.covariance_type)
        check_memory(network, self.n_estimators, data.encoding, data.column_names)
        if seed is None:
            seed = self._seed if self._continues() else draw_seed(self.random_state)
        folds, known_folds = [np.arange(0)], None
        if data.n_watched:
            folds = [np.arange(data.n_train, len(data.rows))]
        elif self.early_stopping:
            folds, known_folds = self._held_out(data, seed, group)
        validation = members_folds(folds, self.n_estimators)
        generators = [member_generator(seed, i) for i in range(self.n_estimators)]
        y, weight, n_rows = data.train.expected, data.train.weight, data.n_train
        if group is not None:
            y, weight, n_rows = group.column(y), group.column(weight), sum(group.gather(n_rows))
        centers = torch.from_numpy(component_centers(y, weight, self.n_components))
        params = torch.stack(
            [network.initial(generator, centers, INITIAL_SPREAD, bins) for generator in generators]
        )
        if self._continues():
            self._check_continuation(architecture)
            stored = network.join(
                {name: torch.tensor(v, device="cpu") for name, v in self._stored_weights().items()}
            )
            params = torch.cat([stored.double(), params[len(stored) :]])
        return Plan(
            architecture=architecture,
            network=network,
            data=data,
            train=[rows_without(fold, data.n_train) for fold in validation],
            validation=validation,
            generators=generators,
            settings=self._settings(n_rows),
            batch_size=auto_batch_size(n_rows) if self.batch_size == "auto" else int(self.batch_size),
            params=params,
            seed=seed,
            folds=known_folds,
            group=group,
        )

    def _held_out(
        self, data: TrainingSet, seed: int, group: ProcessGroup | None
    ) -> tuple[list[NDArray[np.intp]], dict[str, Any] | None]:
        """Folds of training rows, of which each network holds out one, and what says which row is in which.

        With ``warm_start`` folds begin where they did, so that what was trained on is not held out now.
        """
        keys, of_groups = data.keys(seed), data.rows.group is not None
        nothing = [np.arange(0)]
        if not self._continues():
            everybodys = keys if group is None else group.column(keys)
            bounds = fold_bounds(everybodys, self.validation_fraction)
            if not len(bounds):
                return nothing, None
            return held_out_folds(keys, bounds), {"bounds": bounds, "of_groups": of_groups}
        if self._folds is None or self._folds["of_groups"] != of_groups:
            kept = "without groups" if of_groups else "by groups"
            before = "all rows" if self._folds is None else f"all but rows held out {kept}"
            raise ValueError(
                f"warm_start=True goes on with networks that have been trained on {before}, so that none can "
                "be held out otherwise now: give X_val and y_val, or set early_stopping=False."
            )
        folds = held_out_folds(keys, self._folds["bounds"])
        if group is None and max(len(fold) for fold in folds) == data.n_train:
            raise ValueError(
                "X must hold rows to train on with warm_start=True, but earlier fits held out all of them."
            )
        return folds, self._folds

    def _settings(self, n_rows: int) -> MemberSettings:
        return MemberSettings(
            max_iter=auto_max_iter(n_rows) if self.max_iter == "auto" else self.max_iter,
            learning_rate=self.learning_rate_init,
            alpha=self.alpha,
            dropout=self.dropout,
            clip_grad_value=math.inf if self.clip_grad_value is None else self.clip_grad_value,
            clip_grad_norm=math.inf if self.clip_grad_norm is None else self.clip_grad_norm,
            tol=0.0 if self.tol is None else self.tol,
            n_iter_no_change=math.inf if self.n_iter_no_change is None else self.n_iter_no_change,
        )

    def _fitted_attributes(self, plan: Plan, trained: Trained) -> dict[str, Any]:
        """Every fitted attribute, as arrays and numbers."""
        data, network = plan.data, plan.network
        weights = {name: values.numpy().copy() for name, values in network.split(trained.params).items()}
        histories = trained.histories
        units = [data.log_units(rows) for rows in plan.train]
        units_held_out = [data.log_units(rows) for rows in plan.validation]
        calibration = ensemble_calibration(plan, trained, check_device(self.device))
        attributes = {
            "coefs_": [weights.pop(f"coefs_{i}") for i in range(network.n_layers)],
            "intercepts_": [weights.pop(f"intercepts_{i}") for i in range(network.n_layers)],
            **{f"{name}_": values for name, values in weights.items()},
            **data.encoding.attributes,
            "X_offset_": data.standardization.x_offset,
            "X_scale_": data.standardization.x_scale,
            "X_gaps_": data.standardization.x_gaps,
            "y_offset_": data.standardization.y_offset,
            "y_scale_": data.standardization.y_scale,
            "calibration_": calibration.factors,
            **self._marginal_attributes(data, 1.0 - calibration.share),
            "batch_size_": plan.batch_size,
            "n_iter_": np.array([len(history.loss) for history in histories]),
            "loss_curve_": [np.array(h.loss) + unit for h, unit in zip(histories, units, strict=True)],
            "validation_scores_": [
                np.array(h.validation) - unit for h, unit in zip(histories, units_held_out, strict=True)
            ],
            "best_validation_score_": np.array(
                [
                    history.best_score - unit if len(rows) else math.nan
                    for history, unit, rows in zip(histories, units_held_out, plan.validation, strict=True)
                ]
            ),
            "n_skipped_steps_": np.array([history.n_skipped for history in histories]),
            "n_outputs_": data.rows.y.shape[1],
            "target_ndim_": data.target_ndim,
            "_seed": plan.seed,
            "_n_effective": data.effective_rows,
            "_folds": plan.folds,
            "_architecture": plan.architecture,
        }
        if data.target_names is not None:
            attributes["target_names_"] = np.array(data.target_names, dtype=object)
        if data.grid is not None:
            attributes |= {"resolution_": data.grid.step, "resolution_offset_": data.grid.offset}
        attributes |= bounds_of(self.support, self.limits).attributes
        if self._continues():
            append_history(attributes, {**vars(self)})
        return attributes

    def _marginal_attributes(self, data: TrainingSet, shrinkage: float) -> dict[str, Any]:
        marginal, scaling = Marginal.of(data, int(self.n_components), shrinkage), data.standardization
        low, high = (side * scaling.x_scale + scaling.x_offset for side in (marginal.low, marginal.high))
        if self._continues() and "X_min_" in vars(self):
            low, high = np.minimum(low, self.X_min_), np.maximum(high, self.X_max_)
        return {
            "shrinkage_": shrinkage,
            "marginal_deviations_": marginal.deviations,
            "X_min_": low,
            "X_max_": high,
        }

    def _store(self, plan: Plan, trained: Trained) -> None:
        """Keep what training gave, as fitted attributes."""
        for i, history in enumerate(trained.histories):
            if history.failure is not None:
                raise untrainable(i, history, plan.settings, self.reg_covar)
        # One that a callback stopped did not reach the end.
        max_iter = plan.settings.max_iter
        unfinished = sum(not h.stopped and len(h.loss) == max_iter for h in trained.histories)
        if self.tol is not None and self.n_iter_no_change is not None and unfinished:
            warnings.warn(
                f"{unfinished} of {self.n_estimators} networks reached max_iter={max_iter} epochs before "
                f"n_iter_no_change={self.n_iter_no_change} of them brought no improvement above "
                f"tol={self.tol}.",
                ConvergenceWarning,
                stacklevel=5,
            )
        attributes = self._fitted_attributes(plan, trained)
        gone = {*(f"{name}_" for name in EMBEDDING_NAMES), *SOMETIMES} - attributes.keys()
        kept = {name: value for name, value in vars(self).items() if name not in gone}
        self.__dict__ = kept | attributes  # at once: an interrupt leaves one state or the other

    # --------------------------------------------------------------------------------- predict

    def _standardization(self) -> Standardization:
        return Standardization(self.X_offset_, self.X_scale_, self.X_gaps_, self.y_offset_, self.y_scale_)

    def _marginal(self) -> Marginal:
        low, high = ((side - self.X_offset_) / self.X_scale_ for side in (self.X_min_, self.X_max_))
        return Marginal(self.marginal_deviations_, self.shrinkage_, low, high)

    def _encoding(self) -> Encoding:
        return Encoding.from_attributes(vars(self))

    def _stored_weights(self) -> dict[str, NDArray[np.float64]]:
        """Fitted parameters under the names that the network knows them by."""
        weights = {f"coefs_{i}": values for i, values in enumerate(self.coefs_)}
        weights |= {f"intercepts_{i}": values for i, values in enumerate(self.intercepts_)}
        stored = vars(self)
        return weights | {name: stored[f"{name}_"] for name in EMBEDDING_NAMES if f"{name}_" in stored}

    def predict_distribution(self, X: ArrayLike) -> PredictiveDistribution:
        """Conditional density of the target in each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        distribution : PredictiveDistribution
            One a row, in the units of the target: a :class:`MixtureDistribution`, with a ``support`` a
            :class:`TransformedDistribution`, with ``limits`` a :class:`ClippedDistribution`. For an ensemble
            the equal-weight mixture of the members' mixtures, which is exact.

        Raises
        ------
        ValueError
            If ``X`` is not as wide as in ``fit`` or not finite, or this PyTorch cannot use ``device``.
        sklearn.exceptions.NotFittedError
            If ``fit`` has not been called.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(3, max_iter=5, random_state=0).fit(X, y)
        >>> len(model.predict_distribution(X[:4]))
        4
        """
        self._check_stored()
        columns = None if "feature_names_in_" in vars(self) else plain_columns(X, self.is_categorical_)
        if columns is None:
            columns = self._read(X, categorical=self.is_categorical_, reset=False)
        return self._distribution(self._networks().mixture(self._encoding().encode(columns)))

    def _rows_at_once(self, X: ArrayLike) -> int:
        self._check_stored()
        return self._networks().rows_at_once

    def _network(self) -> StackedMLP:
        """The network that was fitted, or is to go on."""
        return network_of(**self._architecture)

    def _networks(self) -> FittedNetworks:
        return FittedNetworks(
            self._network(),
            self._stored_weights(),
            self.calibration_,
            self._standardization(),
            self._marginal(),
            check_device(self.device),
        )

    def _distribution(self, mixture: Mixture) -> PredictiveDistribution:
        n_members = len(self.coefs_[0])
        latent = MixtureDistribution._from_mixture(
            mixture,
            one_dimensional=self.target_ndim_ == 1,
            member_sizes=(mixture.n_components // n_members,) * n_members,
        )._on(self._grid())
        return TargetBounds.from_attributes(vars(self)).predicted(latent)

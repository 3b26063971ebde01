"""Fitted networks as an ONNX graph: from the columns of X to weights, means and deviations."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._estimators.marginal import FAR, FAR_DEVIATION, NEAR, Marginal
from sklearn_mdn._estimators.rows import Standardization
from sklearn_mdn._networks.embedding import PiecewiseLinearEncoding
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._tables.encoding import SHARED, Encoding

if TYPE_CHECKING:
    import onnx

# Versions of the operators, which runtimes of the last years know.
OPSET, ML_OPSET, IR_VERSION = 17, 2, 8


@final
class Graph:
    """Nodes and constants of a graph, each under a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: NDArray[Any], name: str = "constant") -> str:
        """The name of an array of numbers."""
        from onnx import numpy_helper

        name = f"{name}_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def single(self, values: Any) -> str:
        return self.constant(np.asarray(values, dtype=np.float32))

    def double(self, values: Any) -> str:
        return self.constant(np.asarray(values, dtype=np.float64))

    def integer(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, operation: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """The name of what an operation gives."""
        from onnx import helper

        output = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [output], domain=domain, **attributes))
        return output


def onnx_model(
    network: StackedMLP,
    weights: dict[str, NDArray[np.float64]],
    calibration: NDArray[np.float64],
    standardization: Standardization,
    encoding: Encoding,
    marginal: Marginal,
    column_names: list[str],
    one_dimensional: bool,
) -> onnx.ModelProto:
    """The model, whose inputs are a matrix of numbers and a column for each categorical feature."""
    from onnx import TensorProto, helper

    head = network.head
    if not head.diagonal:
        raise ValueError(
            'to_onnx writes weights, means and deviations, which covariance_type="full" or "tied" of several '
            "targets has no place for."
        )
    graph, inputs = Graph(), []
    numbers, near = None, graph.single(np.ones((1, 1, 1)))
    if encoding.n_numbers:
        inputs.append(helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, ["n", encoding.n_numbers]))
        numbers, near = _standardised(graph, standardization, marginal)
    columns = []
    names = [name for name, chosen in zip(column_names, encoding.is_categorical, strict=True) if chosen]
    for name, known, own in zip(names, encoding.category_arrays, encoding.codes, strict=True):
        kind = TensorProto.STRING if known.dtype == object else TensorProto.FLOAT
        inputs.append(helper.make_tensor_value_info(name, kind, ["n"]))
        columns.append(_codes(graph, name, known, own))
    for place, values in zip(encoding.names.places, encoding.names.values, strict=True):
        column = graph.add(
            "Squeeze", graph.add("Gather", "numbers", graph.integer(place), axis=1), graph.integer(1)
        )
        column = graph.add("Cast", column, to=TensorProto.FLOAT)
        columns.append(_codes(graph, column, values, np.arange(1, len(values) + 1)))
    features = _features(graph, network, weights, standardization, numbers, columns)
    outputs = _layers(graph, network, weights, features)
    _mixture(graph, network, outputs, near, marginal, calibration, standardization, one_dimensional)
    shape: list[str | int] = ["n", len(calibration) * head.n_components]
    shape += [] if one_dimensional else [head.n_targets]
    results = [
        helper.make_tensor_value_info("weights", TensorProto.DOUBLE, shape[:2]),
        helper.make_tensor_value_info("means", TensorProto.DOUBLE, shape),
        helper.make_tensor_value_info("deviations", TensorProto.DOUBLE, shape),
    ]
    made = helper.make_graph(graph.nodes, "sklearn_mdn", inputs, results, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    return helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="sklearn_mdn")


def _standardised(graph: Graph, standardization: Standardization, marginal: Marginal) -> tuple[str, str]:
    """Standardised numbers, float32 from here on, (1, n, d), and how near they are, (1, n, 1)."""
    from onnx import TensorProto

    shifted = graph.add("Sub", "numbers", graph.double(standardization.x_offset))
    scaled = graph.add("Div", shifted, graph.double(standardization.x_scale))
    numbers = graph.add("Cast", scaled, to=TensorProto.FLOAT)
    numbers = graph.add("Unsqueeze", numbers, graph.integer(0))
    low, high = graph.single(marginal.low), graph.single(marginal.high)
    excess = graph.add("Max", graph.add("Sub", numbers, high), graph.add("Sub", low, numbers))
    excess = graph.add("Where", graph.add("IsNaN", numbers), graph.single(0.0), excess)
    farthest = graph.add("ReduceMax", excess, axes=[2], keepdims=1)
    part = graph.add("Sub", farthest, graph.single(NEAR))
    part = graph.add("Mul", part, graph.single(1.0 / (FAR - NEAR)))
    part = graph.add("Clip", part, graph.single(0.0), graph.single(1.0))
    # 1 - p^2 (3 - 2 p)
    bend = graph.add("Sub", graph.single(3.0), graph.add("Mul", part, graph.single(2.0)))
    bend = graph.add("Mul", graph.add("Mul", part, part), bend)
    near = graph.add("Sub", graph.single(1.0), bend)
    lowest, highest = graph.single(marginal.low - FAR), graph.single(marginal.high + FAR)
    return graph.add("Min", graph.add("Max", numbers, lowest), highest), near


def _codes(graph: Graph, name: str, known: NDArray[Any], codes: NDArray[np.int64]) -> str:
    """The codes (n,) of a column of labels; a gap is an empty text, or NaN."""
    texts = known.dtype == object
    labels = ["" if label is None else label for label in known.tolist()] if texts else known.tolist()
    pairs = [(label, code) for label, code in zip(labels, codes.tolist(), strict=True) if label == label]
    keys = [label for label, _ in pairs] or ["" if texts else 0.0]
    keyed: dict[str, Any] = {"keys_strings" if texts else "keys_floats": keys}
    found = graph.add(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        default_int64=SHARED,
        values_int64s=[code for _, code in pairs] or [SHARED],
        **keyed,
    )
    gap = [code for label, code in zip(labels, codes.tolist(), strict=True) if label != label]
    if not gap:
        return found
    return graph.add("Where", graph.add("IsNaN", name), graph.integer(gap[0]), found)


def _features(
    graph: Graph,
    network: StackedMLP,
    weights: dict[str, NDArray[np.float64]],
    standardization: Standardization,
    numbers: str | None,
    codes: list[str],
) -> str:
    """What the first layer sees, (S, n, .): numbers, marks of gaps, periodic features, categories."""
    from onnx import TensorProto

    embedding, features = network.embedding, []
    everybody = graph.single(np.zeros((len(weights["coefs_0"]), 1, 1)))
    if numbers is not None:
        missing = graph.add("IsNaN", numbers)
        learned = weights.get("gap_values")
        fill = np.zeros((len(weights["coefs_0"]), 1, embedding.n_numbers))
        if learned is not None:
            fill += np.where(standardization.x_gaps, learned, 0.0)[:, np.newaxis]
        numbers = graph.add("Where", missing, graph.single(fill), numbers)
        features.append(numbers)
        if embedding.piecewise is not None:
            features += _bins(graph, embedding.piecewise, weights["embedding_bins"], numbers)
        if embedding.gaps:
            marks = graph.add("Gather", missing, graph.integer(*embedding.gaps), axis=2)
            marks = graph.add("Cast", marks, to=TensorProto.FLOAT)
            features.append(graph.add("Add", marks, everybody))
        if embedding.periodic is not None:
            turns = graph.add("Unsqueeze", numbers, graph.integer(3))
            turns = graph.add("Mul", turns, graph.single(2.0 * math.pi))
            frequencies = graph.single(weights["embedding_frequencies"][:, np.newaxis])
            angle = graph.add("Mul", turns, frequencies)
            waves = graph.add("Concat", graph.add("Sin", angle), graph.add("Cos", angle), axis=3)
            linear = graph.add("MatMul", waves, graph.single(weights["embedding_coefs"][:, np.newaxis]))
            shift = graph.single(weights["embedding_intercepts"][:, np.newaxis, np.newaxis])
            bent = graph.add("Relu", graph.add("Add", linear, shift))
            width = embedding.n_numbers * embedding.periodic.n_outputs
            features.append(graph.add("Reshape", bent, graph.integer(0, 0, width)))
    start = 0
    for codes_of, count, width in zip(codes, embedding.n_codes, embedding.categories.widths, strict=True):
        vectors = weights["category_coefs"][:, start : start + count * width]
        start += count * width
        table = graph.single(vectors.reshape(len(vectors), count, width))
        features.append(graph.add("Gather", table, codes_of, axis=1))
    return graph.add("Concat", *features, axis=2)


def _bins(
    graph: Graph, piecewise: PiecewiseLinearEncoding, bins: NDArray[np.float64], numbers: str
) -> list[str]:
    """Where numbers lie in the bins of their columns, (S, n, .) for each number of bins."""
    features, start = [], 0
    for size, columns in piecewise.groups:
        width = size * len(columns)
        ends, slopes = (
            graph.single(part[:, start : start + width].reshape(len(bins), 1, len(columns), size))
            for part in (bins[:, 0], bins[:, 1])
        )
        start += width
        own = graph.add("Gather", numbers, graph.integer(*columns), axis=2)
        own = graph.add("Mul", graph.add("Sub", graph.add("Unsqueeze", own, graph.integer(3)), ends), slopes)
        own = graph.add("Clip", own, graph.single(0.0), graph.single(1.0))
        features.append(graph.add("Reshape", own, graph.integer(0, 0, width)))
    return features


def _layers(graph: Graph, network: StackedMLP, weights: dict[str, NDArray[np.float64]], x: str) -> str:
    for i in range(network.n_layers):
        product = graph.add("MatMul", x, graph.single(weights[f"coefs_{i}"]))
        x = graph.add("Add", product, graph.single(weights[f"intercepts_{i}"][:, np.newaxis]))
        if i < network.n_layers - 1:
            x = _activated(graph, network.activation, x)
    return x


def _activated(graph: Graph, activation: str, x: str) -> str:
    if activation == "silu":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if activation == "gelu":
        share = graph.add("Erf", graph.add("Mul", x, graph.single(math.sqrt(0.5))))
        share = graph.add("Mul", graph.add("Add", share, graph.single(1.0)), graph.single(0.5))
        return graph.add("Mul", x, share)
    names = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": "Identity"}
    return graph.add(names[activation], x)


def _mixture(
    graph: Graph,
    network: StackedMLP,
    outputs: str,
    near: str,
    marginal: Marginal,
    calibration: NDArray[np.float64],
    standardization: Standardization,
    one_dimensional: bool,
) -> None:
    """Weights (n, S K), means and deviations (n, S K, D), in the units of the target."""
    from onnx import TensorProto

    head, n_members = network.head, len(calibration)
    n_components, n_targets = head.n_components, head.n_targets
    bounds = np.cumsum([0, *head.sizes]).tolist()
    logits, means, raw = (
        graph.add("Slice", outputs, graph.integer(first), graph.integer(last), graph.integer(2))
        for first, last in pairwise(bounds)
    )
    # Drawn to the marginal density: see Mixture.shrink.
    own = graph.add("Mul", near, graph.single(1.0 - marginal.shrinkage))
    wide = graph.add("Unsqueeze", own, graph.integer(3))
    logits = graph.add("Mul", logits, own)
    shares = graph.add("Div", graph.add("Softmax", logits, axis=2), graph.single(float(n_members)))
    entries = graph.add("Softplus", raw)
    squares = graph.add("Add", graph.add("Mul", entries, entries), graph.single(head.reg_covar))
    # Where one entry is that of several targets, or components.
    squares = graph.add("Reshape", squares, graph.integer(0, 0, *head.scale_shape))
    ones = graph.single(np.ones((1, 1, n_components, n_targets)))
    square = graph.add("Mul", wide, wide)
    squares = graph.add("Mul", graph.add("Mul", squares, ones), square)
    farther = graph.add(
        "Mul", graph.add("Unsqueeze", near, graph.integer(3)), graph.single(1.0 - FAR_DEVIATION)
    )
    farther = graph.add("Add", farther, graph.single(FAR_DEVIATION))
    noise = graph.add("Mul", farther, graph.single(marginal.deviations[:, np.newaxis]))
    noise = graph.add("Mul", graph.add("Mul", noise, noise), graph.add("Sub", graph.single(1.0), square))
    factors = graph.single(calibration[:, np.newaxis, np.newaxis, np.newaxis])
    deviations = graph.add("Mul", graph.add("Sqrt", graph.add("Add", squares, noise)), factors)
    means = graph.add("Reshape", means, graph.integer(0, 0, n_components, n_targets))
    means = graph.add("Mul", means, wide)
    flat = [-1, n_members * n_components] + ([] if one_dimensional else [n_targets])
    scale, offset = graph.double(standardization.y_scale), graph.double(standardization.y_offset)
    for name, values in (("means", means), ("deviations", deviations)):
        wide = graph.add("Mul", graph.add("Cast", values, to=TensorProto.DOUBLE), scale)
        wide = graph.add("Add", wide, offset) if name == "means" else wide
        wide = graph.add("Transpose", wide, perm=[1, 0, 2, 3])
        graph.add("Reshape", wide, graph.integer(*flat), output=name)
    shares = graph.add("Transpose", graph.add("Cast", shares, to=TensorProto.DOUBLE), perm=[1, 0, 2])
    graph.add("Reshape", shares, graph.integer(*flat[:2]), output="weights")

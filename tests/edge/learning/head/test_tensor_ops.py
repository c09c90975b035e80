"""One function over ``TensorOps`` is the same by NumPy, in OpenVINO and in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
from onnx import helper
from openvino import opset13

from saec.edge.graph import compile_graph
from saec.edge.learning.head.onnx_ops import OPSET, OnnxOps
from saec.edge.learning.head.openvino_ops import OpenVinoOps
from saec.edge.learning.head.tensor_ops import Array, NumpyOps
from saec.rounding import apart

SHAPE = (2, 3, 4, 6)
RNG = np.random.default_rng(0)
X = RNG.standard_normal(SHAPE).astype(np.float32)
W = RNG.standard_normal((5, 6)).astype(np.float32)
TABLE = RNG.standard_normal((6, 3)).astype(np.float32)
HALF = RNG.standard_normal((6, 7)).astype(np.float16)

STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "sums and products": lambda o, x: o.multiply(o.add(x, o.constant(W[:1, :])), o.subtract(x, x)),
    "quotient": lambda o, x: o.divide(x, o.add(o.exp(x), o.constant(np.ones(1, np.float32)))),
    "limit": lambda o, x: o.maximum(x, o.constant(np.zeros(1, np.float32))),
    "root": lambda o, x: o.sqrt(o.multiply(x, x)),
    "logarithm": lambda o, x: o.log(o.exp(x)),
    "product with a constant": lambda o, x: o.matmul(x, o.constant(W), transpose_b=True),
    "product with half precision": lambda o, x: o.matmul(x, o.constant(HALF)),
    "product of two": lambda o, x: o.matmul(x, o.transpose(x, (0, 1, 3, 2))),
    "sum": lambda o, x: o.sum(x, 1),
    "mean": lambda o, x: o.mean(x, 3),
    "least": lambda o, x: o.least(x, 2),
    "largest": lambda o, x: o.top(x, 4),
    "most": lambda o, x: o.most(x, 3),
    "looked up": lambda o, x: o.lookup(o.constant(TABLE), o.top_places(x, 2)),
    "rows": lambda o, x: o.rows(o.reshape(x, (2, 12, 6)), o.top_places(o.reshape(o.sum(x, 3), (2, 12)), 5)),
    "spread": lambda o, x: o.spread(
        o.top(o.reshape(x, (2, 72)), 5), o.top_places(o.reshape(x, (2, 72)), 5), (2, 72)
    ),
    "part": lambda o, x: o.part(x, 2, 1, 3),
    "chosen": lambda o, x: o.take(x, np.array([2, 0]), 1),
    "form": lambda o, x: o.transpose(o.reshape(x, (2, 12, 6)), (1, 0, 2)),
    "side by side": lambda o, x: o.concatenate([x, o.exp(x)], 1),
}


def by_openvino(step: Callable[[Any, Any], Any]) -> Array:
    x = opset13.parameter(list(SHAPE), ov.Type.f32)
    model = ov.Model([opset13.result(step(OpenVinoOps(), x.output(0)))], [x])
    return np.array(compile_graph(model, "f32", 1)(X)[0])


def by_onnx(step: Callable[[Any, Any], Any]) -> Array:
    ops = OnnxOps()
    result = step(ops, "x")
    graph = helper.make_graph(
        ops.nodes,
        "steps",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, None)],
        ops.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"x": X})[0])


@pytest.mark.parametrize("name", STEPS)
def test_all_three_agree(name: str) -> None:
    step = STEPS[name]
    reference = step(NumpyOps(), X)
    assert reference.dtype == np.float32
    bound = apart(64, float(np.abs(reference).max()) + 8.0)
    for other in (by_openvino(step), by_onnx(step)):
        assert other.shape == reference.shape
        assert np.abs(other - reference).max() <= bound


def test_only_a_constant_is_transposed_in_onnx() -> None:
    ops = OnnxOps()
    with pytest.raises(ValueError, match="computed"):
        ops.matmul("x", ops.exp("x"), transpose_b=True)

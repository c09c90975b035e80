"""The head's operations as nodes of an ONNX graph; it needs the extra ``onnx``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from saec.edge.learning.head.tensor_ops import Array

PREFIX = "head_"
"""What the names of all nodes and constants of the head begin with."""

OPSET = 18
"""The ONNX operators' version: the first in which all reductions take their axes as an input."""


class OnnxOps:
    """The operations; a tensor is its name.

    Attributes:
        nodes, constants: what was written down so far, in order.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Array) -> str:
        if value.dtype == np.float16:
            return self._node("Cast", [self._kept(value)], to=onnx.TensorProto.FLOAT)
        return self._kept(np.asarray(value, np.float32))

    def add(self, a: str, b: str) -> str:
        return self._node("Add", [a, b])

    def subtract(self, a: str, b: str) -> str:
        return self._node("Sub", [a, b])

    def multiply(self, a: str, b: str) -> str:
        return self._node("Mul", [a, b])

    def divide(self, a: str, b: str) -> str:
        return self._node("Div", [a, b])

    def maximum(self, a: str, b: str) -> str:
        return self._node("Max", [a, b])

    def sqrt(self, a: str) -> str:
        return self._node("Sqrt", [a])

    def exp(self, a: str) -> str:
        return self._node("Exp", [a])

    def log(self, a: str) -> str:
        return self._node("Log", [a])

    def matmul(self, a: str, b: str, *, transpose_b: bool = False) -> str:
        if not transpose_b:
            return self._node("MatMul", [a, b])
        constant = next((c for c in self.constants if c.name == b), None)
        if constant is None:
            raise ValueError(f"only a constant can be transposed, but {b} is computed")
        return self._node("MatMul", [a, self.constant(np.swapaxes(numpy_helper.to_array(constant), -1, -2))])

    def sum(self, a: str, axis: int) -> str:
        return self._node("ReduceSum", [a, self._integers([axis])], keepdims=1)

    def mean(self, a: str, axis: int) -> str:
        return self._node("ReduceMean", [a, self._integers([axis])], keepdims=1)

    def least(self, a: str, axis: int) -> str:
        return self._node("ReduceMin", [a, self._integers([axis])], keepdims=1)

    def top(self, a: str, k: int) -> str:
        return self._node("TopK", [a, self._integers([k])], outputs=2)

    def most(self, a: str, axis: int) -> str:
        return self._node("ReduceMax", [a, self._integers([axis])], keepdims=1)

    def top_places(self, a: str, k: int) -> str:
        self._node("TopK", [a, self._integers([k])], outputs=2)
        return str(self.nodes[-1].output[1])

    def lookup(self, table: str, places: str) -> str:
        return self._node("Gather", [table, places], axis=0)

    def rows(self, a: str, places: str) -> str:
        found = self._node("Unsqueeze", [places, self._integers([2])])
        return self._node("GatherND", [a, found], batch_dims=1)

    def spread(self, values: str, places: str, shape: tuple[int, int]) -> str:
        nothing = self._kept(np.zeros(shape, np.float32))
        return self._node("ScatterElements", [nothing, places, values], axis=1)

    def part(self, a: str, axis: int, start: int, stop: int) -> str:
        return self._node("Slice", [a, *(self._integers([number]) for number in (start, stop, axis))])

    def take(self, a: str, indices: Array, axis: int) -> str:
        return self._node("Gather", [a, self._integers(indices)], axis=axis)

    def reshape(self, a: str, shape: Sequence[int]) -> str:
        return self._node("Reshape", [a, self._integers(shape)])

    def transpose(self, a: str, order: Sequence[int]) -> str:
        return self._node("Transpose", [a], perm=list(order))

    def concatenate(self, tensors: Sequence[str], axis: int) -> str:
        return self._node("Concat", list(tensors), axis=axis)

    def _kept(self, value: Array) -> str:
        name = f"{PREFIX}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _integers(self, values: Sequence[int] | Array) -> str:
        return self._kept(np.asarray(values, np.int64))

    def _node(self, kind: str, inputs: Sequence[str], *, outputs: int = 1, **attributes: object) -> str:
        names = [f"{PREFIX}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names[0]

"""The head's operations as nodes of an OpenVINO graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from openvino import opset13 as opset

from saec.edge.learning.head.tensor_ops import Array


class OpenVinoOps:
    """The operations; a tensor is an ``openvino.Output``."""

    def constant(self, value: Array) -> Any:
        if value.dtype == np.float16:
            return opset.convert(opset.constant(np.ascontiguousarray(value)), "f32").output(0)
        return opset.constant(np.ascontiguousarray(value, np.float32)).output(0)

    def add(self, a: Any, b: Any) -> Any:
        return opset.add(a, b).output(0)

    def subtract(self, a: Any, b: Any) -> Any:
        return opset.subtract(a, b).output(0)

    def multiply(self, a: Any, b: Any) -> Any:
        return opset.multiply(a, b).output(0)

    def divide(self, a: Any, b: Any) -> Any:
        return opset.divide(a, b).output(0)

    def maximum(self, a: Any, b: Any) -> Any:
        return opset.maximum(a, b).output(0)

    def sqrt(self, a: Any) -> Any:
        return opset.sqrt(a).output(0)

    def exp(self, a: Any) -> Any:
        return opset.exp(a).output(0)

    def log(self, a: Any) -> Any:
        return opset.log(a).output(0)

    def matmul(self, a: Any, b: Any, *, transpose_b: bool = False) -> Any:
        return opset.matmul(a, b, False, transpose_b).output(0)

    def sum(self, a: Any, axis: int) -> Any:
        return opset.reduce_sum(a, _integers([axis]), keep_dims=True).output(0)

    def mean(self, a: Any, axis: int) -> Any:
        return opset.reduce_mean(a, _integers([axis]), keep_dims=True).output(0)

    def least(self, a: Any, axis: int) -> Any:
        return opset.reduce_min(a, _integers([axis]), keep_dims=True).output(0)

    def top(self, a: Any, k: int) -> Any:
        return opset.topk(a, np.int64(k), -1, "max", "value").output(0)

    def most(self, a: Any, axis: int) -> Any:
        return opset.reduce_max(a, _integers([axis]), keep_dims=True).output(0)

    def top_places(self, a: Any, k: int) -> Any:
        return opset.topk(a, np.int64(k), -1, "max", "value", index_element_type="i64").output(1)

    def lookup(self, table: Any, places: Any) -> Any:
        return opset.gather(table, places, _integers(0)).output(0)

    def rows(self, a: Any, places: Any) -> Any:
        return opset.gather(a, places, _integers(1), batch_dims=1).output(0)

    def spread(self, values: Any, places: Any, shape: tuple[int, int]) -> Any:
        nothing = opset.constant(np.zeros(shape, np.float32))
        return opset.scatter_elements_update(nothing, places, values, _integers(1)).output(0)

    def part(self, a: Any, axis: int, start: int, stop: int) -> Any:
        bounds = (_integers([number]) for number in (start, stop, 1, axis))
        return opset.slice(a, *bounds).output(0)

    def take(self, a: Any, indices: Array, axis: int) -> Any:
        return opset.gather(a, _integers(indices), _integers(axis)).output(0)

    def reshape(self, a: Any, shape: Sequence[int]) -> Any:
        return opset.reshape(a, _integers(shape), False).output(0)

    def transpose(self, a: Any, order: Sequence[int]) -> Any:
        return opset.transpose(a, _integers(order)).output(0)

    def concatenate(self, tensors: Sequence[Any], axis: int) -> Any:
        return opset.concat(list(tensors), axis).output(0)


def _integers(values: Any) -> Any:
    return opset.constant(np.asarray(values, np.int64))

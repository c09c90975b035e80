"""The few operations that a detector's head is written in, and their execution by NumPy.

The head (all that follows the features) is one function over ``TensorOps``. NumPy executes it, which is the
fitted detector; ``openvino_ops`` and ``onnx_ops`` write the same function down as a graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Array = NDArray[Any]


class TensorOps(Protocol[T]):
    """Operations on float32 tensors of known shape; broadcasting is NumPy's."""

    def constant(self, value: Array) -> T:
        """An array of the model. A float16 one is kept so and computed with as float32."""
        ...

    def add(self, a: T, b: T) -> T: ...

    def subtract(self, a: T, b: T) -> T: ...

    def multiply(self, a: T, b: T) -> T: ...

    def divide(self, a: T, b: T) -> T: ...

    def maximum(self, a: T, b: T) -> T: ...

    def sqrt(self, a: T) -> T: ...

    def exp(self, a: T) -> T: ...

    def log(self, a: T) -> T: ...

    def matmul(self, a: T, b: T, *, transpose_b: bool = False) -> T:
        """The product over the last two axes; leading axes broadcast."""
        ...

    def sum(self, a: T, axis: int) -> T:
        """The sum over an axis, which stays with length 1; so it does below."""
        ...

    def mean(self, a: T, axis: int) -> T: ...

    def least(self, a: T, axis: int) -> T: ...

    def most(self, a: T, axis: int) -> T: ...

    def top(self, a: T, k: int) -> T:
        """The k largest values of the last axis, the largest first."""
        ...

    def top_places(self, a: T, k: int) -> T:
        """Where the k largest values of the last axis are, as whole numbers, for the three that follow."""
        ...

    def lookup(self, table: T, places: T) -> T:
        """Rows of a table, n x c, for places of any shape: ... x c."""
        ...

    def rows(self, a: T, places: T) -> T:
        """The rows at B x k places of each of B tables, B x n x c: B x k x c."""
        ...

    def spread(self, values: T, places: T, shape: tuple[int, int]) -> T:
        """B x k values at their places in zeros of the shape B x n."""
        ...

    def part(self, a: T, axis: int, start: int, stop: int) -> T:
        """The elements from ``start`` up to ``stop`` of an axis."""
        ...

    def take(self, a: T, indices: Array, axis: int) -> T:
        """The elements with these indices of an axis."""
        ...

    def reshape(self, a: T, shape: Sequence[int]) -> T: ...

    def transpose(self, a: T, order: Sequence[int]) -> T: ...

    def concatenate(self, tensors: Sequence[T], axis: int) -> T: ...


class NumpyOps:
    """The operations, executed at once.

    Args:
        dtype: float32, in which detectors compute; float64 tells how far rounding reaches.
    """

    def __init__(self, dtype: type[np.floating[Any]] = np.float32) -> None:
        self.dtype = dtype

    def constant(self, value: Array) -> Array:
        return np.asarray(value, self.dtype)

    def add(self, a: Array, b: Array) -> Array:
        return np.asarray(a + b)

    def subtract(self, a: Array, b: Array) -> Array:
        return np.asarray(a - b)

    def multiply(self, a: Array, b: Array) -> Array:
        return np.asarray(a * b)

    def divide(self, a: Array, b: Array) -> Array:
        return np.asarray(a / b)

    def maximum(self, a: Array, b: Array) -> Array:
        return np.asarray(np.maximum(a, b))

    def sqrt(self, a: Array) -> Array:
        return np.asarray(np.sqrt(a))

    def exp(self, a: Array) -> Array:
        return np.asarray(np.exp(a))

    def log(self, a: Array) -> Array:
        return np.asarray(np.log(a))

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        return np.asarray(a @ (np.swapaxes(b, -1, -2) if transpose_b else b))

    def sum(self, a: Array, axis: int) -> Array:
        return np.asarray(a.sum(axis, keepdims=True))

    def mean(self, a: Array, axis: int) -> Array:
        return np.asarray(a.mean(axis, keepdims=True))

    def least(self, a: Array, axis: int) -> Array:
        return np.asarray(a.min(axis, keepdims=True))

    def top(self, a: Array, k: int) -> Array:
        largest = np.partition(a, a.shape[-1] - k, axis=-1)[..., a.shape[-1] - k :]
        return np.asarray(np.sort(largest, axis=-1)[..., ::-1])

    def most(self, a: Array, axis: int) -> Array:
        return np.asarray(a.max(axis, keepdims=True))

    def top_places(self, a: Array, k: int) -> Array:
        return np.asarray(np.argsort(-a, axis=-1, kind="stable")[..., :k])

    def lookup(self, table: Array, places: Array) -> Array:
        return np.asarray(table[places])

    def rows(self, a: Array, places: Array) -> Array:
        return np.take_along_axis(a, places[..., None], 1)

    def spread(self, values: Array, places: Array, shape: tuple[int, int]) -> Array:
        whole = np.zeros(shape, values.dtype)
        np.put_along_axis(whole, places, values, 1)
        return whole

    def part(self, a: Array, axis: int, start: int, stop: int) -> Array:
        index = [slice(None)] * a.ndim
        index[axis] = slice(start, stop)
        return np.asarray(a[tuple(index)])

    def take(self, a: Array, indices: Array, axis: int) -> Array:
        return np.asarray(np.take(a, indices, axis))

    def reshape(self, a: Array, shape: Sequence[int]) -> Array:
        return np.asarray(a.reshape(tuple(shape)))

    def transpose(self, a: Array, order: Sequence[int]) -> Array:
        return np.asarray(a.transpose(tuple(order)))

    def concatenate(self, tensors: Sequence[Array], axis: int) -> Array:
        return np.concatenate(tensors, axis)

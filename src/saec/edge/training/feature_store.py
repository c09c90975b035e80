"""Arrays of one shape kept in a file: a fit of any number of images stays flat in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Spill:
    """A list of float32 arrays of one shape in a file; indices may be written in any order.

    Reading from several threads at once is safe; writing is for one.

    Args:
        path: the file; it is made, or emptied.
        shape: each array's shape.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._size = 4 * int(np.prod(shape))
        self._count = 0
        self._file = path.open("w+b", buffering=0)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        data = os.pread(self._file.fileno(), self._size, int(index) * self._size)
        return np.frombuffer(data, np.float32).reshape(self.shape).copy()

    def __setitem__(self, index: int, value: NDArray[np.float32]) -> None:
        data = np.ascontiguousarray(value, np.float32).tobytes()
        os.pwrite(self._file.fileno(), data, int(index) * self._size)
        self._count = max(self._count, int(index) + 1)

    def append(self, value: NDArray[np.float32]) -> None:
        self[self._count] = value

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for i in range(self._count):
            yield self[i]

    def close(self) -> None:
        self._file.close()

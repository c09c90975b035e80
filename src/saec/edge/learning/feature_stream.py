"""The features of many frames: several frames at once, as one frame alone cannot keep all threads busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saec.edge.graph import compile_streams
from saec.types import Image

Take = Callable[[NDArray[np.float32]], None]
"""Takes the features of a frame, C x h x w."""

_WAITING = 2
"""Frames that are given to the graph for each that it works on."""


class FeatureStream:
    """Computes features of frames that come one after the other.

    Args:
        model: ``openvino.Model``, frames 1 x H x W x 3 uint8 to features 1 x C x h x w.
        precision, threads, device: see ``compile_graph``; on a CPU each thread has a frame of its own.

    Attributes:
        graph: the compiled model.
    """

    def __init__(self, model: Any, precision: str, threads: int, device: str) -> None:
        self.graph = compile_streams(model, precision, threads, device)
        self._free = [self.graph.create_infer_request() for _ in range(_WAITING * threads)]
        self._begun: deque[tuple[Any, Image, Take]] = deque()

    def begin(self, frame: Image, take: Take) -> None:
        """Compute the features of a prepared frame; ``take`` gets them at a later call, frame by frame."""
        if not self._free:
            self._end_oldest()
        request = self._free.pop()
        request.start_async({0: frame[None]}, share_inputs=True)
        self._begun.append((request, frame, take))  # the request reads the frame's own memory

    def end(self) -> None:
        """Let all features be taken."""
        while self._begun:
            self._end_oldest()

    def _end_oldest(self) -> None:
        request, _, take = self._begun.popleft()
        request.wait()
        features = np.array(request.get_output_tensor(0).data[0], np.float32)
        self._free.append(request)
        take(features)

"""Many frames at once give what each gives alone, in the order in which they were begun."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.graph import compile_graph
from saec.edge.learning.feature_stream import FeatureStream


def small_model() -> Any:
    """Frames of 8 x 8 to 4 channels on a grid of 4 x 4."""
    import openvino as ov
    from openvino import opset13

    frames = opset13.parameter([1, 8, 8, 3], ov.Type.u8)
    planes = opset13.transpose(opset13.convert(frames, "f32"), opset13.constant([0, 3, 1, 2]))
    kernels = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)
    features = opset13.convolution(planes, opset13.constant(kernels), [2, 2], [0, 0], [0, 0], [1, 1])
    return ov.Model([opset13.result(features)], [frames], "small")


@pytest.mark.parametrize("threads", [1, 2])
def test_each_frame_gives_what_it_gives_alone(threads: int) -> None:
    model = small_model()
    frames = np.random.default_rng(1).integers(0, 256, (11, 8, 8, 3), np.uint8)
    found: list[NDArray[np.float32]] = []
    stream = FeatureStream(model, "f32", threads, "CPU")
    for frame in frames:
        stream.begin(frame, found.append)
    stream.end()
    alone = compile_graph(model, "f32", threads)
    assert np.stack(found) == pytest.approx(np.stack([alone(one[None])[0][0] for one in frames]), rel=1e-5)

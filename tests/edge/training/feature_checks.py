"""What the tests of the feature graph share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from saec.edge.training.feature_graph import Features, feature_function, features_apart


def frames(height: int, width: int) -> list[NDArray[np.uint8]]:
    """Noise, a ramp and a flat frame, height x width x 3."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], noise.shape)
    return [noise, np.ascontiguousarray(ramp), np.full_like(noise, 40)]


def same_as_torch(module: Features, height: int, width: int) -> NDArray[np.float32]:
    """Assert that the exported graph gives what the module gives on a few frames; give the first one's."""
    run, first = feature_function(module, height, width, "f32", 1), None
    for frame in frames(height, width):
        with torch.inference_mode():
            expected = module(torch.from_numpy(frame)[None])[0].numpy()
        # Twice: the terms of a sum cancel each other in part, so they are larger than the features.
        allowed = 2 * features_apart(module) * np.abs(expected).max()
        told = run(frame)
        np.testing.assert_allclose(told, expected, rtol=0, atol=allowed)
        first = told if first is None else first
    assert first is not None
    return first

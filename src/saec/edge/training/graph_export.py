"""From fitted torch modules to what runs at the line: one OpenVINO graph, or ONNX; and the parity gate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from saec.edge.training.feature_graph import features_apart, to_openvino
from saec.edge.training.patch_fit import WORKERS, one_thread
from saec.edge.training.patch_network import PatchNet
from saec.errors import ExtraError, ParityError
from saec.rounding import apart


def save_openvino(net: PatchNet, height: int, width: int, path: Path) -> None:
    """Write ``path`` (.xml) and its .bin; weights stay float32, the line's precision is a setting."""
    import openvino as ov

    ov.save_model(to_openvino(net, height, width), path, compress_to_fp16=False)


def save_onnx(net: PatchNet, height: int, width: int, path: Path) -> None:
    """Write the same graph as ONNX: input ``frames`` 1 x height x width x 3 uint8; ``score``, ``map``."""
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        raise ExtraError("onnxscript", "onnx") from None
    example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        net, (example,), input_names=["frames"], output_names=["score", "map"], dynamo=True, verbose=False
    )
    assert program is not None
    program.save(path, external_data=False)


SLIGHT = 1e-3
"""By how much of itself (of 1 where it is less) a threshold may always be moved: no label hangs on it."""

_DRAWS = 4
"""Ways to round a frame's features that are tried to see how far rounding moves its score."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How the exported graph compares with the fitted detector over the calibration images.

    Attributes:
        images: number of images that were compared.
        largest: difference of their scores.
        threshold: the score at which both give every one of them the same label. It is the one that was
            asked for, or the nearest to it where a score lay within rounding of it.
    """

    images: int
    largest: float
    threshold: float


def check_parity(
    net: PatchNet,
    exported: Callable[[NDArray[np.uint8]], float],
    frames: Iterable[NDArray[np.uint8]],
    threshold: float,
) -> Parity:
    """Score every frame by both and compare the labels at the threshold.

    Args:
        net: the fitted detector.
        exported: the exported graph's score of one prepared frame.
        frames: prepared frames, H x W x 3.
        threshold: scores at or above it are defects.

    Raises:
        ParityError: a label differs by more than rounding.
    """
    scores: list[tuple[float, float]] = []
    allowed = SLIGHT * max(1.0, abs(threshold))

    def fitted_score(frame: NDArray[np.uint8]) -> float:
        with torch.inference_mode():
            return float(net(torch.from_numpy(frame)[None])[0])

    stream = iter(frames)
    with one_thread(), ThreadPoolExecutor(WORKERS) as pool:
        while some := list(islice(stream, 2 * WORKERS)):
            for frame, fitted in zip(some, pool.map(fitted_score, some), strict=True):
                told = exported(frame)
                scores.append((fitted, told))
                if (fitted >= threshold) != (told >= threshold):
                    allowed = max(allowed, rounding_of(net, frame)[0])
    agreed = _agreed(scores, threshold)
    largest = max((abs(a - b) for a, b in scores), default=0.0)
    if abs(agreed - threshold) > allowed:
        flips = sum((a >= threshold) != (b >= threshold) for a, b in scores)
        raise ParityError(
            "the exported graph gives another label than the fitted detector on "
            f"{flips} of {len(scores)} calibration images (largest score difference "
            f"{largest:.2g})",
            "fit with dtype float32; if that was used already, report this: the export is at fault",
        )
    return Parity(len(scores), largest, agreed)


def rounding_of(net: PatchNet, frame: NDArray[np.uint8]) -> tuple[float, float]:
    """How far rounding in float32 may move a frame's score, and any cell of its map.

    The backbone's sums, all that follow each other, say by how much of itself a feature may be off
    (``saec.rounding``); the detector then weighs a feature by the spread of the goods, and goods that are
    nearly the same magnify every error. A distance to the memory is the root of sums that cancel each other
    where the distance is small. So such errors are put in, of either sign, and the answers are looked at.

    Args:
        net: the fitted detector.
        frame: prepared, H x W x 3.
    """
    distances, memory = net.distances, net.distances.memory
    generator = torch.Generator().manual_seed(0)

    def sign(like: torch.Tensor) -> torch.Tensor:
        return torch.randint(0, 2, like.shape, generator=generator) * 2.0 - 1

    with torch.inference_mode():
        features = net.features(torch.from_numpy(frame)[None])
        score, map_ = net.scale(distances(features))
        error = features_apart(net.features) * features.abs().amax((2, 3), keepdim=True)
        longest = memory.standardise(features).norm(dim=1) + memory.bias.max().sqrt()
        squares = apart(3 * features.shape[1], 1.0) * longest**2
        scores, maps = 0.0, 0.0
        for _ in range(_DRAWS):
            near = memory(features + error * sign(features))
            there = distances.places(memory.standardise(features + error * sign(features)))
            off = torch.minimum(squares.sqrt(), squares / (2 * near).clamp_min(1e-30))
            moved, moved_map = net.scale(distances.smoothed(near + off * sign(off), there))
            scores = max(scores, float((moved - score).abs().max()))
            maps = max(maps, float((moved_map - map_).abs().max()))
        return scores, maps


def _agreed(scores: Sequence[tuple[float, float]], threshold: float) -> float:
    """The nearest threshold that lies between the two scores of no image."""

    def parts(t: float) -> list[tuple[float, float]]:
        return [(min(s), max(s)) for s in scores if (s[0] >= t) != (s[1] >= t)]

    up = down = threshold
    while split := parts(up):
        up = math.nextafter(max(high for _, high in split), math.inf)
    while split := parts(down):
        down = min(low for low, _ in split)
    return up if up - threshold <= threshold - down else down

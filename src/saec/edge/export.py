"""From fitted torch modules to what runs at the line: one OpenVINO graph, or ONNX; and the parity gate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from saec.edge.fit import WORKERS, one_thread
from saec.edge.graph import compile_graph
from saec.edge.patch import Features, PatchNet
from saec.errors import ExtraError, ParityError


def to_openvino(module: torch.nn.Module, height: int, width: int) -> Any:
    """The module as an OpenVINO model for one frame: 1 x height x width x 3, uint8.

    Layers are named by their place, so that the same module gives the same bytes wherever it is saved.
    """
    import openvino as ov

    example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with torch.inference_mode():
        traced = torch.jit.trace(module, example, check_trace=False)  # the parity gate is the check
        model = ov.convert_model(traced, example_input=example, input=[([1, height, width, 3], ov.Type.u8)])
    model.set_friendly_name("saec")
    for index, layer in enumerate(model.get_ordered_ops()):
        layer.set_friendly_name(f"{layer.get_type_name()}_{index}")
    return model


def feature_function(
    features: Features, height: int, width: int, precision: str, threads: int
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The backbone in OpenVINO, in the precision of the line, for one prepared frame."""
    graph = compile_graph(to_openvino(features, height, width), precision, threads)

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = graph(frame[None])[0][0].astype(np.float32)
        return output

    return run


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


ROUNDING = 1e-3
"""By how much of itself (of 1 where it is less) a threshold may be moved out of the way of rounding."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How the exported graph compares with the fitted detector over the calibration images.

    Attributes:
        images: that were compared.
        largest: difference of their scores.
        threshold: at which both give every one of them the same label: the one that was asked for, or the
            nearest to it where a score lay within rounding of it.
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

    def fitted_score(frame: NDArray[np.uint8]) -> float:
        with torch.inference_mode():
            return float(net(torch.from_numpy(frame)[None])[0])

    stream = iter(frames)
    with one_thread(), ThreadPoolExecutor(WORKERS) as pool:
        while some := list(islice(stream, 2 * WORKERS)):
            for frame, fitted in zip(some, pool.map(fitted_score, some), strict=True):
                scores.append((fitted, exported(frame)))
    agreed = _agreed(scores, threshold)
    largest = max((abs(a - b) for a, b in scores), default=0.0)
    if abs(agreed - threshold) > ROUNDING * max(1.0, abs(threshold)):
        flips = sum((a >= threshold) != (b >= threshold) for a, b in scores)
        raise ParityError(
            f"the exported graph labels {flips} of {len(scores)} calibration images otherwise than the "
            f"detector that was fitted (largest score difference {largest:.2g})",
            "fit with --precision f32",
        )
    return Parity(len(scores), largest, agreed)


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

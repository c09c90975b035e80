"""An image classifier as an OpenVINO graph: any file of YOLO11-cls (or alike) in, one uniform graph out.

The uniform graph takes 1 x H x W x 3 uint8 RGB and gives 1 x classes probabilities, so that what runs at
the line knows nothing of layouts, scales or whether the export ended in a softmax.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from saec.edge.graph import CPU, compile_graph, compiled, core
from saec.edge.model_conversion import export_ultralytics
from saec.errors import ImageError, ModelError
from saec.settings import FitConfig
from saec.types import Box, Image

SUFFIXES = (".xml", ".onnx", ".tflite", ".pt")
SUM_TOLERANCE = 0.05
"""How far from 1 the outputs of a softmax may add up; int8 graphs round each of 1000 classes."""


def load_classifier(weights: Path, *, side: int = FitConfig().side_px) -> Any:
    """Read a classifier and bring it to the uniform form.

    Args:
        weights: OpenVINO IR (.xml), ONNX, TFLite, or ultralytics' .pt (exported in ultralytics' process).
        side: input size of a .pt, and of a graph that leaves its height and width open.

    Returns:
        An ``openvino.Model``: ``image`` 1 x H x W x 3 uint8 -> ``probabilities`` 1 x classes float32.

    Raises:
        ModelError: no such file, not readable, or not an image classifier.
        ExtraError: a .pt without ultralytics.
    """
    if weights.suffix.lower() not in SUFFIXES:
        raise ModelError(
            f"{weights} is not a model file that can be read", f"give one of {', '.join(SUFFIXES)}"
        )
    if not weights.is_file():
        raise ModelError(f"{weights} does not exist", "give the path of a classification model")
    if weights.suffix.lower() != ".pt":
        return _uniform(_read(weights), weights, side)
    with tempfile.TemporaryDirectory() as folder:
        return _uniform(_read(export_ultralytics(weights, Path(folder), side=side)), weights, side)


def _read(path: Path) -> Any:
    try:
        return core().read_model(path)
    except RuntimeError as e:
        raise ModelError(
            f"{path} cannot be read: {str(e).strip().splitlines()[-1]}", "export the model again"
        ) from e


def _uniform(model: Any, path: Path, side: int) -> Any:
    import openvino as ov
    from openvino.preprocess import ColorFormat, PrePostProcessor

    layout = _layout(model, path)
    _fix_shape(model, layout, path, side)
    kind = model.input().get_element_type()
    if kind not in (ov.Type.f32, ov.Type.f16, ov.Type.u8):
        raise ModelError(
            f"{path} has an input of type {kind.get_type_name()}", "export the model with float32 input"
        )
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(
        ColorFormat.RGB
    )
    steps.input().model().set_layout(ov.Layout(layout))
    if kind != ov.Type.u8:
        steps.input().preprocess().convert_element_type(ov.Type.f32).scale(255.0)
    steps.output().tensor().set_element_type(ov.Type.f32)
    model = _with_softmax(steps.build())
    model.input().set_names({"image"})
    model.output().set_names({"probabilities"})
    return model


def _layout(model: Any, path: Path) -> str:
    """NHWC or NCHW, told by where the three channels are."""
    if len(model.inputs) == 1 and len(model.outputs) == 1:
        shape = model.input().get_partial_shape()
        if shape.rank.is_static and len(shape) == 4:
            for axis, layout in ((1, "NCHW"), (3, "NHWC")):
                if shape[axis].is_static and shape[axis].get_length() == 3:
                    return layout
    raise _not_a_classifier(model, path)


def _fix_shape(model: Any, layout: str, path: Path, side: int) -> None:
    """Batch one, and ``side`` where the export left height or width open; checks the output's form."""
    shape = model.input().get_partial_shape()
    fixed = [d.get_length() if d.is_static else side for d in shape]
    fixed[0] = 1
    try:
        model.reshape(fixed)
    except RuntimeError as e:
        raise ModelError(
            f"{path} does not take one image of shape {fixed}", "export the model with batch 1"
        ) from e
    output = model.output().get_partial_shape()
    if not output.is_static or len(output) != 2 or output[0].get_length() != 1 or output[1].get_length() < 2:
        raise _not_a_classifier(model, path)


def _not_a_classifier(model: Any, path: Path) -> ModelError:
    shapes = ", ".join(str(port.get_partial_shape()) for port in (*model.inputs, *model.outputs))
    return ModelError(
        f"{path} is not an image classifier (inputs and outputs {shapes})",
        "give a classification model, such as YOLO11-cls: one RGB image in, one row of class scores out",
    )


def _with_softmax(model: Any) -> Any:
    """Append a softmax unless the outputs already are probabilities on images of every brightness."""
    import openvino as ov
    from openvino import opset13

    infer = compiled(model, {"INFERENCE_PRECISION_HINT": "f32"})
    shape = tuple(model.input().get_shape())
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    probes = (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise)
    if all(_is_distribution(infer(probe)[0]) for probe in probes):
        return model
    source = model.output().get_node().input_value(0)
    return ov.Model([opset13.softmax(source, axis=1)], model.get_parameters(), "classifier")


def _is_distribution(values: NDArray[np.float32]) -> bool:
    return bool((values >= 0).all() and abs(float(values.sum()) - 1.0) <= SUM_TOLERANCE)


def classifier_input(image: Image, height: int, width: int, roi: Box | None = None) -> Image:
    """The graph's input as ultralytics prepares it: shorter side to the size, then the centre.

    Bilinear with antialiasing (Pillow's, which torchvision's resize is made to equal).

    Args:
        image: H x W x 3 uint8 RGB.
        height, width: the graph's input.
        roi: part of the frame to take, or None for all of it.

    Returns:
        height x width x 3 uint8.

    Raises:
        ImageError: the region of interest lies outside the frame.
    """
    if roi is not None:
        x0, y0, x1, y1 = roi
        if not (0 <= x0 < x1 <= image.shape[1] and 0 <= y0 < y1 <= image.shape[0]):
            raise ImageError(
                f"the region of interest {roi} lies outside a frame of {image.shape[1]} x "
                f"{image.shape[0]} px",
                "send frames of the size that you fitted the line on",
            )
        image = image[y0:y1, x0:x1]
    h, w = image.shape[:2]
    scale = max(height / h, width / w)
    resized_h, resized_w = max(height, int(h * scale)), max(width, int(w * scale))
    picture = Pillow.fromarray(image).resize((resized_w, resized_h), Pillow.Resampling.BILINEAR)
    top, left = round((resized_h - height) / 2), round((resized_w - width) / 2)
    return np.asarray(picture)[top : top + height, left : left + width]


def compile_classifier(model: Any, *, precision: str, threads: int, device: str = CPU) -> Any:
    """Compile with the arithmetic pinned; returns a function-like ``CompiledModel``."""
    return compile_graph(model, precision, threads, device)

"""The detector as one OpenVINO graph: the feature graph with the head written after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saec.edge.graph import GRAPH, core
from saec.edge.learning.head.detector_head import PatchModel, head
from saec.edge.learning.head.openvino_ops import OpenVinoOps
from saec.errors import LineError

FEATURES = "features"
"""Name of the tensor where the head begins, in the graph and in ONNX."""

SCORE, MAP, KINDS = "score", "map", "kinds"
"""Names of the outputs; the last one only where the line knows kinds."""


def with_head(features: Any, model: PatchModel) -> Any:
    """The whole detector.

    Args:
        features: ``openvino.Model``, frames 1 x H x W x 3 uint8 to features 1 x C x h x w.
        model: the head's arrays.

    Returns:
        An ``openvino.Model`` with the outputs ``SCORE`` (1), ``MAP`` (1 x 2h x 2w) and, where kinds are
        known, ``KINDS`` (1 x kinds).
    """
    import openvino as ov
    from openvino import opset13

    whole = features.clone()
    tensor = whole.get_results()[0].input_value(0)
    tensor.set_names({FEATURES})
    outputs = head(OpenVinoOps(), tensor, model)
    results = []
    for name, output in outputs.named():
        output.set_names({name})
        results.append(opset13.result(output))
    return _named(ov.Model(results, whole.get_parameters(), "saec"))


def features_of(path: Path) -> Any:
    """The feature graph out of a detector's graph that ``with_head`` has made.

    Raises:
        LineError: the file cannot be read, or has no features.
    """
    import openvino as ov
    from openvino import opset13

    try:
        model = core().read_model(path)
    except RuntimeError as e:
        raise LineError(f"{path} cannot be read", "restore it or fit the line again") from e
    for operation in model.get_ordered_ops():
        for output in operation.outputs():
            if FEATURES in output.get_names():
                return ov.Model([opset13.result(output)], model.get_parameters(), "saec")
    raise LineError(f"{path} is not the graph of a line that can be taught", "fit the line again")


def head_alone(model: PatchModel, shape: tuple[int, int, int, int]) -> Any:
    """The head as a graph of its own: features of this shape (1 x C x h x w) to the detector's outputs."""
    import openvino as ov
    from openvino import opset13

    features = opset13.parameter(list(shape), ov.Type.f32)
    outputs = head(OpenVinoOps(), features.output(0), model)
    return ov.Model([opset13.result(output) for _, output in outputs.named()], [features], "head")


def save_graph(model: Any, folder: Path) -> None:
    """Write the detector's graph (.xml and .bin) into a line profile; weights stay as they are."""
    import openvino as ov

    ov.save_model(model, folder / GRAPH, compress_to_fp16=False)


def _named(model: Any) -> Any:
    """Layers named by their place, so that the same model gives the same bytes wherever it is saved."""
    for index, layer in enumerate(model.get_ordered_ops()):
        layer.set_friendly_name(f"{layer.get_type_name()}_{index}")
    return model

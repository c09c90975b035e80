"""The detector as one ONNX file: the feature graph, and the head after it; it needs the extra ``onnx``."""

from __future__ import annotations

from pathlib import Path

from saec.edge.learning.head.detector_graph import FEATURES
from saec.edge.learning.head.detector_head import PatchModel, head, output_shapes
from saec.errors import ExtraError

INPUT = "frames"
"""Name of the input: 1 x H x W x 3, uint8, RGB."""


def replace_head(source: Path, model: PatchModel, target: Path) -> None:
    """Write a file's feature graph with another head after it.

    Args:
        source: an ONNX file whose tensor ``FEATURES`` is 1 x C x h x w; what follows it is left out.
        model: the head's arrays.
        target: the file to write; its outputs are those of ``detector_graph.with_head``.

    Raises:
        ExtraError: onnx is not installed.
    """
    try:
        import onnx
        from onnx import helper

        from saec.edge.learning.head.onnx_ops import PREFIX, OnnxOps
    except ModuleNotFoundError:
        raise ExtraError("onnx", "onnx") from None
    whole = onnx.load(source)
    graph = whole.graph
    nodes = [node for node in graph.node if not node.name.startswith(PREFIX)]
    constants = [constant for constant in graph.initializer if not constant.name.startswith(PREFIX)]
    ops = OnnxOps()
    outputs = head(ops, FEATURES, model)
    for kept, found in (
        (graph.node, [*nodes, *ops.nodes]),
        (graph.initializer, [*constants, *ops.constants]),
    ):
        del kept[:]
        kept.extend(found)
    del graph.output[:]
    shapes = output_shapes(model)
    for name, tensor in outputs.named():
        graph.node.append(helper.make_node("Identity", [tensor], [name], name=f"{PREFIX}{name}"))
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name]))
    onnx.save(whole, target)

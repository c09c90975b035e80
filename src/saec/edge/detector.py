"""The patch detector at the line: one OpenVINO graph, no torch."""

from __future__ import annotations

import numpy as np

from saec.arrays import check_image
from saec.edge.colours import ChannelOrder
from saec.edge.graph import GRAPH, compile_graph
from saec.edge.kind_naming import name_kind
from saec.edge.preparation import covered, prepare
from saec.errors import LineError
from saec.profile import LineProfile
from saec.types import DEFECT, GOOD, EdgeOpinion, Image


class PatchDetector:
    """The ``EdgeDetector`` of a line profile.

    One frame is one call of the graph, so a batch gives exactly what single calls give.

    Raises:
        LineError: the profile's graph is not one of this detector.
    """

    def __init__(self, profile: LineProfile) -> None:
        detector = profile.line.detector
        self._graph = compile_graph(
            profile.folder / GRAPH, detector.precision, detector.threads, detector.device
        )
        self._request = self._graph.create_infer_request()
        self._preparation = profile.line.preparation
        self._calibration = profile.calibration
        self._order = ChannelOrder(profile.references())
        expected = (1, self._preparation.height, self._preparation.width, 3)
        shape = tuple(self._graph.input(0).shape)
        self._kinds = profile.line.kinds
        if shape != expected or len(self._graph.outputs) != (3 if self._kinds else 2):
            raise LineError(
                f"{profile.folder / GRAPH} takes the shape {shape}, but the profile says {expected}",
                "fit the line again",
            )

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        """The opinion on each image, in order.

        Args:
            images: H x W x 3, uint8, of any size, RGB. OpenCV reads BGR: turn it with ``image[..., ::-1]``.

        Raises:
            ImageError: another shape or type; nothing is judged then.
        """
        checked = [check_image(image, f"image {i}") for i, image in enumerate(images)]
        return [self._inspect(image) for image in checked]

    def _inspect(self, image: Image) -> EdgeOpinion:
        self._order.check(image)
        output = self._request.infer({0: prepare(image, self._preparation)[None]}, share_inputs=True)
        score, anomaly = float(output[0][0]), np.array(output[1][0], np.float32)
        label = DEFECT if score >= self._calibration.threshold else GOOD
        sigmoid = self._calibration.p_defect
        return EdgeOpinion(
            score=score,
            label=label,
            p_defect=None if sigmoid is None else sigmoid(score),
            map=anomaly,
            map_box=covered(image, self._preparation),
            kind=name_kind(self._kinds, output[2][0]) if self._kinds and label == DEFECT else None,
        )

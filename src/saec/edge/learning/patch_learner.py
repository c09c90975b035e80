"""The patch detector learns: features of each frame, all else from what is kept of them, then export."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController, threadpool_limits

from saec.decoding import convert
from saec.edge.graph import GRAPH, OPENVINO_TYPES, compile_graph, other_arithmetic
from saec.edge.learning.detector_learning import Learned, learn
from saec.edge.learning.feature_stream import FeatureStream
from saec.edge.learning.fit_contract import Fitted, Gated, ImageOf, Progress, TrainFrame
from saec.edge.learning.head.detector_graph import features_of, head_alone, save_graph, with_head
from saec.edge.learning.head.parity import HEADS, IMAGES, check_parity
from saec.edge.learning.judged_region import MASK, cells_inside, marked_cells, prepared_mask
from saec.edge.learning.taught_frames import FILE, TaughtFrame, TaughtFrames
from saec.edge.preparation import prepare
from saec.profile import Detector, LineProfile, Preparation, sha256_file
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD

ONNX = "detector.onnx"

ROUNDING = "feature_rounding"
"""Among the detector's parameters: by which share of itself arithmetic may change a feature."""

SaveOnnx = Callable[[Any, Path], None]
"""Writes the detector with this head (a ``PatchModel``) as ONNX into a folder."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureGraph:
    """What makes the features.

    Attributes:
        model: ``openvino.Model``, frames 1 x H x W x 3 uint8 to features 1 x C x h x w.
        preparation: how a frame becomes its input.
        inside: 2h x 2w, the cells of the map within the region of interest, or None for all.
        rounding: the share of itself by which arithmetic may change a feature.
        save_onnx: None where ONNX is not asked for.
    """

    model: Any
    preparation: Preparation
    inside: NDArray[np.bool_] | None
    rounding: float
    save_onnx: SaveOnnx | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """The exported detector as the line runs it: the compiled graph, and its head alone."""

    whole: Any
    head: Any


class PatchLearner:
    """Learns from frames; a ``TeachableLearner``.

    Args:
        features: makes the features.
        taught: what is kept of earlier frames; new ones are added.
        config: how the line is made.
        folder: the profile's folder.
        progress: told of what takes long after the frames.
        told: sentences for the user from before.
    """

    def __init__(
        self,
        features: FeatureGraph,
        taught: TaughtFrames,
        config: FitConfig,
        folder: Path,
        progress: Progress,
        told: Sequence[str] = (),
    ) -> None:
        self._features, self._taught, self._config = features, taught, config
        self._folder, self._progress, self._told = folder, progress, told
        self._precision = OPENVINO_TYPES[config.dtype]
        self._blas = ThreadpoolController()
        self._stream = FeatureStream(features.model, self._precision, config.threads, config.device)

    def knows(self, sha: str) -> bool:
        return sha in self._taught

    def add(self, frame: TrainFrame) -> None:
        prepared = prepare(frame.image, self._features.preparation)
        _, _, height, width = self._features.model.output(0).shape
        marked = None
        if frame.mask is not None:
            marked = marked_cells(frame.mask, self._features.preparation, (height, width))
        about = TaughtFrame(
            sha=frame.sha,
            label=frame.label,
            group=frame.group,
            kind=frame.kind,
            marked=marked,
            picked=frame.picked,
        )
        self._stream.begin(prepared, lambda features: self._take(about, features))

    def _take(self, about: TaughtFrame, features: NDArray[np.float32]) -> None:
        with self._blas.limit(limits=1, user_api="blas"):  # the other threads make features
            self._taught.add(about, features)

    def forget(self, sha: str) -> None:
        self._taught.forget(sha)

    def finish(self) -> Fitted:
        self._stream.end()
        self._taught.settle()
        with one_blas_thread():
            learned = learn(self._taught, self._config, self._features.inside, self._progress)
        save_graph(with_head(self._features.model, learned.model), self._folder)
        with ThreadPoolExecutor(2) as pool:
            shape = (1, *self._taught.features(()).shape[1:])
            compiling = [
                pool.submit(self._compiled, self._folder / GRAPH),
                pool.submit(self._compiled, head_alone(learned.model, shape)),
            ]
            if self._features.save_onnx is not None:
                self._features.save_onnx(learned.model, self._folder)
            names = sorted(path.name for path in self._folder.iterdir())
            self._taught.save(self._folder / FILE)
            exported = Exported(*(future.result() for future in compiling))
        return Fitted(
            preparation=self._features.preparation,
            detector=Detector(
                kind="patch",
                backbone=self._config.backbone,
                precision=self._precision,
                threads=self._config.threads,
                device=self._config.device,
                files={name: sha256_file(self._folder / name) for name in names},
                params={ROUNDING: self._features.rounding, **learned.params},
            ),
            goods=learned.goods,
            defects=learned.defects,
            order=learned.order,
            gate=lambda threshold, image_of: self._gate(learned, exported, threshold, image_of),
            notes=[*self._told, *learned.notes, *other_arithmetic(self._stream.graph, self._precision)],
            kinds=learned.kinds,
        )

    def _compiled(self, model: Any) -> Any:
        """A model, or the file of one, as the line runs it."""
        return compile_graph(model, self._precision, self._config.threads, self._config.device)

    def _gate(self, learned: Learned, exported: Exported, threshold: float, image_of: ImageOf) -> Gated:
        """Compare the exported graph with the fitted detector."""
        taught, steps = self._taught, self._taught.steps
        assert steps is not None
        scores = learned.goods | learned.defects
        nearest = sorted(scores, key=lambda sha: abs(scores[sha] - threshold))
        known = {frame.sha: frame for frame in (*taught.frames(GOOD), *taught.frames(DEFECT))}
        frames = [known[sha] for sha in nearest[:HEADS]]

        def pairs() -> Iterator[tuple[NDArray[np.float32], float]]:
            found = (image for sha in nearest if (image := image_of(sha)) is not None)
            for image, _ in zip(found, range(IMAGES), strict=False):
                prepared, seen = prepare(image, self._features.preparation), list[NDArray[np.float32]]()
                self._stream.begin(prepared, seen.append)
                told = float(exported.whole(prepared[None])[0][0])
                self._stream.end()
                yield seen[0][None], told

        with one_blas_thread():
            parity = check_parity(
                learned.model,
                lambda features: float(exported.head(features)[0][0]),
                (steps.real(taught.features([frame])) for frame in frames),
                pairs(),
                threshold,
                rounding=self._features.rounding,
            )
        notes = [
            "parity: the exported graph and the fitted detector give the same label on the features of the "
            f"{parity.heads} frames nearest to the threshold, and on {parity.images} whole images; largest "
            f"score difference {parity.largest:.1e}"
        ]
        if parity.threshold != threshold:
            notes.append(
                f"the threshold was moved from {threshold:.6g} to {parity.threshold:.6g}, "
                "because the score of a calibration image differed from it only by rounding"
            )
        return Gated(notes, parity.threshold)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold NumPy's products to one thread: a fit runs its folds side by side, and threads of threads wait for
    each other ten times longer than they compute."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def go_on(profile: LineProfile, folder: Path, progress: Progress) -> PatchLearner:
    """Learn on from a line's earlier frames, in the folder of its next version.

    Raises:
        LineError: a file of the line is missing or damaged.
    """
    line = profile.line
    config = convert(line.fit, FitConfig)
    taught = TaughtFrames.read(profile.folder / FILE)
    model = features_of(profile.folder / GRAPH)
    _, _, height, width = model.output(0).shape
    inside = None
    if line.preparation.mask:
        shutil.copyfile(profile.folder / MASK, folder / MASK)
        inside = cells_inside(prepared_mask(folder, line.preparation), (2 * height, 2 * width))
    save = None
    if (profile.folder / ONNX).is_file():
        from saec.edge.learning.head.onnx_file import replace_head

        def save(head: Any, target: Path) -> None:
            replace_head(profile.folder / ONNX, head, target / ONNX)

    features = FeatureGraph(model, line.preparation, inside, line.detector.params[ROUNDING], save)
    return PatchLearner(features, taught, config, folder, progress)

"""Questions to a cloud about labelled files, put as the line will put them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saec import edge
from saec.contracts import EdgeDetector
from saec.data.images.pixels import read_image
from saec.errors import AnswerError
from saec.frame.hottest_place import unusual_place
from saec.frame.judges import Cloud, read_references
from saec.lines.calibrating.image_scores import Step
from saec.profile import LineProfile
from saec.scene.complexity import Complexity
from saec.types import CloudQuery, Frame


class TrustQuestions:
    """Questions to a cloud about files, as the line will ask them: with its references and, where crops of
    the hottest place are shown, with what the edge sees of each."""

    def __init__(self, profile: LineProfile, cloud: Cloud, detector: EdgeDetector | None) -> None:
        self._cloud, self._bits = cloud, profile.line.preparation.bits
        self._calibration = profile.calibration
        self._references = tuple(read_references(profile, cloud.config.references))
        crops = cloud.config.spending.rule != "whole"
        self._detector = (detector or edge.open_detector(profile)) if crops else None
        self._complexity = Complexity(profile.line.complexity) if crops and profile.line.complexity else None

    def answers(self, paths: Sequence[Path], scores: Sequence[float], step: Step) -> list[float]:
        """The cloud's P(defect) of each file, a batch at a time, so that memory stays flat.

        Args:
            paths: the files.
            scores: the edge's of each.
            step: called after each batch.
        """
        engine, size = self._cloud.engine, self._cloud.config.batch
        answers: list[float] = []
        for start in range(0, len(paths), size):
            batch = slice(start, start + size)
            queries = [self._query(*one) for one in zip(paths[batch], scores[batch], strict=True)]
            opinions = engine.judge(queries)
            if len(opinions) != len(queries):
                raise AnswerError(f"{engine.name} gave {len(opinions)} answers to {len(queries)} questions")
            answers.extend(opinion.p_defect for opinion in opinions)
            step("cloud")
        return answers

    def _query(self, path: Path, score: float) -> CloudQuery:
        image, hottest = read_image(path, bits=self._bits), None
        if self._detector is not None:
            (opinion,) = self._detector.inspect([image])
            hottest = unusual_place(opinion, self._calibration, score=score)
        complexity = None if self._complexity is None else self._complexity.of(image)
        frame = Frame(id=path.name, image=image)
        return CloudQuery(frame, self._references, hottest=hottest, complexity=complexity)

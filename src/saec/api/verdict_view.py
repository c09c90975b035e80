"""``saec.Verdict``: the answer for one image, with its picture and its anomaly map."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from os import PathLike
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import msgspec

from saec.api.given_settings import given_path
from saec.api.verdict_html import SIDE, facts_html
from saec.errors import AnswerError, ConfigError, ExtraError, ImageError, SaecError
from saec.frame.map_pictures import overlay, save_picture
from saec.types import DEFECT, AnomalyMap, Box, DecidedBy, EdgeOpinion, ErrorRecord, Explanation, Image, State
from saec.types import VerdictRecord as VerdictRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = ("good", "defect")
NO_LABEL = "no label"
_COLOURS = {"good": "#1b6b3a", "defect": "#a3182c"}
_COLUMNS = 90
"""The width of a figure's words."""


def _itself(image: Image) -> Image:
    return image


class Verdict:
    """The answer for one image. ``Line.inspect`` and ``Line.inspect_many`` give it.

    >>> verdict = line.inspect(photo)
    >>> verdict.label_name, verdict.is_defect
    ('defect', True)
    >>> verdict.score > verdict.threshold
    True
    >>> verdict.decided_by, verdict.reason
    ('edge', 'edge-only')

    ``verdict.plot()`` draws it with matplotlib, and a notebook shows it by itself.

    Attributes:
        record: all that is known of it, as a run's ``verdicts.jsonl`` keeps it.
        threshold: the line's threshold. A score at or above it is labelled defect by the edge.
    """

    def __init__(
        self,
        record: VerdictRecord,
        *,
        threshold: float,
        read: Callable[[], Image],
        look: Callable[[Image], EdgeOpinion],
        image: Image | None = None,
        opinion: EdgeOpinion | None = None,
    ) -> None:
        self.record = record
        self.threshold = threshold
        self._read, self._look = read, look
        self._image, self._opinion = image, opinion

    @property
    def id(self) -> str:
        """The frame's name, unique within a run: for files the path relative to what was given."""
        return self.record.id

    @property
    def path(self) -> str:
        """The image's file; "" for an image that was given as an array."""
        return self.record.path

    @property
    def label(self) -> int | None:
        """``saec.GOOD`` (0) or ``saec.DEFECT`` (1); None where the image could not be judged."""
        return self.record.label

    @property
    def label_name(self) -> str:
        """ "good", "defect", or "no label" where the image could not be judged."""
        return NO_LABEL if self.label is None else LABELS[self.label]

    @property
    def is_defect(self) -> bool:
        """Whether the label is defect.

        Raises:
            AnswerError: there is no label. An image that could not be judged is neither good nor a defect.
        """
        if self.label is None:
            why = self.record.error.message if self.record.error else "it could not be judged"
            raise AnswerError(f"{self.id} has no label: {why}", 'test verdict.state == "error" first')
        return self.label == DEFECT

    @property
    def truth(self) -> int | None:
        """The label that the data set gives the image; None where it is unknown."""
        return self.record.truth

    @property
    def p_defect(self) -> float | None:
        """The calibrated probability of a defect; None where the line has seen no labelled defects."""
        return self.record.p_defect

    @property
    def kind(self) -> str | None:
        """The edge's name for the kind of the defect, "unknown" where it is like none of the line's kinds.

        None where the line was taught no kinds, or the label is not defect.
        """
        return self.record.kind

    @property
    def kind_confidence(self) -> float | None:
        """The calibrated probability that ``kind`` is right; None where ``kind`` is."""
        return self.record.kind_confidence

    @property
    def true_kind(self) -> str:
        """The data set's name for the kind of the defect; "" where it is unknown."""
        return self.record.true_kind

    @property
    def score(self) -> float | None:
        """The edge's anomaly score; higher is more anomalous. It is no probability."""
        return self.record.score

    @property
    def state(self) -> State:
        """ "final"; "provisional" where the edge stands in for the cloud; "error" without a label."""
        return self.record.state

    @property
    def decided_by(self) -> DecidedBy:
        """ "edge", "cloud", "edge-fallback" where the cloud failed, or "none" without a label."""
        return self.record.decided_by

    @property
    def reason(self) -> str:
        """Why it was decided so, a word of ``docs/scheduling.md``."""
        return self.record.reason

    @property
    def complexity(self) -> float | None:
        """How much there is to see; 0 is the line's median good."""
        return self.record.complexity

    @property
    def explanation(self) -> Explanation | None:
        """The cloud's words on a defect: kind, description and box; None where it was not asked.

        Its ``kind`` is free text, the cloud's own. ``Verdict.kind`` is the edge's.
        """
        return self.record.explanation

    @property
    def error(self) -> ErrorRecord | None:
        """Why there is no label, or what went wrong beside it; None where nothing did."""
        return self.record.error

    @property
    def image(self) -> Image:
        """The image, H x W x 3 uint8, RGB. The verdict of a file reads it when you first ask.

        Raises:
            ImageError: the file has gone or cannot be read.
        """
        if self._image is None:
            self._image = self._read()
        return self._image

    @property
    def map(self) -> AnomalyMap | None:
        """The anomaly map, h x w float32, in the score's units; None for a detector without maps."""
        return self._seen().map

    @property
    def map_box(self) -> Box | None:
        """The part of the image that the map covers: x0, y0, x1, y1 in pixels."""
        return self._seen().map_box

    def picture(self, *, max_side: int = 640) -> Image:
        """The image with its anomaly map over it, RGB, at most so many pixels on its longer side.

        The colours are those of a run's pictures: nothing up to half the threshold, an outline at it.
        """
        if max_side < 1:
            raise ConfigError(f"max_side is {max_side}", "give a number of pixels, at least 1")
        return overlay(self.image, self._seen(), self.threshold, max_side=max_side)

    def save_picture(self, path: str | PathLike[str]) -> None:
        """Write ``picture()`` as the file's ending says, such as ".jpg" or ".png"; folders are made.

        Raises:
            ConfigError: the ending is none of a picture, or the file cannot be written.
            ImageError: the image has gone, or was not judged.
        """
        file = given_path("path", path)
        try:
            save_picture(file, self.image, self._seen(), self.threshold)
        except OSError as e:
            raise ConfigError(f"{file} cannot be written: {e.strerror or e}", "choose another path") from e

    def plot(self) -> Figure:
        """Draw the image and the anomaly map side by side; returns matplotlib's figure.

        A notebook shows it. ``figure.savefig("verdict.png")`` keeps it.

        Raises:
            ExtraError: matplotlib is not installed.
            ImageError: the image has gone, or was not judged.
        """
        try:
            from saec.api.verdict_figure import SIDE, draw_verdict
        except ImportError:
            raise ExtraError("matplotlib", "notebook") from None
        colour = _COLOURS.get(self.label_name, "black")
        return draw_verdict(self.image, self.picture(max_side=SIDE), self._lines(), colour=colour)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values: one line of a run's ``verdicts.jsonl``."""
        plain: dict[str, Any] = msgspec.to_builtins(self.record)
        return plain

    def of_image(self, image: Image) -> Verdict:
        """The same verdict on an image that has no file."""
        record = msgspec.structs.replace(self.record, path="")
        return Verdict(
            record,
            threshold=self.threshold,
            read=partial(_itself, image),
            look=self._look,
            image=image,
            opinion=self._opinion,
        )

    def __getstate__(self) -> dict[str, Any]:
        """For a pickle: an image that has a file is read again."""
        return vars(self) | {"_image": None} if self.path else vars(self)

    def __repr__(self) -> str:
        facts = [self.label_name]
        if self.p_defect is not None:
            facts.append(f"P(defect) {self.p_defect:.3f}")
        if self.kind is not None:
            facts.append(f"kind {self._kind}")
        if self.score is not None:
            facts.append(f"score {self.score:.4g}, threshold {self.threshold:.4g}")
        facts.append(f"{self.decided_by}: {self.reason}")
        return f"<Verdict {self.id}: {'; '.join(facts)}>"

    def _repr_html_(self) -> str:
        try:
            picture: Image | str = self.picture(max_side=SIDE)
        except SaecError as e:  # its file has gone: the facts stand
            picture = e.what
        return facts_html(self._facts(), picture, f"{self.id} with its anomaly map: {self.label_name}")

    @property
    def _kind(self) -> str:
        confidence = self.kind_confidence
        return f"{self.kind}" if confidence is None else f"{self.kind} ({100 * confidence:.0f} %)"

    def _lines(self) -> list[str]:
        """The facts above a figure."""
        lines = [f"{self.id}: {self.label_name}"]
        if self.p_defect is not None:
            lines[0] += f", P(defect) {self.p_defect:.3f}"
        if self.kind is not None:
            lines.append(f"kind: {self._kind}")
        if self.score is not None:
            lines.append(f"score {self.score:.4g}, threshold {self.threshold:.4g}")
        if self.explanation is not None:
            words = f"cloud: {self.explanation.kind}: {self.explanation.description}"
            lines += wrap(words, _COLUMNS, max_lines=4, placeholder=" ...")
        return lines

    def _facts(self) -> list[tuple[str, str]]:
        """The facts beside a picture."""
        facts = [("image", self.id), ("label", self.label_name)]
        if self.p_defect is not None:
            facts.append(("P(defect)", f"{self.p_defect:.3f}"))
        if self.kind is not None:
            facts.append(("kind", self._kind))
        if self.score is not None:
            facts.append(("score", f"{self.score:.4g} (threshold {self.threshold:.4g})"))
        facts.append(("decided by", f"{self.decided_by}: {self.reason}"))
        if self.state != "final":
            facts.append(("state", self.state))
        if self.explanation is not None:
            facts.append(("kind, says the cloud", self.explanation.kind))
            facts.append(("the cloud's words", self.explanation.description))
        if self.error is not None:
            facts.append(("error", self.error.message))
        return facts

    def _seen(self) -> EdgeOpinion:
        """What the edge saw; looked at again where it was not kept."""
        if self._opinion is None:
            if self.label is None:
                raise ImageError(f"{self.id} was not judged, so it has no map", "read verdict.error")
            self._opinion = self._look(self.image)
        return self._opinion

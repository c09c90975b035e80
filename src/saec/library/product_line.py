"""``saec.Line``: a line profile, opened once, that judges images as often as you ask."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import cached_property, partial
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec

from saec import edge
from saec.data.images.pixels import read_image
from saec.data.input_images import Inputs, Split, limit_inputs
from saec.errors import ConfigError, DataError, ImageError, SaecError
from saec.evaluation.evaluation_tasks import EvaluationTask
from saec.evaluation.line_evaluation import evaluate_line, result_notes
from saec.evaluation.metrics import Metrics
from saec.frame.judges import Cloud, Judges, warm_up
from saec.frame.verdicts import error_verdict
from saec.library.given_frames import are_files, given_name, listed_files, written_frames
from saec.library.given_images import Colour, ImageLike, check_colour, given_frame, is_one_image, is_path
from saec.library.policy_choice import Policy, run_options
from saec.library.unkept_runs import (
    RecentOpinions,
    SharedDetector,
    judge_alone,
    line_judges,
    stream_verdicts,
)
from saec.library.verdict_view import Verdict
from saec.lines.leaks import held_out
from saec.profile import LineProfile
from saec.runs.run_folder import Options, judge_into
from saec.runs.run_record import VERDICTS_FILE
from saec.settings import RunConfig
from saec.types import EdgeOpinion, Image, Source, VerdictRecord

FRAMES_FOLDER = "frames"
"""Where a run folder keeps images that were given as arrays."""


class Line:
    """The line of one product: it judges images. Make one with ``saec.fit``, or open its folder.

    >>> line = saec.Line.open(folder)
    >>> line.inspect(photo).label_name
    'defect'
    >>> [verdict.label_name for verdict in line.inspect_many([photo, photo])]
    ['defect', 'defect']

    The detector is opened once, when you first need it. Several threads may share a line.

    Attributes:
        profile: the folder as it was opened: ``line.json`` and the calibration.
        notes: what the fit had to say, where ``saec.fit`` has just made the line.
    """

    def __init__(self, profile: LineProfile, *, notes: tuple[str, ...] = ()) -> None:
        self.profile = profile
        self.notes = notes
        self._warmed: WeakSet[Cloud] = WeakSet()

    @classmethod
    def open(cls, folder: str | PathLike[str], *, verify: bool = True) -> Line:
        """Open a folder that ``saec fit`` or ``saec.fit`` has made.

        Args:
            folder: the line profile.
            verify: compare the files' hashes with those in ``line.json``.

        Raises:
            LineError: there is no line profile, it is damaged, or it is of another version.
        """
        return cls(LineProfile.open(Path(folder), verify=verify))

    @property
    def name(self) -> str:
        """The product's name."""
        return self.profile.line.name

    @property
    def folder(self) -> Path:
        """Where the line profile lies."""
        return self.profile.folder

    @property
    def threshold(self) -> float:
        """The score from which the edge says defect."""
        return self.profile.calibration.threshold

    def inspect(
        self,
        image: ImageLike,
        *,
        cloud: Cloud | None = None,
        policy: Policy | str | None = None,
        colour: Colour = "rgb",
    ) -> Verdict:
        """Judge one image.

        >>> import numpy as np
        >>> from PIL import Image
        >>> pixels = np.array(Image.open(photo))
        >>> line.inspect(pixels).score == line.inspect(photo).score
        True
        >>> line.inspect(pixels[..., ::-1], colour="bgr").score == line.inspect(photo).score
        True

        Args:
            image: a path, a Pillow image, or an H x W x 3 array of uint8.
            cloud: who is asked where the policy says so; None leaves all to the edge.
            policy: who answers; None is the default policy.
            colour: the order of an array's channels: "rgb", or "bgr" as OpenCV reads them.

        Raises:
            ImageError: it is no image, or cannot be read; the message says how to mend it.
            ConfigError: settings contradict each other.
        """
        if cloud is None and policy is None:
            frame = given_frame(image, colour=colour, bits=self._bits)
            record, opinion = judge_alone(frame, self._edge)
            return self._verdict(record, opinion, frame.image)
        (*_, verdict) = self.inspect_many([image], cloud=cloud, policy=policy, colour=colour)
        if verdict.label is None:
            raise ImageError(
                f"{verdict.id} cannot be judged: {verdict.error.message if verdict.error else ''}"
            )
        return verdict

    def inspect_many(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        cloud: Cloud | None = None,
        policy: Policy | str | None = None,
        out: str | PathLike[str] | None = None,
        split: Split = "holdout",
        layout: str = "auto",
        limit: int | None = None,
        colour: Colour = "rgb",
        run: RunConfig | None = None,
    ) -> Iterator[Verdict]:
        """Judge many images; gives each verdict as it comes.

        Decoding, edge and cloud work at the same time. Verdicts of the cloud come when it has answered, so
        not always in the order of the images: ``verdict.id`` says which is which. An image that cannot be
        read gets a verdict without a label, whose ``error`` says why.

        >>> verdicts = list(line.inspect_many(str(gears)))
        >>> len(verdicts), {verdict.state for verdict in verdicts}
        (8, {'final'})

        Args:
            images: a folder, a data set, a pattern ("photos/*.png"), a list of paths, or any iterable of
                paths, Pillow images and arrays, such as a camera's.
            cloud: who is asked where the policy says so; None leaves all to the edge.
            policy: who answers; None is the default policy.
            out: a run folder to write, for ``saec report``; None leaves nothing on the disk.
            split: which part of a data set; "holdout" is what the line was not made of.
            layout: the data set's layout.
            limit: judge at most so many of the files, drawn by label and kind.
            colour: the order of arrays' channels.
            run: how the run goes: deadline, pictures, explanations.

        Raises:
            DataError: there is no image.
            ConfigError: settings contradict each other, or ``out`` holds a run already.
            ImageError: an element is neither a path nor an image.
        """
        check_colour(colour)
        options = run_options(policy, run)
        if are_files(images):
            inputs = listed_files(images, split=split, layout=layout)
            inputs = limit_inputs(held_out(self.profile, inputs), limit)
            if out is not None:
                return self._into(inputs, Path(out), cloud, options)
            return self._streamed(inputs.sources, cloud, options)
        if limit is not None:
            raise DataError("limit with images that come one by one", "give a folder or a list of paths")
        if is_one_image(images) or not isinstance(images, Iterable):
            raise ImageError(
                f"inspect_many was given one {type(images).__name__}", "call line.inspect(image)"
            )
        if out is not None:
            return self._into(self._kept(images, Path(out), colour), Path(out), cloud, options)
        if cloud is None and policy is None:
            return self._one_by_one(images, colour)
        return self._spooled(images, cloud, options, colour)

    def evaluate(
        self,
        dataset: str | PathLike[str],
        *,
        cloud: Cloud | None = None,
        policy: Policy | str | None = None,
        out: str | PathLike[str] | None = None,
        split: Split = "holdout",
        layout: str = "auto",
        limit: int | None = None,
        run: RunConfig | None = None,
    ) -> Metrics:
        """Judge a labelled data set and measure the verdicts.

        >>> report = line.evaluate(gears)
        >>> report.n_good, report.n_defect, report.escape_rate
        (4, 4, 0.0)

        Args:
            dataset: its folder.
            out: a run folder to write, for ``saec report``; None leaves nothing on the disk.
            run: how the run goes; by default no picture is saved without ``out``, and no words are asked for.
            See ``inspect_many`` for the others.

        Raises:
            LeakError: an image to judge was used to fit or calibrate the line, or to tune the cloud.
            DataError: there is no image of known truth.
        """
        run = run or RunConfig(maps=out is not None, explain=False)
        task = EvaluationTask(self.folder, Path(dataset), self.name)
        result = evaluate_line(
            task,
            cloud=cloud,
            options=run_options(policy, run),
            split=split,
            layout=layout,
            out=None if out is None else Path(out),
            limit=limit,
        )
        return msgspec.structs.replace(result.metrics, notes=tuple(result_notes(result)))

    def __repr__(self) -> str:
        line = self.profile.line
        return (
            f"<Line {self.name}: {line.detector.kind} {line.detector.backbone}, "
            f"threshold {self.threshold:.4g}, in {self.folder}>"
        )

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"

    @property
    def _bits(self) -> int:
        return self.profile.line.preparation.bits

    @cached_property
    def _detector(self) -> SharedDetector:
        return SharedDetector(edge.open_detector(self.profile))

    @cached_property
    def _edge(self) -> Judges:
        """What judges where no cloud is asked."""
        return line_judges(self.profile, None, run_options(), self._detector)

    def _verdict(
        self,
        record: VerdictRecord,
        opinion: EdgeOpinion | None,
        image: Image | None = None,
        judges: Judges | None = None,
    ) -> Verdict:
        judges = judges or self._edge
        return Verdict(
            record,
            threshold=judges.rules.calibration.threshold,
            read=partial(read_image, record.path, bits=self._bits),
            look=lambda image: judges.detector.inspect([image])[0],
            image=image,
            opinion=opinion,
        )

    def _streamed(
        self, sources: Iterable[Source], cloud: Cloud | None, options: Options
    ) -> Generator[Verdict, None, None]:
        """Verdicts by the loop of a run, without its folder."""
        judges, recent = line_judges(self.profile, cloud, options, self._detector), RecentOpinions()
        if cloud is not None and cloud not in self._warmed:
            warm_up(judges)  # what is loaded or compiled at a first call is so before threads start
            self._warmed.add(cloud)
        for record in stream_verdicts(sources, judges, options, recent):
            yield self._verdict(record, recent.take(record.id), judges=judges)

    def _spooled(
        self, images: Iterable[Any], cloud: Cloud | None, options: Options, colour: Colour
    ) -> Iterator[Verdict]:
        """The same of images that have no files: they wait for the cloud in a folder that goes at the end."""
        with tempfile.TemporaryDirectory(prefix="saec-") as name:
            folder = Path(name).absolute()
            sources = written_frames(images, folder, suffix=".bmp", colour=colour, bits=self._bits)
            with closing(self._streamed(sources, cloud, options)) as verdicts:
                for verdict in verdicts:
                    yield _taken_out(verdict, folder)

    def _one_by_one(self, images: Iterable[Any], colour: Colour) -> Iterator[Verdict]:
        """The edge's verdicts on images as they come, each before the next one is asked for."""
        for place, given in enumerate(images, 1):
            name = given_name(given, place)
            try:
                frame = given_frame(given, colour=colour, bits=self._bits, name=name)
            except ImageError as e:
                if not is_path(given):
                    raise
                yield self._verdict(self._failed(given, e, place, "read"), None)
                continue
            try:
                record, opinion = judge_alone(frame, self._edge, seq=place)
            except SaecError as e:
                yield self._verdict(self._failed(given, e, place, "edge"), None, frame.image)
            else:
                yield self._verdict(record, opinion, frame.image)

    def _failed(self, given: Any, error: SaecError, place: int, stage: str) -> VerdictRecord:
        path = str(Path(given).absolute()) if is_path(given) else ""
        source = Source(id=given_name(given, place), path=path)
        return error_verdict(source, self.name, error, time=time.time(), seq=place, stage=stage)

    def _kept(self, images: Iterable[Any], out: Path, colour: Colour) -> Inputs:
        """Images as files of a run folder."""
        folder = out / FRAMES_FOLDER
        if folder.exists() or (out / VERDICTS_FILE).exists():
            raise ConfigError(f"{out} already holds a run", "name another folder with out")
        folder.mkdir(parents=True)
        sources = list(written_frames(images, folder, suffix=".png", colour=colour, bits=self._bits))
        if not sources:
            raise DataError("there is no image to judge", "give at least one")
        return Inputs(root=str(folder.absolute()), layout="images", split="", sources=sources)

    def _into(self, inputs: Inputs, out: Path, cloud: Cloud | None, options: Options) -> Iterator[Verdict]:
        """Verdicts by a run that keeps its folder."""
        judges, recent = None, RecentOpinions()
        for record in judge_into(self.profile, inputs, out, cloud=cloud, options=options, look=recent.keep):
            judges = judges or line_judges(self.profile, None, options, self._detector)
            yield self._verdict(record, recent.take(record.id), judges=judges)


def _taken_out(verdict: Verdict, folder: Path) -> Verdict:
    """The verdict of an image that had no file, with the image in place of the temporary one."""
    path = Path(verdict.path)
    if path.parent != folder:
        return verdict
    held = verdict.image
    if verdict.state != "provisional":  # the cloud may still ask for it
        path.unlink()
    return verdict.of_image(held)

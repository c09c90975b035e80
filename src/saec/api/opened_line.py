"""What stands behind a ``Line``: the opened detector, and the ways by which images reach it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from saec.api.given_frames import DistinctNames, listed_files, written_frames
from saec.api.given_images import Colour, given_frame, is_path
from saec.api.given_run import FRAMES_FOLDER, no_image, unused_removed
from saec.api.unkept_runs import (
    LaterDetector,
    RecentOpinions,
    judge_alone,
    line_judges,
    profile_under,
    stream_verdicts,
)
from saec.api.verdict_view import Verdict
from saec.contracts import EdgeDetector
from saec.data.images.pixels import read_image
from saec.data.input_images import Inputs, Split, limit_inputs
from saec.errors import ImageError
from saec.frame.judges import Cloud, Judges, warm_up
from saec.frame.verdicts import error_verdict
from saec.lines.leaks import held_out
from saec.profile import LineProfile
from saec.runs.requested_options import run_options
from saec.runs.run_folder import Options, judge_into
from saec.types import EdgeOpinion, Image, Source, VerdictRecord


class OpenedLine:
    """A line whose detector is opened when the first image comes, and stays open.

    Args:
        profile: the line.
    """

    def __init__(self, profile: LineProfile) -> None:
        self._profile = profile
        self._bits = profile.line.preparation.bits
        self._detector = LaterDetector(profile)
        self._warmed: WeakSet[Cloud] = WeakSet()

    @cached_property
    def _edge(self) -> Judges:
        """What judges where no cloud is asked."""
        return line_judges(self._profile, None, run_options(), self._detector)

    def one(self, given: Any, colour: Colour) -> Verdict:
        """The edge's verdict on one image.

        Raises:
            SaecError: it is no image, or cannot be judged.
        """
        frame = given_frame(given, colour=colour, bits=self._bits)
        record, opinion = judge_alone(frame, self._edge)
        return self._alone(record, opinion, frame.image)

    def listed(self, images: Any, split: Split, layout: str, limit: int | None) -> Inputs:
        """The files to judge: those that did not make the line, and at most so many.

        Raises:
            DataError: none is left.
        """
        inputs = listed_files(images, split=split, layout=layout)
        return limit_inputs(held_out(self._profile, inputs), limit)

    def streamed(
        self, sources: Iterable[Source], cloud: Cloud | None, options: Options
    ) -> Generator[Verdict, None, None]:
        """Verdicts by the loop of a run, without its folder."""
        judges, recent = line_judges(self._profile, cloud, options, self._detector), RecentOpinions()
        profile = profile_under(self._profile, options)
        if isinstance(judges.detector, LaterDetector):
            judges.detector.make_ready()  # a detector that is broken is no fault of the frames
        if cloud is not None and cloud not in self._warmed:
            warm_up(judges)  # what is loaded or compiled at a first call is so before threads start
            self._warmed.add(cloud)
        for record in stream_verdicts(sources, judges, options, recent):
            yield self._verdict(record, recent.take(record.id), profile, judges.detector)

    def spooled(
        self, images: Iterable[Any], cloud: Cloud | None, options: Options, colour: Colour
    ) -> Iterator[Verdict]:
        """The same of images that have no files: they wait for the cloud in a folder that goes at the end."""
        with tempfile.TemporaryDirectory(prefix="saec-") as name:
            folder = Path(name).absolute()
            sources = written_frames(images, folder, suffix=".bmp", colour=colour, bits=self._bits)
            with closing(self.streamed(sources, cloud, options)) as verdicts:
                verdict = None
                for verdict in verdicts:
                    yield _taken_out(verdict, folder)
            if verdict is None:
                raise no_image()

    def one_by_one(self, images: Iterable[Any], colour: Colour) -> Iterator[Verdict]:
        """The edge's verdicts on images as they come, each before the next one is asked for."""
        self._detector.make_ready()
        names, place = DistinctNames(), 0
        for place, given in enumerate(images, 1):
            name = names.of(given, place)
            try:
                frame = given_frame(given, colour=colour, bits=self._bits, name=name)
            except ImageError as e:
                if not is_path(given):
                    raise
                yield self._alone(self._failed(given, name, e, place, "read"))
                continue
            try:
                record, opinion = judge_alone(frame, self._edge, seq=place)
            except Exception as e:  # as in a run: what goes wrong with a frame stays with it
                yield self._alone(self._failed(given, name, e, place, "edge"), image=frame.image)
            else:
                yield self._alone(record, opinion, frame.image)
        if not place:
            raise no_image()

    def kept(
        self, images: Iterable[Any], out: Path, cloud: Cloud | None, options: Options, colour: Colour
    ) -> Iterator[Verdict]:
        """Verdicts by a run that keeps its folder, on images that are written into it first."""
        with unused_removed(out):
            folder = out / FRAMES_FOLDER
            folder.mkdir()
            sources = list(written_frames(images, folder, suffix=".png", colour=colour, bits=self._bits))
            if not sources:
                raise no_image()
            inputs = Inputs(root=str(folder.absolute()), layout="images", split="", sources=sources)
            with closing(self.into(inputs, out, cloud, options)) as verdicts:
                yield from verdicts

    def into(
        self, inputs: Inputs, out: Path, cloud: Cloud | None, options: Options
    ) -> Generator[Verdict, None, None]:
        """Verdicts by a run that keeps its folder."""
        recent, profile = RecentOpinions(), profile_under(self._profile, options)
        detector = self._detector if profile is self._profile else LaterDetector(profile)
        run = judge_into(self._profile, inputs, out, cloud=cloud, options=options, look=recent.keep)
        with closing(run):
            for record in run:
                yield self._verdict(record, recent.take(record.id), profile, detector)

    def _verdict(
        self,
        record: VerdictRecord,
        opinion: EdgeOpinion | None,
        profile: LineProfile,
        detector: EdgeDetector,
        image: Image | None = None,
    ) -> Verdict:
        return Verdict(
            record,
            threshold=profile.calibration.threshold,
            read=partial(read_image, record.path, bits=self._bits),
            look=partial(_look, detector),
            image=image,
            opinion=opinion,
        )

    def _alone(
        self, record: VerdictRecord, opinion: EdgeOpinion | None = None, image: Image | None = None
    ) -> Verdict:
        """The edge's own verdict."""
        return self._verdict(record, opinion, self._profile, self._detector, image)

    def _failed(self, given: Any, name: str, error: Exception, place: int, stage: str) -> VerdictRecord:
        path = str(Path(given).absolute()) if is_path(given) else ""
        source = Source(id=name, path=path)
        return error_verdict(source, self._profile.line.name, error, time=time.time(), seq=place, stage=stage)


def _look(detector: EdgeDetector, image: Image) -> EdgeOpinion:
    return detector.inspect([image])[0]


def _taken_out(verdict: Verdict, folder: Path) -> Verdict:
    """The verdict of an image that had no file, with the image in place of the temporary one."""
    path = Path(verdict.path)
    if path.parent != folder:
        return verdict
    held = verdict.image
    if verdict.state != "provisional":  # the cloud may still ask for it
        path.unlink()
    return verdict.of_image(held)

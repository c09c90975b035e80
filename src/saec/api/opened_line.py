"""What stands behind a ``Line``: the opened detector, and the ways by which images reach it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from saec.api.given_frames import DistinctNames, are_files, listed_files, written_frames
from saec.api.given_images import Colour, check_order_is_known, given_frame, is_one_image, is_path
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
from saec.errors import ConfigError, ImageError
from saec.frame.judges import Cloud, Judges, warm_up
from saec.frame.verdicts import error_verdict
from saec.lines.leaks import held_out
from saec.profile import LineProfile
from saec.runs.requested_options import run_options
from saec.runs.run_folder import Options, judge_into
from saec.runs.run_record import RunInfo
from saec.settings import BulkConfig
from saec.types import EdgeOpinion, Image, Source, VerdictRecord


@dataclass(frozen=True, slots=True)
class AskedImages:
    """What ``inspect_many`` was given, and which part of it is asked for.

    Attributes:
        images: a path or an address, a list of paths, or images one by one.
        split, layout, limit: see ``inspect_many``.
        colour: the order of arrays' channels.
        routed: a policy was named.
    """

    images: Any
    split: Split
    layout: str
    limit: int | None
    colour: Colour
    routed: bool


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

    def many(
        self, asked: AskedImages, out: Path | None, cloud: Cloud | None, options: Options
    ) -> Iterator[Verdict]:
        """Verdicts on what was given, by the way that suits it.

        Raises:
            DataError: there is no image.
            ConfigError: a limit for images that come one by one, or an archive.
            ImageError: one image, or no image at all.
        """
        images, colour = asked.images, asked.colour
        if is_path(images):
            from saec.bulk.archive.containers import check_no_archive

            check_no_archive(os.fsdecode(images))
        if are_files(images):
            check_order_is_known(colour, "files")
            inputs = self.listed(images, asked.split, asked.layout, asked.limit)
            if out is not None:
                return self.into(inputs, out, cloud, options)
            return self.streamed(inputs.sources, cloud, options)
        if asked.limit is not None:
            raise ConfigError(
                "limit cannot be used with images that come one by one", "give a folder or a list of paths"
            )
        if is_one_image(images) or not isinstance(images, Iterable):
            raise ImageError(
                f"inspect_many takes many images, but got one {type(images).__name__}",
                "call line.inspect(image)",
            )
        if isinstance(images, Sized) and not len(images):
            raise no_image()
        if out is not None:
            return self.kept(images, out, cloud, options, colour)
        if cloud is None and not asked.routed:
            return self.one_by_one(images, colour)
        return self.spooled(images, cloud, options, colour)

    def archived(
        self, asked: AskedImages, out: Path | None, cloud: Cloud | None, options: Options, bulk: BulkConfig
    ) -> Iterator[Verdict]:
        """Verdicts on an archive, by Ray.

        Raises:
            ConfigError: there is no folder to write, or settings that a bulk run cannot have.
            ExtraError: Ray is not installed.
        """
        from saec.bulk.bulk_run import check_options
        from saec.bulk.requested_archive import given_archive, judged_on_ray

        archive = given_archive(asked.images, split=asked.split, layout=asked.layout, limit=asked.limit)
        if out is None:
            raise ConfigError('engine="ray" needs a run folder', "name one with out")
        check_options(options)
        run = judged_on_ray(self._profile, archive, out, cloud=cloud, options=options, bulk=bulk)
        return self._archived(run, options, bulk.parquet_column)

    def _archived(
        self, run: Generator[VerdictRecord, None, RunInfo], options: Options, column: str | None
    ) -> Iterator[Verdict]:
        from saec.bulk.archive.archived_images import archived_image

        profile = profile_under(self._profile, options)
        detector = self._detector if profile is self._profile else LaterDetector(profile)
        with closing(run):
            for record in run:
                yield Verdict(
                    record,
                    threshold=profile.calibration.threshold,
                    read=partial(archived_image, record.path, bits=self._bits, column=column),
                    look=partial(_look, detector),
                )

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

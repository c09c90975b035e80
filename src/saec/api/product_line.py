"""``saec.Line``: a line profile, opened once, that judges images as often as you ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from html import escape
from os import PathLike
from pathlib import Path
from typing import Unpack

import msgspec

from saec.api.given_images import Colour, ImageLike, check_colour, check_no_folder
from saec.api.given_run import given_out
from saec.api.given_settings import (
    check_cloud,
    check_layout,
    given_bulk,
    given_engine,
    given_limit,
    given_options,
    given_path,
)
from saec.api.line_teaching import NewFrames, forgotten, given_target, taught
from saec.api.line_trials import calibrated, tried
from saec.api.opened_line import AskedImages, OpenedLine
from saec.api.verdict_view import Verdict
from saec.data.input_images import Split
from saec.data.parts import PartIds
from saec.decoding import with_fields
from saec.errors import ConfigError, ImageError
from saec.evaluation.cloud_benefit import SHARES
from saec.evaluation.cloud_trial import CloudTrial
from saec.evaluation.evaluation_tasks import EvaluationTask
from saec.evaluation.line_evaluation import evaluate_line, result_notes
from saec.evaluation.metrics import Metrics
from saec.frame.judges import Cloud
from saec.lines.calibrating.requested_calibration import CalibrationFields, RecalibrationRequest
from saec.lines.calibrating.threshold_table import ThresholdTable
from saec.profile import LineProfile
from saec.settings import LOCAL, BulkConfig, DataConfig, Engine, Policy, RunConfig, SampleConfig


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
        notes: what the fit or the calibration had to say, where it has just made the line.
    """

    def __init__(self, profile: LineProfile, *, notes: tuple[str, ...] = ()) -> None:
        if not isinstance(profile, LineProfile):
            raise ConfigError(
                f"saec.Line() takes a line profile, not a {type(profile).__name__}",
                "open the line's folder: saec.Line.open(folder)",
            )
        self.profile = LineProfile(profile.folder.absolute(), profile.line, profile.calibration)
        self.notes = notes
        self._opened = OpenedLine(self.profile)

    @classmethod
    def open(cls, folder: str | PathLike[str], *, verify: bool = True) -> Line:
        """Open a folder that ``saec fit`` or ``saec.fit`` has made.

        Args:
            folder: the line profile.
            verify: compare the files' hashes with those in ``line.json``.

        Raises:
            LineError: there is no line profile, it is damaged, or it is of another version.
        """
        return cls(LineProfile.open(given_path("folder", folder), verify=verify))

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

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of defect that the edge tells apart; () where it was taught none."""
        return self.profile.line.kinds

    @property
    def choices(self) -> ThresholdTable:
        """What each choice of the threshold would give on the line's cross-fitted scores, with intervals.

        >>> [choice.rule.escape_rate for choice in line.choices if choice.rule.escape_rate]
        [0.05]
        """
        return ThresholdTable.of(self.profile)

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
        check_cloud(cloud)
        check_no_folder(image)
        if cloud is None and policy is None:
            return self._opened.one(image, colour)
        (*_, verdict) = self.inspect_many(iter([image]), cloud=cloud, policy=policy, colour=colour)
        if verdict.label is None:
            raise ImageError(verdict.error.message if verdict.error else f"{verdict.id} has no label")
        return verdict

    def inspect_many(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        cloud: Cloud | None = None,
        policy: Policy | str | None = None,
        out: str | PathLike[str] | None = None,
        split: Split = SampleConfig().split,
        layout: str = DataConfig().layout,
        limit: int | None = None,
        colour: Colour = "rgb",
        run: RunConfig | None = None,
        engine: Engine = LOCAL,
        bulk: BulkConfig | None = None,
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
            engine: "ray" judges an archive with many processes or machines; it needs ``out``.
            bulk: how it does.

        Raises:
            DataError: there is no image.
            ConfigError: settings contradict each other, or ``out`` holds a run already.
            ImageError: an element is neither a path nor an image.
        """
        check_colour(colour)
        check_cloud(cloud)
        check_layout(layout)
        options, limit, kept = given_options(policy, run), given_limit(limit), given_out(out)
        asked = AskedImages(images, split, layout, limit, colour, routed=policy is not None)
        if given_engine(engine) == "ray":
            return self._opened.archived(asked, kept, cloud, options, given_bulk(bulk))
        if bulk is not None:
            raise ConfigError("bulk needs the engine ray", 'give engine="ray" as well, or leave bulk out')
        return self._opened.many(asked, kept, cloud, options)

    def evaluate(
        self,
        dataset: str | PathLike[str],
        *,
        cloud: Cloud | None = None,
        policy: Policy | str | None = None,
        out: str | PathLike[str] | None = None,
        split: Split = SampleConfig().split,
        layout: str = DataConfig().layout,
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
        check_cloud(cloud)
        check_layout(layout)
        run = RunConfig(maps=out is not None, explain=False) if run is None else run
        task = EvaluationTask(self.folder, given_path("dataset", dataset), self.name)
        result = evaluate_line(
            task,
            profile=self.profile,
            cloud=cloud,
            options=given_options(policy, run),
            split=split,
            layout=layout,
            out=given_out(out),
            limit=given_limit(limit),
        )
        return msgspec.structs.replace(result.metrics, notes=tuple(result_notes(result)))

    def calibrate(
        self,
        dataset: str | PathLike[str] | None = None,
        *,
        goods: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        defects: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        cloud: Cloud | None = None,
        layout: str = DataConfig().layout,
        **request: Unpack[CalibrationFields],
    ) -> Line:
        """Redo thresholds and P(defect) without fitting again; gives the line with its next calibration.

        The older calibrations stay in the folder. A cloud is asked about the labelled calibration images:
        from how well it does follows what it may say on this line (``notes`` says it). Where defects are
        labelled, ``choices`` compares the ways to choose the threshold.

        Args:
            dataset: the line's data set; the defects of its training split give P(defect).
            goods, defects: folders of further goods, and of known defects.
            cloud: the cloud to measure.
            layout: the data set's layout.
            request: fields of ``RecalibrationRequest``, what ``saec calibrate`` takes as options.

        Raises:
            LeakError: an image is held out, or the cloud was tuned on too many.
            ConfigError: there is no such field, or fields contradict each other.
            DataError: there are too few goods, or labels contradict each other.
        """
        wish = with_fields(RecalibrationRequest(), request)
        after, notes = calibrated(
            self.profile, wish, dataset=dataset, goods=goods, defects=defects, cloud=cloud, layout=layout
        )
        return Line(after, notes=notes)

    def teach(
        self,
        dataset: str | PathLike[str] | None = None,
        *,
        goods: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        defects: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        kinds: str | PathLike[str] | None = None,
        out: str | PathLike[str] | None = None,
        layout: str = DataConfig().layout,
        parts: PartIds | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        **request: Unpack[CalibrationFields],
    ) -> Line:
        """Make the next version of the line from new labelled images; this one stays as it is.

        Neither the images of earlier versions nor torch are needed.

        Args:
            dataset: the line's data set; what its training split holds is taught as well.
            goods, defects: folders of new good images, and of new defects. Each folder in the latter is a
                kind of defect.
            kinds: a table of the new defects' kinds, with the columns ``file`` and ``kind``.
            out: the folder of the next version; None puts it beside the line, as NAME-v2 and so on.
            layout: the data set's layout.
            parts: where part ids come from.
            progress: called with what is being done, how many are done, and of how many.
            request: fields of ``RecalibrationRequest``, as in ``calibrate``.

        Raises:
            LineError: the line cannot be taught, or ``out`` exists.
            LeakError: an image is held out.
            DataError: there is nothing new, or labels contradict each other.
        """
        given = NewFrames.given(
            dataset=dataset, goods=goods, defects=defects, kinds=kinds, layout=layout, parts=parts
        )
        wish = with_fields(RecalibrationRequest(), request)
        after, notes = taught(self.profile, given, wish, out=given_target(out), progress=progress)
        return Line(after, notes=notes)

    def forget(
        self,
        hashes: str | Sequence[str],
        *,
        out: str | PathLike[str] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Line:
        """Make the next version as if some images had never been taught; this one stays as it is.

        Args:
            hashes: the sha256 of each image, or the first digits of it.
            out: the folder of the next version; None puts it beside the line, as NAME-v2 and so on.
            progress: called with what is being done, how many are done, and of how many.

        Raises:
            LineError: the line cannot be taught, or ``out`` exists.
            DataError: no such image, or one whose features are no longer kept.
        """
        chosen = [hashes] if isinstance(hashes, str) else list(hashes)
        after, notes = forgotten(self.profile, chosen, out=given_target(out), progress=progress)
        return Line(after, notes=notes)

    def worth(
        self,
        dataset: str | PathLike[str],
        cloud: Cloud,
        *,
        shares: Sequence[float] = SHARES,
        out: str | PathLike[str] | None = None,
        split: Split = SampleConfig().split,
        layout: str = DataConfig().layout,
    ) -> CloudTrial:
        """Say whether asking a cloud pays: edge and cloud judge every labelled image once.

        Args:
            dataset: labelled images; none may have served to make the line.
            cloud: the cloud to try.
            shares: the shares of the images that are asked about, the most unsure first.
            out: a folder for the run of both; None leaves nothing on the disk.
            split, layout: see ``inspect_many``.

        Raises:
            LeakError: an image was used to fit or calibrate the line, or to tune the cloud.
            DataError: there is no image of known truth.
        """
        return tried(self.profile, dataset, cloud, shares=shares, out=out, split=split, layout=layout)

    def __reduce__(self) -> tuple[partial[Line], tuple[LineProfile]]:
        return partial(Line, notes=self.notes), (self.profile,)

    def __repr__(self) -> str:
        line = self.profile.line
        return (
            f"<Line {self.name}: {line.detector.kind} {line.detector.backbone}, "
            f"threshold {self.threshold:.4g}, in {self.folder}>"
        )

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"

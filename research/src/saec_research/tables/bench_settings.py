"""The sections [frontier] and [paper]: what `saec bench` measures, and where it keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from saec.settings.setting_fields import (
    Count,
    Everyday,
    ExistingFile,
    ExistingFolder,
    Hidden,
    Option,
    PositiveShare,
)
from saec.simulation.simulation_settings import OpinionModel

Correlation = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Folders = Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")]


class FrontierPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The table [frontier.plan]: how a frontier is measured.

    Attributes:
        shares: A share of the frames that the cloud may be asked about, above 0 and at most 1. Give it
            several times for several shares.
        repeats: How often the images of --run and --data are split anew into five parts.
        length: frames of a stream, at least.
        seed: Random seed of everything that is drawn.
    """

    shares: Annotated[tuple[PositiveShare, ...], Option(name="--share", everyday=True)] = (
        0.05,
        0.1,
        0.2,
        0.3,
        0.5,
    )
    repeats: Count = 4
    length: Hidden[int] = 3000
    seed: int = 0


class FrontierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [frontier]: what `saec bench frontier` measures, and where it keeps it.

    Attributes:
        out: Folder of the results. What it held of them is replaced.
        work: Lines and runs are kept in this folder, and used again. Default: the folder work in --out.
        runs: Folder of a run on a labelled data set. Give it several times for several runs.
        data: Data set to fit a line on and to record. Give it several times for several data sets.
        products: Procedural products to draw, fit and record with the true answers of --cloud.
        cloud_error: Share of frames on which the simulated cloud of --run and --data is wrong.
        correlations: Correlation (phi, from -1 to 1) of the errors of the simulated cloud with those of the
            edge. Give it several times for several correlations.
        plan: how it is measured.
    """

    out: Path
    work: Everyday[Path | None] = None
    runs: Annotated[Folders, Option(name="--run")] = ()
    data: Folders = ()
    products: Annotated[int, msgspec.Meta(ge=0), Option(everyday=True)] = 0
    cloud_error: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = OpinionModel().cloud_error
    correlations: Annotated[tuple[Correlation, ...], Option(name="--correlation", everyday=True)] = (
        0.0,
        0.3,
        0.6,
    )
    plan: FrontierPlan = FrontierPlan()


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """How large a procedural data set is drawn.

    Attributes:
        size: side in pixels, of the images and of the edge's input.
        train, train_defect: goods to fit on, and known defects to calibrate with.
        good, defect: images that are judged.
    """

    size: int = 224
    train: int = 40
    train_defect: int = 40
    good: int = 80
    defect: int = 80


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The table [paper.given]: the data sets that the user has.

    Attributes:
        mvtec: Folder of the raw MVTec AD. Its hold-out is drawn here.
        ksdd2: Folder of the raw KolektorSDD2. Its one-to-one hold-out is drawn here.
        data: Another data set, or a folder of several. Give it several times for several.
        products: Procedural products to draw where you give no data set.
        drawing: how large they are.
    """

    mvtec: Everyday[ExistingFolder | None] = None
    ksdd2: Everyday[ExistingFolder | None] = None
    data: Folders = ()
    products: Everyday[Count] = 3
    drawing: Hidden[Drawing] = Drawing(train_defect=24, good=24, defect=24)

    @property
    def drawn(self) -> bool:
        """Whether products are drawn, as no data set is given."""
        return self.mvtec is None and self.ksdd2 is None and not self.data


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [paper]: what `saec bench paper` compares, and where it keeps it.

    Attributes:
        out: Folder of the results. What it held of them is replaced.
        work: Lines are kept in this folder, and used again. Links and runs in it are made anew. Default: the
            folder work in --out.
        yolo: Classifier of the YOLO rows: OpenVINO, ONNX, TFLite or .pt.
        llava: LLaVA-1.5 in the llava-hf conversion: its folder, or its name on a hub.
        seeds: Random seed of the hold-outs or products that are drawn, and of the fits. Give it several
            times: mean and deviation are over the seeds.
        given: the data sets.
    """

    out: Path
    work: Path | None = None
    yolo: Everyday[ExistingFile | None] = None
    llava: Annotated[str | None, Option(everyday=True, kind="model", metavar="PATH|NAME")] = None
    seeds: Annotated[tuple[int, ...], Option(name="--seed")] = (2025, 2026, 2027)
    given: Given = Given()

"""The settings of a run: its inputs, its pace, and what of it is measured."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from saec.settings.setting_fields import (
    Count,
    ExistingFile,
    NotInKey,
    NotNegative,
    Option,
    Positive,
)

Split = Literal["holdout", "train", "test", "val", "all"]


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [run]: how frames pass a line.

    Attributes:
        deadline_s: Seconds from the reading of a frame to its verdict. If the cloud has not answered by then,
            the verdict is the edge's and is marked provisional. Default: wait for the cloud.
        maps: Save a picture of each frame with its anomaly map.
        explain: Have the cloud describe, in words, each defect among the frames that it was asked about.
        decode_ahead: At most so many decoded frames wait before the edge, and as many before the scheduler.
            Memory grows with it: a frame of 12 megapixels takes 36 MB.
        waiting: At most so many frames wait for the cloud. The edge answers further ones. Default: any
            number; they wait on disk.
        decoders: How many threads read and decode images.
        edge_device: Run the detector on another device than the one of the fit: CPU, GPU, GPU.1
            or NPU. A score may differ a little there (docs/edge.md).
    """

    deadline_s: Annotated[Positive | None, Option(everyday=True)] = None
    maps: NotInKey[bool] = True
    explain: NotInKey[bool] = True
    decode_ahead: NotInKey[Count] = 8
    waiting: NotInKey[Count | None] = None
    decoders: NotInKey[Annotated[int, msgspec.Meta(ge=1, le=64)]] = 1
    edge_device: str | None = None


class MeterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [meter]: what of a run or of a command is measured.

    Attributes:
        gpu: Index of the GPU whose energy is measured, from 0, as in nvidia-smi.
        interval_s: Seconds between two samples of the meter.
        idle_s: Watch the machine at rest for so many seconds before the run, so that the energy at rest can
            be subtracted.
        cpu_watts: For a CPU without an energy counter. BUSY: the watts that one working core adds. REST: the
            watts of the whole CPU at rest. The result is marked as estimated.
        link_j_per_byte: The network's energy in joules per byte. It is assumed, not measured. A gigabit
            Ethernet port and its share of a switch take about 5 W at 1 Gbit/s: 40 nJ a byte. A mobile link
            takes a hundred times that and more.
    """

    gpu: Annotated[int, msgspec.Meta(ge=0)] | None = None
    interval_s: Positive = 0.2
    idle_s: NotNegative = 0.0
    cpu_watts: Annotated[tuple[float, float] | None, Option(metavar="BUSY REST")] = None
    link_j_per_byte: NotNegative = 4e-8


class DataConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [data]: how a data set is read.

    Attributes:
        layout: Layout of the data set. "auto" looks at its folders. The others are sft, visa, realiad, coco,
            yolo, ksdd, ksdd2, mvtec, folders, marked and images (docs/data.md). Some take a choice after a
            colon, such as folders:good=OK.
    """

    layout: str = "auto"


class SampleConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [sample]: which images of a data set are judged.

    Attributes:
        split: Which part of the data set is judged. "holdout" judges all images if none is held out.
        limit: Judge at most so many images. The sample keeps the share of each label and kind. It is the same
            every time.
    """

    split: Annotated[Split, Option(everyday=True)] = "holdout"
    limit: Annotated[Count | None, Option(everyday=True)] = None


class PartsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [parts]: which images show the same physical part.

    Attributes:
        pattern: Regular expression that finds the id of the physical part in a file's name, such as
            '(?P<lot>L[0-9]+)_(?P<part>[0-9]+)_'. A pattern that contains a / is searched in the whole path.
            All images of one part stay on one side of a split.
        csv: Table that names the physical part of each image: columns path, part and, if you like, lot.
    """

    pattern: Annotated[str | None, Option(name="--parts-pattern")] = None
    csv: Annotated[ExistingFile | None, Option(name="--parts-csv")] = None

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
        deadline_s: Seconds from the reading of a frame to its verdict. What the cloud does not answer by
            then, the edge answers provisionally. Default: wait for the cloud.
        maps: Save a picture of each frame with its anomaly map.
        explain: Ask the cloud for words on the defects that it was asked about.
        decode_ahead: Decoded frames that may wait before each stage. Memory grows with it.
        waiting: Frames that may wait for the cloud. Beyond it the edge answers. Default: any number; they
            wait on disk.
        decoders: Threads that read and decode images.
    """

    deadline_s: Annotated[Positive | None, Option(everyday=True)] = None
    maps: NotInKey[bool] = True
    explain: NotInKey[bool] = True
    decode_ahead: NotInKey[Count] = 8
    waiting: NotInKey[Count | None] = None
    decoders: NotInKey[Annotated[int, msgspec.Meta(ge=1, le=64)]] = 1


class MeterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [meter]: what of a run or of a command is measured.

    Attributes:
        gpu: Number of the GPU whose energy is measured, as nvidia-smi counts them.
        interval_s: Seconds between two samples of the meter.
        idle_s: Watch the machine at rest for so many seconds before the run, to know its energy net of idle.
        cpu_watts: For a CPU without an energy counter: watts of one working core, and of the package at rest.
            The energy is then estimated, and says so.
        link_j_per_byte: Joules that the link takes for each byte, as a stated model. A gigabit Ethernet port
            and its share of a switch take about 5 W at 1 Gbit/s: 40 nJ a byte. A mobile link takes a hundred
            times that and more.
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
            yolo, ksdd, ksdd2, mvtec, folders, marked and images (docs/data.md).
    """

    layout: str = "auto"


class SampleConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [sample]: which images of a data set are judged.

    Attributes:
        split: Part of the data set.
        limit: Judge at most so many images. They are drawn by label and kind in their shares, always the same
            ones.
    """

    split: Annotated[Split, Option(everyday=True)] = "holdout"
    limit: Annotated[Count | None, Option(everyday=True)] = None


class PartsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [parts]: which images show the same physical part.

    Attributes:
        pattern: Regular expression that finds the ids in a file's name, such as
            '(?P<lot>L[0-9]+)_(?P<part>[0-9]+)_'. A pattern that contains a / is searched in the whole path.
        csv: Table with the columns path, part and, if you like, lot.
    """

    pattern: Annotated[str | None, Option(name="--parts-pattern")] = None
    csv: Annotated[ExistingFile | None, Option(name="--parts-csv")] = None

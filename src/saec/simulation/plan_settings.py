"""The section [plan]: how many stations ask, what a replica takes for a batch, and what may fail.

The defaults of a replica are those of Qwen2.5-VL-7B in bfloat16 on one H200 with one reference at 448 px
(docs/cloud.md, "Measured"). Batches of 1, 8, 24 and 64 took 10.9, 67.7, 192.6 and 508.7 ms, which is
4 + 7.9 n ms within 10 %. One frame at an idle replica took 25 ms, so 14 ms of it are decoding, and a service
waits 10 ms for a batch to fill (``--max-delay-ms``). A busy H200 draws its 700 W. The 119 W at rest are those
of an H100 (docs/metering.md).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from saec.errors import ConfigError
from saec.settings.setting_fields import (
    Count,
    CountOrZero,
    Everyday,
    ExistingFolder,
    NewFile,
    NotNegative,
    OpenShare,
    Option,
    Positive,
    Share,
)


class ReplicaModel(msgspec.Struct, frozen=True, kw_only=True):
    """The table [plan.replica]: one GPU with its copy of the model.

    Attributes:
        request_ms: Milliseconds that a GPU takes for a batch, whatever the number of its frames.
        frame_ms: Milliseconds that a GPU takes for each frame of a batch, in addition.
        before_ms: Milliseconds before a frame can join a batch: decoding, and waiting for others.
        batch_frames: Most frames that a GPU computes at once, from any stations.
        watts: Watts of a GPU while it computes, and at rest with the model loaded.
    """

    request_ms: Annotated[NotNegative, Option(name="--gpu-request-ms")] = 4.0
    frame_ms: Annotated[Positive, Option(name="--gpu-frame-ms", everyday=True)] = 7.9
    before_ms: Annotated[NotNegative, Option(name="--before-ms")] = 24.0
    batch_frames: Annotated[Count, Option(name="--gpu-batch")] = 8
    watts: Annotated[tuple[NotNegative, NotNegative], Option(name="--gpu-watts", metavar="BUSY REST")] = (
        700.0,
        119.0,
    )

    def __post_init__(self) -> None:
        busy, rest = self.watts
        if rest > busy:
            raise ConfigError(
                f"a GPU of {busy:g} W while it computes cannot draw {rest:g} W at rest",
                f"give the larger number first: --gpu-watts {rest:g} {busy:g}",
            )


class PlanConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [plan]: what stations ask of a cloud, and what must still work.

    Attributes:
        stations: Number of stations.
        fps: Frames per second of each station.
        escalation: Share of frames that the cloud is asked about.
        burst: Mean number of frames in a row that the cloud is asked about, from 1. At 1 each frame is asked
            about by chance. A larger number means bad lots.
        late_share: Share of the questions that may be answered after the deadline.
        spare: GPUs that may fail at once while the deadline is kept.
        replicas: Number of GPUs that you have. Default: those that are needed, and the spare ones.
        replica: one GPU.
        frame_bytes: Bytes of a question with its image. 250 kB is a PNG file of 448 x 448 pixels.
        answer_bytes: Bytes of an answer. Assumed.
        link_gbit: Gbit/s of the link between all stations and the cloud.
        run: A run folder. Its times, bytes and share of questions replace the defaults.
        json: Write the plan to this JSON file; "-" is standard output.
    """

    stations: Everyday[Count] = 100
    fps: Everyday[Positive] = 10.0
    escalation: Everyday[Share] = 0.1
    burst: Annotated[float, msgspec.Meta(ge=1), Option(everyday=True)] = 1.0
    late_share: Everyday[OpenShare] = 0.01
    spare: Everyday[CountOrZero] = 1
    replicas: Everyday[Count | None] = None
    replica: ReplicaModel = ReplicaModel()
    frame_bytes: Positive = 250_000.0
    answer_bytes: Positive = 1_000.0
    link_gbit: Positive = 10.0
    run: Everyday[ExistingFolder | None] = None
    json: Everyday[NewFile | None] = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What stations ask, from [plan], [simulation], [cloud] and [run].

    Attributes:
        stations: their number.
        fps: frames per second of each.
        escalation: the share of frames that are asked about.
        burst: see ``PlanConfig``.
        together: frames that a station asks about at once, at most.
        edge_ms: milliseconds to the edge's opinion.
        deadline_s: seconds from a frame to its verdict.
        seed: the seed of all draws.
    """

    stations: int
    fps: float
    escalation: float
    burst: float
    together: int
    edge_ms: float
    deadline_s: float
    seed: int

    @property
    def questions_per_s(self) -> float:
        """Questions of all stations per second, in the mean."""
        return self.stations * self.fps * self.escalation

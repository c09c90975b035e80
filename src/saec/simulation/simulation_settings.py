"""The section [simulation]: how frames come, what edge and cloud think of them, and when the cloud answers.

What a simulation shares with a run stands in the sections of runs: [policy], [run] and [cloud].
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import msgspec

from saec.decoding import convert, fault_of
from saec.errors import ConfigError
from saec.settings import RemoteConfig
from saec.settings.setting_fields import Count, Everyday, Hidden, NotNegative, Option, Positive, Seed, Share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Distribution = Literal["constant", "exponential", "lognormal"]
Outage = tuple[float, float]
"""From when to when nothing is answered, in seconds from the first frame."""


def _check_ranges(settings: msgspec.Struct) -> None:
    """Raise ConfigError for a value that its field's range does not hold."""
    hints: dict[str, Any] = get_type_hints(type(settings), include_extras=True)
    for name, hint in hints.items():
        value = getattr(settings, name)
        try:
            convert(value, hint)
        except msgspec.ValidationError as e:
            raise ConfigError(f"{fault_of(name, str(e))}, and is {value:g}", f"give another {name}") from e


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The table [simulation.cloud.latency]: the round trip of the link, drawn for each request.

    Attributes:
        law: Distribution of the round trip over the link.
        ms: Round trip in milliseconds: the value ("constant"), the mean ("exponential") or the median
            ("lognormal").
        spread: With --latency-law lognormal: standard deviation of the logarithm of the round trip.
    """

    law: Annotated[Distribution, Option(name="--latency-law")] = "constant"
    ms: Annotated[NotNegative, Option(name="--latency-ms", everyday=True)] = 20.0
    spread: Annotated[NotNegative, Option(name="--latency-spread")] = 0.5

    def draw(self, rng: np.random.Generator) -> float:
        """One round trip, in seconds."""
        seconds = self.ms / 1e3
        if self.law == "exponential":
            return seconds * float(rng.exponential())
        if self.law == "lognormal":
            return seconds * math.exp(self.spread * float(rng.normal()))
        return seconds


class CloudModel(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The table [simulation.cloud]: when the simulated cloud answers.

    Attributes:
        request_ms: Milliseconds that the cloud takes for a request, whatever the number of its frames.
        frame_ms: Milliseconds that the cloud takes for each frame of a request, in addition.
        latency: the round trip of the link.
        outages: The cloud does not answer from second A to second B of the simulated time, as in 60-90. A
            request that is under way then is lost. Give it several times for several outages.
        timeout_s: seconds after which a request without an answer fails; [cloud.remote] says it.
    """

    request_ms: Annotated[NotNegative, Option(name="--cloud-ms", everyday=True)] = 100.0
    frame_ms: Annotated[NotNegative, Option(name="--cloud-frame-ms")] = 20.0
    latency: Latency = Latency()
    outages: Annotated[tuple[Outage, ...], Option(name="--outage", everyday=True, kind="outage")] = ()
    timeout_s: Hidden[float] = RemoteConfig().timeout_s

    def answer(self, now: float, frames: int, rng: np.random.Generator) -> tuple[float, bool]:
        """When a request that goes out now ends, in seconds, and whether it is answered."""
        ends = now + self.latency.draw(rng) + self.service_s(frames)
        late = ends - now > self.timeout_s
        return (now + self.timeout_s, False) if late or self._lost(now, ends) else (ends, True)

    def service_s(self, frames: int) -> float:
        """Seconds that the cloud works on a request of so many frames."""
        return (self.request_ms + self.frame_ms * frames) / 1e3

    def _lost(self, begun: float, ends: float) -> bool:
        """Whether an outage touches the time of a request: of those that began before its end, the last end
        is after its beginning. A long simulation has many outages, and each request asks.
        """
        begins, last_ends = self._outages
        earlier = bisect_left(begins, ends)
        return earlier > 0 and begun < last_ends[earlier - 1]

    @cached_property
    def _outages(self) -> tuple[list[float], list[float]]:
        """The beginnings of the outages in order, and the latest end of each and those before it."""
        ordered = sorted(self.outages)
        return [begin for begin, _ in ordered], list(accumulate((end for _, end in ordered), max))


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The table [simulation.pace]: how frames come.

    Attributes:
        frames_per_s: Frames per second.
        edge_ms: Milliseconds from taking a frame to the opinion of the edge.

    Raises:
        ConfigError: a value is out of range, or the edge cannot keep up with the frames.
    """

    frames_per_s: Everyday[Positive] = 20.0
    edge_ms: NotNegative = 20.0

    def __post_init__(self) -> None:
        _check_ranges(self)
        if self.frames_per_s * self.edge_ms > 1e3:
            raise ConfigError(
                f"an edge of {self.edge_ms:g} ms cannot keep up with {self.frames_per_s:g} frames per second",
                "lower the frames per second or the milliseconds of the edge",
            )


class OpinionModel(msgspec.Struct, frozen=True, kw_only=True):
    """The table [simulation.opinions]: what edge and cloud think of random frames.

    Attributes:
        defect_share: Without --run: share of defects among the frames.
        auroc: Without --run: AUROC of the scores of the edge.
        cloud_error: Share of frames on which the cloud is wrong. With --run there is no default: the cloud
            gives its recorded answers unless you give this option.
        correlation: Correlation (phi, from -1 to 1) of the errors of the cloud with those of the edge.

    Raises:
        ConfigError: a value is out of range.
    """

    defect_share: Share = 0.1
    auroc: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.95
    cloud_error: Annotated[float, msgspec.Meta(ge=0, le=0.5), Option(everyday=True)] = 0.05
    correlation: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.0

    def __post_init__(self) -> None:
        _check_ranges(self)

    @property
    def distance(self) -> float:
        """From the mean score of goods to that of defects."""
        from scipy.special import ndtri

        return math.sqrt(2.0) * float(ndtri(self.auroc))

    def scores(self, truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
        """The edge's scores of frames of known truth."""
        return rng.normal(size=len(truth)) + self.distance * truth


class SimulationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [simulation]: what is simulated.

    Attributes:
        frames: Number of frames. With --run each recorded frame passes once, unless you give a number: then
            that number is drawn, with replacement.
        seed: Random seed of the simulation.
        pace: how frames come.
        cloud: when the cloud answers.
        opinions: what edge and cloud think of random frames.
    """

    frames: Everyday[Count] = 10_000
    seed: Seed = 0
    pace: Pace = Pace()
    cloud: CloudModel = CloudModel()
    opinions: OpinionModel = OpinionModel()

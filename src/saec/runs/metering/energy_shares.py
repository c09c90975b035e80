"""What a run's energy went into: per stage, per route, per frame; the parts add up to what the counters saw.

The rule is that of ``saec.meter.attribution``. Net is above idle; gross adds to each frame an equal part of
idle power and of what no frame was at work for. Without a measured idle power net is unknown: the counter
then knows only the whole. The link's energy is a stated model, bytes times joules per byte, and is kept
apart: no counter saw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from saec.meter.attribution import Counter, EnergyShares, attribute, batch_weights
from saec.meter.ledger import MeterSample
from saec.runs.metering.stage_spans import STAGES, Spans
from saec.types import VerdictRecord

Array = NDArray[np.float64]

CLOUD_STAGES = frozenset({"cloud", "explain"})
DRAWS = 1000
_MOST_DRAWN = 20_000
"""Of more frames than this the normal approximation gives the interval."""


class EnergyPart(msgspec.Struct, frozen=True, kw_only=True):
    """Joules of one stage on one device, above idle, and of how many frames."""

    stage: str
    device: str
    frames: int
    net_j: float


class RouteEnergy(msgspec.Struct, frozen=True, kw_only=True):
    """Joules per frame of one route, with 95 % bootstrap intervals over its frames."""

    route: str
    frames: int
    net_j: float
    net_interval: tuple[float, float]
    gross_j: float
    gross_interval: tuple[float, float]


class DeviceEnergy(msgspec.Struct, frozen=True, kw_only=True):
    """A counter's joules over the run: ``total = idle + unattributed + stages``."""

    device: str
    total_j: float
    idle_j: float
    unattributed_j: float
    stages_j: float
    idle_w: float


class RunEnergy(msgspec.Struct, frozen=True, kw_only=True):
    """``energy.json`` of a run folder.

    Attributes:
        per_correct_gross_mwh, per_correct_net_mwh: over the correct decisions, with bootstrap intervals over
            frames; None without truth. Net needs a measured idle power.
        link_j: the link's energy by the stated model, for the frames that were sent; in no other figure.
    """

    devices: list[DeviceEnergy]
    parts: list[EnergyPart]
    routes: list[RouteEnergy]
    per_correct_gross_mwh: tuple[float, float, float] | None
    per_correct_net_mwh: tuple[float, float, float] | None
    link_j: float | None
    link_j_per_byte: float
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Frames:
    """What is known of each frame of a run, in the order of ``seq``."""

    seq: NDArray[np.int64]
    route: list[str]
    correct: NDArray[np.float64]
    sent_bytes: Array


def frames_of(verdicts: Iterable[VerdictRecord], sizes: dict[str, int]) -> Frames:
    """The frames of a run from its log; of several verdicts on one the last stands.

    Args:
        sizes: bytes of the files by path, those that a link would carry. Of a frame that went over a link the
            bytes that it took count instead.
    """
    last: dict[int, tuple[str, float, float]] = {}
    for v in verdicts:
        asked = v.cloud is not None or (v.route is not None and v.route.decision == "cloud")
        correct = np.nan if v.truth is None else float(v.label == v.truth)
        spent = v.cloud.spent if v.cloud is not None else None
        size = spent.bytes if spent is not None and spent.bytes else sizes.get(v.path, 0)
        last[v.seq] = ("cloud" if asked else "edge", correct, float(size * asked))
    seqs = sorted(last)
    rows = [last[seq] for seq in seqs]
    return Frames(
        np.array(seqs, np.int64),
        [row[0] for row in rows],
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
    )


def account(
    samples: Sequence[MeterSample],
    spans: Spans,
    frames: Frames,
    *,
    idle_w: dict[str, float | None],
    cloud_device: str,
    link_j_per_byte: float,
) -> tuple[RunEnergy, Array]:
    """Share out what the counters saw.

    Args:
        samples: the samples of the run's phase.
        idle_w: watts at rest of "gpu" and "cpu"; None where it was not measured.
        cloud_device: where the cloud's stages work, "gpu" or "cpu".
        link_j_per_byte: the stated model of the link, in joules per byte.

    Returns:
        The account, and the gross joules of each frame.
    """
    place = {int(seq): i for i, seq in enumerate(frames.seq)}
    known = np.array([int(seq) in place for seq in spans["seq"]], bool)
    spans = spans[known]
    owner = np.array([place[int(seq)] for seq in spans["seq"]], np.int64)
    names = np.array(STAGES)[spans["stage"]] if len(spans) else np.array([], str)
    on_cloud = np.isin(names, list(CLOUD_STAGES))
    net, rest = np.zeros(len(frames.seq)), 0.0
    devices, parts, notes = [], [], []
    for device in ("gpu", "cpu"):
        counter = _counter(samples, device, idle_w.get(device))
        if counter is None:
            notes.append(f"{device} energy: not measured")
            continue
        here = on_cloud if device == cloud_device else np.zeros(len(spans), bool)
        if device == "cpu":
            here = here | ~on_cloud
        shares = _share(counter, spans[here])
        np.add.at(net, owner[here], shares.spans)
        rest += shares.idle + shares.unattributed
        devices.append(_device(device, shares, counter.idle_w))
        parts += _parts(device, names[here], owner[here], shares.spans)
        if idle_w.get(device) is None:
            notes.append(f"{device}: idle power was not measured (give --idle-s), so it is not subtracted")
    gross = net + rest / max(1, len(net))
    measured_idle = all(idle_w.get(d.device) is not None for d in devices)
    energy = RunEnergy(
        devices=devices,
        parts=parts,
        routes=_routes(frames, net, gross),
        per_correct_gross_mwh=_per_correct(gross, frames.correct) if devices else None,
        per_correct_net_mwh=_per_correct(net, frames.correct) if devices and measured_idle else None,
        link_j=float(frames.sent_bytes.sum() * link_j_per_byte),
        link_j_per_byte=link_j_per_byte,
        notes=notes,
    )
    return energy, gross


def _counter(samples: Sequence[MeterSample], device: str, idle_w: float | None) -> Counter | None:
    values = [(s.time, s.gpu_j if device == "gpu" else s.cpu_j) for s in samples]
    kept: list[tuple[float, float]] = []
    for time, joules in values:
        if joules is None:
            return None
        if not kept or time > kept[-1][0]:
            kept.append((time, max(joules, kept[-1][1] if kept else joules)))
    if len(kept) < 2 or kept[-1][1] == kept[0][1]:
        return None
    times, joules_ = (np.array(side) for side in zip(*kept, strict=True))
    return Counter(times, joules_, idle_w or 0.0)


def _share(counter: Counter, spans: Spans) -> EnergyShares:
    keys = [(int(s["stage"]), int(s["batch"])) if s["batch"] else (i, -1) for i, s in enumerate(spans)]
    begins, ends = spans["begin"].astype(float), spans["end"].astype(float)
    return attribute(counter, begins, np.maximum(begins, ends), batch_weights(keys))


def _device(device: str, shares: EnergyShares, idle_w: float) -> DeviceEnergy:
    return DeviceEnergy(
        device=device,
        total_j=shares.total,
        idle_j=shares.idle,
        unattributed_j=shares.unattributed,
        stages_j=float(shares.spans.sum()),
        idle_w=idle_w,
    )


def _parts(device: str, names: NDArray[np.str_], owner: NDArray[np.int64], joules: Array) -> list[EnergyPart]:
    return [
        EnergyPart(
            stage=stage,
            device=device,
            frames=len(np.unique(owner[names == stage])),
            net_j=float(joules[names == stage].sum()),
        )
        for stage in STAGES
        if (names == stage).any()
    ]


def _routes(frames: Frames, net: Array, gross: Array) -> list[RouteEnergy]:
    rows = []
    for route in ("edge", "cloud"):
        here = np.array([r == route for r in frames.route], bool)
        if here.any():
            rows.append(
                RouteEnergy(
                    route=route,
                    frames=int(here.sum()),
                    net_j=float(net[here].mean()),
                    net_interval=_interval(net[here]),
                    gross_j=float(gross[here].mean()),
                    gross_interval=_interval(gross[here]),
                )
            )
    return rows


def _interval(values: Array) -> tuple[float, float]:
    """95 % of the mean: percentile bootstrap over frames, normal for very many."""
    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, mean
    if len(values) > _MOST_DRAWN:
        half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
        return mean - half, mean + half
    low, high = bootstrap(
        (values,), np.mean, n_resamples=DRAWS, method="percentile", rng=np.random.default_rng(0), batch=50
    ).confidence_interval
    return float(low), float(high)


def _per_correct(joules: Array, correct: Array) -> tuple[float, float, float] | None:
    """mWh per correct decision and its 95 % interval: joules and correct frames are drawn together."""
    known = ~np.isnan(correct)
    if not known.any() or not correct[known].sum():
        return None
    j, c = joules[known], correct[known]

    def ratio(j: Array, c: Array, axis: int = -1) -> Any:
        return j.sum(axis) / 3.6 / np.maximum(1.0, c.sum(axis))

    value = float(ratio(j, c))
    if len(j) < 2:
        return value, value, value
    if len(j) > _MOST_DRAWN:  # the linearised ratio is a mean, too
        low, high = _interval(value + (j / 3.6 - value * c) / c.mean())
        return value, low, high
    low, high = bootstrap(
        (j, c),
        ratio,
        paired=True,
        n_resamples=DRAWS,
        method="percentile",
        rng=np.random.default_rng(0),
        batch=50,
    ).confidence_interval
    return value, float(low), float(high)


def file_sizes(verdicts: Iterable[VerdictRecord]) -> dict[str, int]:
    """Bytes of the files that are still there, by path."""
    sizes = {}
    for verdict in verdicts:
        path = Path(verdict.path)
        if path.is_file():
            sizes[verdict.path] = path.stat().st_size
    return sizes

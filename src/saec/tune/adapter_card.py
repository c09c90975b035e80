"""What an adapter says of itself: ``saec_adapter.json``."""

from __future__ import annotations

import hashlib

import msgspec

from saec.tune.samples import TuneData
from saec.tune.training_state import Evaluation, Task
from saec.types import DEFECT, GOOD


class Counts(msgspec.Struct, frozen=True):
    """Images of each label."""

    good: int
    defect: int


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the steps since the last start were, evaluations not counted.

    Attributes:
        samples: images that were trained on.
        seconds: time that the steps took.
        peak_gpu_bytes: most memory that tensors held on the GPU, loading included; None on a CPU.
    """

    samples: int
    seconds: float
    peak_gpu_bytes: int | None


class AdapterCard(msgspec.Struct, frozen=True, kw_only=True):
    """``saec_adapter.json``.

    Attributes:
        dataset: name of the data set that it was tuned on.
        task: settings, and hashes of base and data; the hash of each image is in ``manifest.json``.
        train, val: how many images.
        before: figures of the base on the validation images.
        epochs: figures after each epoch.
        chosen: figures of the epoch whose weights these are. It was chosen by these images, so it flatters.
        demonstration: the base shows the mechanism and is not for real parts.
    """

    schema: int = 1
    dataset: str
    task: Task
    train: Counts
    val: Counts
    before: Evaluation
    epochs: list[Evaluation]
    chosen: Evaluation
    speed: Speed
    demonstration: bool
    created: str
    saec: str


def counts_of(labels: list[int]) -> Counts:
    return Counts(labels.count(GOOD), labels.count(DEFECT))


def data_hash(data: TuneData) -> str:
    """sha256 over all that training reads of the data, in order."""
    total = hashlib.sha256()
    for role, samples in (("train", data.train), ("val", data.val)):
        for s in samples:
            total.update(msgspec.json.encode([role, s.sha256, s.label, s.category, s.part]))
    return total.hexdigest()

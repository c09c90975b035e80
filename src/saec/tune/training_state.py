"""Where a run stands, in one file of tensors that is replaced as a whole: what ``--resume`` goes on from.

Order, references, dropout and learning rate are functions of seed and step, so no generator's or scheduler's
state belongs to it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from saec.decoding import decode
from saec.errors import ConfigError, ModelError
from saec.tune.tuning_settings import TuneConfig

Tensors = dict[str, torch.Tensor]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How well the validation images are judged after so many steps, from the two labels' logits.

    Attributes:
        epoch, step: the epoch and step after which it stands; 0 is the base as it was.
        auroc: the AUROC of P(defect).
        balanced_accuracy: mean of both classes' shares that are judged rightly at P(defect) = 0.5.
        loss: mean cross-entropy of the answer.
    """

    epoch: int
    step: int
    auroc: float
    balanced_accuracy: float
    loss: float

    @property
    def rank(self) -> tuple[float, float, float]:
        """Larger is better: AUROC first, since a line calibrates P(defect) anyway."""
        return (self.auroc, self.balanced_accuracy, -self.loss)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is being made; a run is gone on with only if it is the same.

    Attributes:
        config: the settings.
        base_hash: over the base's weights.
        data_hash: over the images' hashes, labels and roles, in order.
        prompt: version.
    """

    config: TuneConfig
    base_hash: str
    data_hash: str
    prompt: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is: steps done, and the evaluations so far, that of the base first."""

    task: Task
    step: int
    evaluations: list[Evaluation] = []

    @property
    def best(self) -> Evaluation | None:
        """The best epoch; the base as it was is none."""
        return max((e for e in self.evaluations if e.epoch), key=lambda e: e.rank, default=None)


def save_state(path: Path, progress: Progress, parts: dict[str, Tensors]) -> None:
    """Replace the file by one that holds this progress and these groups of tensors."""
    tensors = {
        f"{part}/{name}": t.detach().cpu() for part, group in parts.items() for name, t in group.items()
    }
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"progress": msgspec.json.encode(progress).decode()})
    partial.replace(path)


def read_state(path: Path, task: Task) -> tuple[Progress, dict[str, Tensors]]:
    """What ``save_state`` wrote, for the same task.

    Raises:
        ConfigError: it was made with other settings, data or weights; names them.
        ModelError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise ModelError(f"{path.parent} holds nothing to resume", "start again without --resume")
    parts: dict[str, Tensors] = {}
    try:
        with safe_open(path, framework="pt") as f:
            progress = decode(f.metadata()["progress"], Progress)
            for key in f.keys():  # noqa: SIM118 - it is no mapping
                part, name = key.split("/", 1)
                parts.setdefault(part, {})[name] = f.get_tensor(key)
    except (SafetensorError, msgspec.DecodeError, KeyError, TypeError, ValueError) as e:
        raise ModelError(f"{path} is damaged: {e}", "start again without --resume") from e
    if different := _differences(progress.task, task):
        raise ConfigError(
            f"{path.parent} was started with other values of: {', '.join(different)}",
            "resume with the same values, or start in another folder",
        )
    return progress, parts


def _differences(a: Task, b: Task) -> list[str]:
    old, new = (msgspec.to_builtins(task.config) for task in (a, b))
    names = [name for name in new if old[name] != new[name]]
    for name, said in (
        ("base_hash", "the base's weights"),
        ("data_hash", "the data"),
        ("prompt", "the prompt"),
    ):
        if getattr(a, name) != getattr(b, name):
            names.append(said)
    return names

"""``saec tune``: from instruction data to an adapter, in steps that a kill does not lose."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from safetensors.torch import save

from saec.cloud.checkpoints.checkpoint_folder import (
    ADAPTER_WEIGHTS,
    check_checkpoint,
    find_checkpoint,
    read_card,
    weights_hash,
)
from saec.errors import ConfigError, ExtraError, ModelError
from saec.extensions import VERSION
from saec.profile import write_json
from saec.runs.domain import ADAPTER_FILE
from saec.settings import ModelCard
from saec.settings.setting_ranges import check_ranges
from saec.tune.adapter_card import AdapterCard, Speed, counts_of, data_hash
from saec.tune.adapter_layers import Tensors, adapter_tensors, add_adapter, load_base, set_adapter
from saec.tune.data_parallel import Processes, launched
from saec.tune.merged_checkpoint import read_adapter_card, refuse_used
from saec.tune.samples import TuneData, read_data
from saec.tune.training import Step, Trainer
from saec.tune.training_questions import Questions, training_prompt
from saec.tune.training_state import Progress, Task, read_state, save_state
from saec.tune.tuning_settings import TuneConfig

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

STATE = "state.safetensors"
BOARD = "tensorboard"

Report = Callable[[str, int, int], None]
"""What is under way, how much of it is done, of how much."""


def tune(
    data: Path,
    out: Path,
    config: TuneConfig,
    *,
    created: str,
    holdouts: Sequence[Path] = (),
    resume: bool = False,
    report: Report | None = None,
) -> AdapterCard:
    """Make an adapter: peft's files, ``saec_adapter.json`` and the data's ``manifest.json``.

    Started by ``torchrun``, several processes make it together. All return its card; the first one writes.
    While it runs, ``out`` holds the state and no adapter, so what is half done is not taken for one.

    Args:
        data: folder that ``saec data sft`` made.
        out: folder of the adapter.
        config: the settings.
        created: time to state.
        holdouts: manifests whose hold-out images must not be tuned on.
        resume: go on from the state in ``out``; from a finished adapter, do nothing.
        report: told of each step.

    Raises:
        LeakError: an image stands in train and val, or in a hold-out.
        DataError: the data is missing, changed or one-sided.
        ModelError: the base is missing or unsuited, the state damaged, or the loss not finite.
        ConfigError: a setting is out of range, ``out`` is in use, the state is that of another task, or there
            are more processes than batches of a step.
        ExtraError: a package of ``saec[tune]`` is not installed.
    """
    processes = launched()
    _check(config, processes)
    device = processes.device(config.device)
    folder = find_checkpoint(config.base)
    if check_checkpoint(folder) != "qwen2_5_vl":
        raise ModelError(
            f"{config.base} is not a Qwen2.5-VL model", "tune a Qwen2.5-VL model: LLaVA is only a baseline"
        )
    samples = read_data(data, holdouts)
    card = read_card(folder)
    task = Task(
        config=config,
        base_hash=weights_hash([folder]),
        data_hash=data_hash(samples),
        prompt=training_prompt(card).version,
    )
    if resume and (finished := _finished(out, task)):
        return finished
    state = read_state(out / STATE, task) if resume else None
    if state is None:
        refuse_used(out)
    with processes.joined(device):
        questions = _questions(msgspec.structs.replace(config, device=device), folder, samples, card)
        trainer = Trainer(questions, samples.train, config, processes)
        processes.wait()  # the others have looked at ``out`` before the first writes there
        start = state or (Progress(task=task, step=0), {})
        run = _Run(out, trainer, questions.core.model, samples, start, processes, report or _silent)
        speed = run.to_the_end()
        made = _card(run, samples, speed, demonstration=card.demonstration, created=created)
        if processes.first:
            _write(run, samples, made)
        processes.wait()
    return made


def _check(config: TuneConfig, processes: Processes) -> None:
    check_ranges("tune", config)
    if config.accumulation < processes.count:
        raise ConfigError(
            f"--accumulation {config.accumulation} gives {config.accumulation} batches a step to "
            f"{processes.count} processes",
            f"give --accumulation {processes.count} or more, or start fewer processes",
        )
    for package in ("peft", "tensorboard", *(["bitsandbytes"] if config.dtype == "4bit" else [])):
        if find_spec(package) is None:
            raise ExtraError(package, "tune")


def _finished(out: Path, task: Task) -> AdapterCard | None:
    """The card of an adapter that is done already, for the same task."""
    if not (out / ADAPTER_WEIGHTS).is_file():
        return None
    card = read_adapter_card(out)
    if card.task != task:
        raise ConfigError(
            f"{out} holds an adapter that was tuned on other data or with other settings",
            "choose another --out",
        )
    return card


def _questions(config: TuneConfig, folder: Path, data: TuneData, card: ModelCard) -> Questions:
    """Questions to the base with a fresh adapter on it."""
    core = load_base(config, folder)
    questions = Questions(core, card, data.train, config.references)
    add_adapter(core, config)
    return questions


@dataclass
class _Run:
    """A run on its way, with its state on disk; of several processes the first one writes and reports."""

    out: Path
    trainer: Trainer
    model: Any
    data: TuneData
    state: tuple[Progress, dict[str, Tensors]]
    processes: Processes
    report: Report

    def __post_init__(self) -> None:
        self.progress, parts = self.state
        self.config = self.progress.task.config
        self.best: Tensors = parts.get("best", {})
        if "adapter" in parts:
            set_adapter(self.model, parts["adapter"])
            self.trainer.set_moments(parts, self.progress.step)
        self.board = self._board() if self.processes.first else None

    def _board(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        self.out.mkdir(parents=True, exist_ok=True)
        return SummaryWriter(str(self.out / BOARD), purge_step=self.progress.step)

    def to_the_end(self) -> Speed:
        """All epochs that are left, each followed by an evaluation."""
        samples, seconds = 0, 0.0
        if not self.progress.evaluations:
            self._save()
            self._evaluate(epoch=0)
        for epoch in range(len(self.progress.evaluations) - 1, self.config.epochs):
            began = time.perf_counter()
            for step in self.trainer.epoch(epoch, self.progress.step):
                self._stepped(step)
                samples += step.samples
            seconds += time.perf_counter() - began
            self._evaluate(epoch=epoch + 1)
        if self.board is not None:
            self.board.close()
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
        return Speed(samples=samples, seconds=round(seconds, 3), peak_gpu_bytes=peak)

    def _stepped(self, step: Step) -> None:
        done = step.number + 1
        self.progress = msgspec.structs.replace(self.progress, step=done)
        self._draw("train/loss", step.loss, done)
        if done % self.config.save_every_steps == 0:
            self._save()
        if self.processes.first:
            self.report("steps", done, self.trainer.steps)

    def _draw(self, name: str, value: float, step: int) -> None:
        if self.board is not None:
            self.board.add_scalar(name, value, step)

    def _evaluate(self, *, epoch: int) -> None:
        found = self.trainer.evaluate(self.data.val, epoch=epoch, step=self.progress.step)
        self.progress = msgspec.structs.replace(
            self.progress, evaluations=[*self.progress.evaluations, found]
        )
        if self.progress.best == found:
            self.best = adapter_tensors(self.model)
        for name in ("auroc", "balanced_accuracy", "loss"):
            self._draw(f"val/{name}", getattr(found, name), found.step)
        self._save()
        if self.processes.first:
            self.report("epochs", epoch, self.config.epochs)

    def _save(self) -> None:
        if not self.processes.first:
            return
        parts = {"adapter": adapter_tensors(self.model), "best": self.best, **self.trainer.moments()}
        save_state(self.out / STATE, self.progress, parts)


def _card(run: _Run, data: TuneData, speed: Speed, *, demonstration: bool, created: str) -> AdapterCard:
    """What there is to say of the adapter."""
    before, *epochs = run.progress.evaluations
    chosen = run.progress.best
    assert chosen is not None  # there is at least one epoch
    return AdapterCard(
        dataset=data.dataset,
        task=run.progress.task,
        train=counts_of([s.label for s in data.train]),
        val=counts_of([s.label for s in data.val]),
        before=before,
        epochs=epochs,
        chosen=chosen,
        speed=speed,
        demonstration=demonstration,
        created=created,
        saec=VERSION,
    )


def _write(run: _Run, data: TuneData, card: AdapterCard) -> None:
    """Write the adapter, its weights last: without them it is none."""
    run.model.peft_config["default"].save_pretrained(str(run.out))
    data.manifest.about = {"made_by": "saec tune", "dataset": data.dataset, "prompt": card.task.prompt}
    data.manifest.write(run.out)
    write_json(run.out / ADAPTER_FILE, card)
    partial = run.out / f"{ADAPTER_WEIGHTS}.partial"
    partial.write_bytes(save(run.best, metadata={"format": "pt"}))
    partial.replace(run.out / ADAPTER_WEIGHTS)
    (run.out / STATE).unlink()


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""

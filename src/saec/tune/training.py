"""The steps: forward and backward over a few batches, one optimiser step, at a learning rate by position."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from saec.cloud.questions.chat_template import scoring_text
from saec.cloud.questions.conversation import Prepared
from saec.cloud.questions.ensemble import mean_p
from saec.cloud.questions.label_scores import label_logits
from saec.cloud.questions.token_layout import answer_ids
from saec.errors import ModelError
from saec.schedule.statistics.auroc import auroc
from saec.tune.adapter_layers import Tensors, trained, unpack_for_training
from saec.tune.data_parallel import ALONE, Processes
from saec.tune.sample_order import epoch_order
from saec.tune.samples import TrainingSample
from saec.tune.training_questions import Draw, Questions
from saec.tune.training_state import Evaluation
from saec.tune.tuning_settings import TuneConfig
from saec.types import DEFECT, GOOD

_LONGEST = 1.0
"""Gradients are shortened to this length, as transformers' trainer does by default."""

_JUDGED = 8
"""Validation images that are judged at once."""

_AHEAD = 4
"""Batches that are made ready before they are asked for."""

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was made: its number from 0, the mean loss of its images, and how many they were."""

    number: int
    loss: float
    samples: int


@dataclass(frozen=True, slots=True)
class _Batch:
    """Questions of one forward pass: the number of their batch in its step, and their labels."""

    number: int
    talks: list[Prepared]
    labels: list[int]


class Trainer:
    """Trains the adapter of a model on questions; every step is a function of its number and the state.

    Args:
        questions: about the images, to the model with its adapter.
        train: the images.
        config: the settings.
        processes: those that train together; each gives a step's batches that are its own.

    Attributes:
        per_epoch: steps of one epoch.
    """

    def __init__(
        self,
        questions: Questions,
        train: Sequence[TrainingSample],
        config: TuneConfig,
        processes: Processes = ALONE,
    ) -> None:
        self._questions, self._train, self._config = questions, train, config
        self._processes = processes
        self._core = questions.core
        prompt = questions.prompt
        text = scoring_text(prompt, config.references)
        self._answers = answer_ids(self._core.tokenizer, text, prompt.labels)
        self._parameters = trained(self._core.model)
        self._optimiser = torch.optim.AdamW(
            self._parameters.values(), lr=config.learning_rate, weight_decay=0.0
        )
        self._labels = [s.label for s in train]
        self._group = config.batch * config.accumulation
        self.per_epoch = math.ceil(len(epoch_order(self._labels, 0, config.seed)) / self._group)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.per_epoch * self._config.epochs

    def epoch(self, epoch: int, first: int) -> Iterator[Step]:
        """The steps of an epoch from step ``first`` on, each when it is done."""
        order = epoch_order(self._labels, epoch, self._config.seed)
        start = epoch * self.per_epoch
        groups = [order[i : i + self._group] for i in range(0, len(order), self._group)][first - start :]
        size = self._config.batch
        pieces = [[g[i : i + size] for i in range(0, len(g), size)] for g in groups]
        own = [self._processes.share(group) for group in pieces]
        draws = (self._draw(i, epoch) for group in own for _, piece in group for i in piece)
        talks = self._prepared(draws, size)
        for step, (group, ours) in enumerate(zip(pieces, own, strict=True), first):
            ready = (_Batch(at, list(islice(talks, len(p))), [self._labels[i] for i in p]) for at, p in ours)
            samples = sum(map(len, group))
            yield Step(step, self._step(step, ready, len(group), samples), samples)

    def _prepared(self, draws: Iterable[Draw], size: int) -> Iterator[Prepared]:
        """Questions in order, a few batches of that size ahead."""
        return self._questions.prepared(draws, threads=self._config.decoders, limit=_AHEAD * size)

    def _draw(self, index: int, epoch: int) -> Draw:
        return Draw(self._train[index], (self._config.seed, 1 + epoch))

    def _step(self, step: int, batches: Iterable[_Batch], of: int, samples: int) -> float:
        """One step on the mean loss of ``of`` batches with ``samples`` images in all, which it returns.

        Args:
            step: its number.
            batches: those of this process.
            of, samples: batches and images of all processes.
        """
        self._core.model.train()
        for group in self._optimiser.param_groups:
            group["lr"] = self._config.learning_rate * rate_share(
                step, self.steps, self._config.warm_up_share
            )
        losses = np.zeros(of)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            for batch in batches:
                torch.manual_seed(_dropout_seed(self._config.seed, step, batch.number))
                inputs = self._core.inputs(batch.talks)
                logits = self._core.model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1]
                loss = self._loss(logits, batch.labels) / samples
                loss.backward()
                losses[batch.number] = float(loss.detach())
        self._processes.add_gradients(self._parameters.values())
        total = float(self._processes.joined_values(losses).sum())
        if not math.isfinite(total):
            raise ModelError(
                f"the loss is {total} at step {step}", "lower --learning-rate, or use another --dtype"
            )
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), _LONGEST)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return total

    def _loss(self, logits: torch.Tensor, labels: Sequence[int]) -> torch.Tensor:
        """Summed cross-entropy of the label's token, over the whole vocabulary."""
        wanted = torch.tensor([self._answers[label] for label in labels], device=logits.device)
        return cross_entropy(logits.float(), wanted, reduction="sum")

    def evaluate(self, samples: Sequence[TrainingSample], *, epoch: int, step: int) -> Evaluation:
        """Judge labelled images, each once, with references that are the same every time."""
        self._core.model.eval()
        pieces = [range(at, min(at + _JUDGED, len(samples))) for at in range(0, len(samples), _JUDGED)]
        own = self._processes.share(pieces)
        draws = (Draw(samples[i], (self._config.seed, 0)) for _, piece in own for i in piece)
        talks = self._prepared(draws, _JUDGED)
        ps, losses = np.zeros(len(samples)), np.zeros(len(pieces))
        for at, piece in own:
            logits, _ = self._core.logits(list(islice(talks, len(piece))))
            ps[list(piece)] = [mean_p([pair]) for pair in label_logits(logits, self._answers)]
            losses[at] = float(self._loss(logits[:, -1], [samples[i].label for i in piece]))
        unpack_for_training(self._core.model)
        ps, losses = (self._processes.joined_values(values) for values in (ps, losses))
        labels = np.array([s.label for s in samples])
        by_label = [ps[labels == k] for k in (GOOD, DEFECT)]
        right = (float((by_label[GOOD] < 0.5).mean()) + float((by_label[DEFECT] >= 0.5).mean())) / 2
        return Evaluation(
            epoch=epoch,
            step=step,
            auroc=auroc(*by_label),
            balanced_accuracy=right,
            loss=float(losses.sum()) / len(samples),
        )

    def moments(self) -> dict[str, Tensors]:
        """The optimiser's state by group of tensors; empty before the first step."""
        return {
            key: {name: self._optimiser.state[p][key] for name, p in self._parameters.items()}
            for key in _MOMENTS
            if self._optimiser.state
        }

    def set_moments(self, parts: dict[str, Tensors], step: int) -> None:
        """Give the optimiser what ``moments`` said after so many steps."""
        if not step:
            return
        for name, p in self._parameters.items():
            self._optimiser.state[p] = {"step": torch.tensor(float(step))} | {
                key: parts[key][name].to(p.device, p.dtype, copy=True) for key in _MOMENTS
            }


def rate_share(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak learning rate at a step: a line up to it, then half a cosine down to 0."""
    rising = math.ceil(warm_up * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def _dropout_seed(seed: int, step: int, batch: int) -> int:
    return int(np.random.SeedSequence([seed, step, batch]).generate_state(1)[0])

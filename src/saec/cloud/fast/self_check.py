"""The self-check: P(defect) of the fast pass beside that of transformers' own, on images made for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from saec.cloud.fast.model import PendingLogits
from saec.cloud.fast.rounding_bound import opinions_apart, opinions_apart_rounded
from saec.cloud.questions.chat_template import scoring_text
from saec.cloud.questions.conversation import Prepared
from saec.errors import ModelError
from saec.prompts import DEFAULT
from saec.types import Image

Ps = NDArray[np.float64]

SPREAD = 2.0
"""In bfloat16, how many times transformers' own difference between batch sizes ours may be, at the median.

Both are made of the same roundings, drawn anew, so their ratio scatters around 1. A CPU may round alike at
every batch size: then ``Agreement.rounded`` is the measure."""

ROUNDED = 0.1
"""Largest median difference that eight bits may make."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """P(defect) of the same questions, asked three ways.

    Attributes:
        ours: logits by the fast pass, all questions at once.
        plain: logits by transformers' pass, all questions at once.
        alone: logits by transformers' pass, one question at a time.
        exact: largest |dP| that rounding explains in float32.
        rounded: median |dP| that it explains in bfloat16.
    """

    ours: Ps
    plain: Ps
    alone: Ps
    exact: float
    rounded: float

    @property
    def difference(self) -> Ps:
        """|dP| of ours to the plain pass."""
        return np.abs(self.ours - self.plain)

    @property
    def own(self) -> Ps:
        """|dP| of the plain pass to itself at another batch size."""
        return np.abs(self.alone - self.plain)

    @property
    def flips(self) -> float:
        """Share of the labels at P = 0.5 that differ from the plain pass's."""
        return float(((self.ours >= 0.5) != (self.plain >= 0.5)).mean())

    def text(self) -> str:
        """One line for a person."""
        parts = []
        for name, d in (
            ("fast pass to transformers", self.difference),
            ("transformers, batch 1 to all", self.own),
        ):
            parts.append(
                f"{name}: median {np.median(d):.2g}, p99 {np.quantile(d, 0.99):.2g}, max {d.max():.2g}"
            )
        return (
            f"|dP| of {len(self.ours)} questions: {'; '.join(parts)}; changed labels {100 * self.flips:.1f} %"
        )


class Asked(Protocol):
    """What is asked both ways: a ``saec.cloud.engines.qwen_forward.QwenModel``."""

    first: str | None
    model: Any

    def prepare(self, text: str, images: Sequence[Image]) -> Prepared: ...

    def tokens_of(self, text: str) -> list[int]: ...

    def submit(
        self, talks: Sequence[Prepared], tokens: Sequence[int] | None = None, *, adapter: str | None = None
    ) -> PendingLogits: ...

    def logits(
        self, talks: Sequence[Prepared], *, keep: int = 1, adapter: str | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]: ...


def compare(core: Asked, side: int, count: int, seed: int = 7) -> Agreement:
    """Ask ``count`` questions about made images, each with one reference, all three ways."""
    text = scoring_text(DEFAULT, 1)
    reference, *images = check_questions(count + 1, side, seed)
    talks = [core.prepare(text, [reference, image]) for image in images]
    labels = [core.tokens_of(label)[-1] for label in DEFAULT.labels]
    ours = _p(core.submit(talks, labels, adapter=core.first).result())
    together = _plain(core, talks, labels)
    alone = np.concatenate([_plain(core, [talk], labels) for talk in talks])
    exact = opinions_apart(core.model, labels, max(len(talk.ids) for talk in talks))
    return Agreement(ours, together, alone, exact, opinions_apart_rounded(core.model.config))


def check_agreement(core: Asked, *, exact: bool, rounded: bool, side: int, count: int) -> Agreement:
    """Compare, and refuse a fast pass that is off.

    Args:
        core: the loaded model.
        exact: it computes in float32.
        rounded: the fast pass rounds to eight bits where the plain one does not; only its labels are held.
        side: side of the made images in pixels.
        count: number of the questions.

    Raises:
        ModelError: P(defect) differs by more than the arithmetic explains.
    """
    found = compare(core, side, count)
    median = float(np.median(found.difference))
    if not np.isfinite(found.plain).all():
        raise ModelError(
            "the checkpoint's own answers are NaN or infinite: its values leave the range of this dtype",
            "use dtype bfloat16 or float32; if the error stays, the checkpoint or the adapter is damaged",
        )
    if not np.isfinite(found.ours).all():
        wrong = True
    elif rounded:
        wrong = median > ROUNDED
    else:
        allowed = found.exact if exact else max(SPREAD * float(np.median(found.own)), found.rounded)
        wrong = (float(found.difference.max()) if exact else median) > allowed
    if wrong:
        raise ModelError(
            "this program computes other P(defect) than the library transformers does, so it does not serve "
            f"the model (the largest difference is {found.difference.max():.2g}; {found.text()})",
            "use another dtype or device, and report this with your versions",
        )
    return found


def check_questions(count: int, side: int, seed: int) -> list[Image]:
    """Images of blobs on a smooth ground under noise: nothing is learnt from them, they only differ."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        ground = cv2.resize(
            rng.uniform(40, 215, (5, 5, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
        )
        for _ in range(4):
            x, y = rng.integers(0, side, 2)
            radius, colour = int(rng.integers(2, max(3, side // 6))), rng.uniform(0, 255, 3)
            cv2.circle(ground, (int(x), int(y)), radius, colour.tolist(), -1)
        made.append((ground + rng.normal(0, 4, ground.shape)).clip(0, 255).astype(np.uint8))
    return made


def _plain(core: Asked, talks: Sequence[Prepared], labels: Sequence[int]) -> Ps:
    logits, _ = core.logits(talks, adapter=core.first)
    return _p(logits[:, -1][:, list(labels)].float().cpu())


def _p(logits: torch.Tensor) -> Ps:
    defect: Ps = logits.double().softmax(-1)[:, 1].numpy()
    return defect

"""What a step learns from: the label, where the defect lies (twice), and the words.

The label alone teaches nothing for thousands of steps; with the dense targets the plateau is left at
once. The heads of the dense losses are thrown away at export.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from architecture import HIDDEN
from fast import PATCHES, TOKENS, Fast, Layout, to_windows
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy

TAIL = 64
"""Tokens of an answer, its end and the padding; longer ones are cut."""
VISIBLE = 12
"""Pixels that a defect must have."""
IGNORE = -100
_DEFECTS = (2, 4)
_REFERENCES = {1: (0, 3), 2: (0, 3), 3: (0, 1), 4: (0, 1)}
"""Per query frame, the good frames of another specimen."""


@dataclass(frozen=True)
class Layouts:
    """Token layouts of the four kinds of question: with and without a reference, label and words."""

    pair: Layout
    alone: Layout
    words_pair: Layout
    words_alone: Layout


class DenseHeads(nn.Module):
    """Linear heads for the dense losses: per patch of the tower, and 2 x 2 cells per query token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Linear(HIDDEN, 1)
        self.token = nn.Linear(HIDDEN, 4)


@dataclass(frozen=True)
class Losses:
    """Each as a scalar tensor; ``correct`` is the share of right labels of pairs."""

    label: Tensor
    token: Tensor
    patch: Tensor
    words: Tensor
    correct: Tensor

    def total(self) -> Tensor:
        return self.label + 2.0 * self.token + 1.0 * self.patch + 0.2 * self.words


class Objective:
    """All losses of one batch of groups.

    Args:
        fast, heads: the network and its dense heads.
        layouts: the questions.
        answers: ids of the label tokens (good, defect).
        worded: number of last groups whose defects are put into words.
    """

    def __init__(
        self, fast: Fast, heads: DenseHeads, layouts: Layouts, answers: tuple[int, int], worded: int
    ) -> None:
        self.fast, self.heads, self.layouts, self.worded = fast, heads, layouts, worded
        self.answers = list(answers)

    def __call__(self, x: Tensor, masks: Tensor, words: Tensor, pick: Tensor) -> Losses:
        """Losses of groups.

        Args:
            x: (groups, 5, 3, SIDE, SIDE), normalised.
            masks: (groups, 2, SIDE, SIDE).
            words: (groups, 2, TAIL) ids of the answers.
            pick: (groups, 4) 0 or 1: which reference each query gets.
        """
        groups = len(x)
        features, tokens = self.fast.see(x.flatten(0, 1))
        cells = _cells(masks)
        patch = self._patch_loss(features.view(groups, 5, PATCHES**2, -1), cells)
        tokens = tokens.view(groups, 5, TOKENS**2, -1)
        rows = torch.arange(groups, device=x.device)
        references = [
            tokens[rows, torch.where(pick[:, q - 1] == 0, _REFERENCES[q][0], _REFERENCES[q][1])]
            for q in _REFERENCES
        ]
        queries = tokens[:, 1:].transpose(0, 1).flatten(0, 1)
        # A defect that the augmentation moved out of the frame is none.
        shows = (masks.flatten(2).sum(2) > VISIBLE).long()
        good = torch.zeros_like(shows[:, 0])
        truth = torch.cat([good, shows[:, 0], good, shows[:, 1]])
        zero = torch.zeros_like(cells[:, 0])
        target = torch.stack([zero, cells[:, 0], zero, cells[:, 1]]).flatten(0, 1)
        label, token, correct = self._judge(
            self.layouts.pair, [torch.cat(references), queries], truth, target
        )
        some = torch.arange(0, len(queries), 4, device=x.device)
        label_, token_, _ = self._judge(self.layouts.alone, [queries[some]], truth[some], target[some])
        said = self._words(tokens[groups - self.worded :], words[groups - self.worded :])
        return Losses(label + 0.25 * label_, token + 0.25 * token_, patch, said, correct)

    def _judge(
        self, layout: Layout, images: list[Tensor], truth: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        h = self.fast.read(layout, images)
        logits = h[:, -1].float() @ self.fast.language.embed_tokens.weight.float().T
        two = logits[:, self.answers]
        ids = torch.tensor(self.answers, device=truth.device)[truth]
        label = cross_entropy(two, truth) + 0.1 * cross_entropy(logits, ids)
        start = layout.images[-1]
        seen = self.heads.token(h[:, start : start + TOKENS**2]).float()
        target = cells.view(-1, TOKENS, 2, TOKENS, 2).transpose(2, 3).reshape(len(cells), TOKENS**2, 4)
        return label, _dense(seen, target), (two.argmax(1) == truth).float().mean()

    def _patch_loss(self, features: Tensor, cells: Tensor) -> Tensor:
        seen = self.heads.patch(features[:, 1:]).float().squeeze(-1)
        flat = torch.zeros_like(cells[:, :1])
        target = torch.cat([flat, cells[:, :1], flat, cells[:, 1:]], 1)
        return _dense(seen, to_windows(target.flatten(0, 1)[:, None], 1).view_as(seen))

    def _words(self, tokens: Tensor, words: Tensor) -> Tensor:
        half = len(tokens) // 2
        total = tokens.new_zeros(())
        for layout, part in (
            (self.layouts.words_pair, slice(0, half)),
            (self.layouts.words_alone, slice(half, None)),
        ):
            defects = torch.cat([tokens[part, d] for d in _DEFECTS])
            ids = torch.cat([words[part, 0], words[part, 1]])
            images = [tokens[part, 0].repeat(2, 1, 1), defects] if len(layout.images) == 2 else [defects]
            h = self.fast.read(layout, images, ids.clamp(min=0))[:, -TAIL - 1 : -1]
            logits = h.float() @ self.fast.language.embed_tokens.weight.float().T
            total = total + 0.5 * cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=IGNORE)
        return total


def _cells(masks: Tensor) -> Tensor:
    """(groups, 2, PATCHES, PATCHES), 1 where a twentieth of a patch or more is defective, less below."""
    return (avg_pool2d(masks, masks.shape[-1] // PATCHES) * 20).clamp(max=1)


def _dense(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over cells; a defective cell weighs as much as eight others."""
    return binary_cross_entropy_with_logits(logits, target, pos_weight=logits.new_tensor(8.0))

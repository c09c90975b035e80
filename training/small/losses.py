"""What a step learns from: the label, where and of what kind the defect is (twice), and the words.

The label alone teaches nothing for thousands of steps; with the dense targets the plateau is left at
once. The heads of the dense losses are thrown away at export.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from architecture import HIDDEN
from fast import Fast, Geometry, Tree
from source import ALL_KINDS, IGNORE, TAIL
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy

VISIBLE = 12
"""Pixels that a defect must have."""
_CELL_WEIGHT = 8.0
"""Of a defective cell."""
_KIND_WEIGHT = 4.0
"""Of the words' tokens up to the end of the kind, against the others."""


@dataclass(frozen=True)
class Trees:
    """The conversations with and without a reference."""

    pair: Tree
    alone: Tree


@dataclass(frozen=True)
class Answers:
    """Ids of the label tokens, and of the end."""

    good: int
    defect: int
    end: int


class DenseHeads(nn.Module):
    """Linear heads: per patch of the tower, per query token (2 x 2 cells and a kind), per label."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Linear(HIDDEN, 1 + len(ALL_KINDS))
        self.token = nn.Linear(HIDDEN, 4 + len(ALL_KINDS))
        self.kind = nn.Linear(HIDDEN, len(ALL_KINDS))


@dataclass(frozen=True)
class Batch:
    """Augmented groups.

    Attributes:
        x: (groups, 5, 3, SIDE, SIDE), normalised.
        masks: (groups, 2, SIDE, SIDE).
        notes: (groups, 2, 2 + TAIL), see ``source.Arrays``.
        still: (groups,) bool, whose geometry is as it was rendered.
        pasted: (groups,) bool, whose second defect is no rendered one.
    """

    x: Tensor
    masks: Tensor
    notes: Tensor
    still: Tensor
    pasted: Tensor


@dataclass(frozen=True)
class Losses:
    """Each as a scalar tensor; shares: ``correct`` labels with a reference, ``found`` of the defects among
    them, ``named`` kinds (every token of the kind the likeliest)."""

    label: Tensor
    token: Tensor
    patch: Tensor
    kind: Tensor
    words: Tensor
    correct: Tensor
    found: Tensor
    named: Tensor

    def total(self) -> Tensor:
        return self.label + 2.0 * self.token + self.patch + 0.3 * self.kind + 0.7 * self.words

    def rounded(self) -> dict[str, float]:
        return {f.name: round(float(getattr(self, f.name).detach()), 4) for f in fields(self)}


@dataclass(frozen=True)
class _Truth:
    """Of the four frames of each group.

    Attributes:
        label: (groups, 4) 0 or 1.
        cells: (groups, 4, 2 * side, 2 * side), see ``_cells``.
        kind: (groups, 4), ``IGNORE`` where there is none.
        words: (groups, 2, TAIL) labels of the words' tokens.
        weights: of those.
        naming: (groups, 2, TAIL) bool, tokens up to the end of the kind.
    """

    label: Tensor
    cells: Tensor
    kind: Tensor
    words: Tensor
    weights: Tensor
    naming: Tensor

    def of(self, part: slice) -> _Truth:
        return _Truth(*(getattr(self, f.name)[part] for f in fields(self)))


class Objective:
    """All losses of one batch of groups.

    Args:
        fast, heads: the network and its dense heads.
        trees: the conversations.
        answers: ids of the answers.
        alone: number of last groups that are asked about without a reference.
    """

    def __init__(self, fast: Fast, heads: DenseHeads, trees: Trees, answers: Answers, alone: int) -> None:
        self.fast, self.heads, self.trees, self.alone = fast, heads, trees, alone
        device = fast.back.device
        # On the device from the start: a step must not wait for copies to it.
        self.labels = torch.tensor([answers.good, answers.defect], device=device)
        self.end = torch.tensor([answers.end], device=device)
        self.weight = torch.tensor(_CELL_WEIGHT, device=device)

    def __call__(self, batch: Batch) -> Losses:
        groups = len(batch.x)
        features, tokens = self.fast.see(batch.x.flatten(0, 1))
        tokens = tokens.view(groups, 5, *tokens.shape[1:])
        truth = _truth(batch, self.fast.geometry)
        where, what = self._patch_losses(features.view(groups, 5, *features.shape[1:]), truth)
        pairs = slice(0, groups - self.alone)
        said = batch.notes[..., 2:].clamp(min=0)
        losses = self._judge(self.trees.pair, tokens[pairs], said[pairs], truth.of(pairs))
        if self.alone:
            rest = slice(groups - self.alone, None)
            other = self._judge(self.trees.alone, tokens[rest], said[rest], truth.of(rest))
            share = self.alone / groups
            losses = [
                a + share * (b - a) if i < 4 else a
                for i, (a, b) in enumerate(zip(losses, other, strict=True))
            ]
        label, token, kind, words, *shares = losses
        return Losses(label, token, where, kind + what, words, *shares)

    def _judge(self, tree: Tree, tokens: Tensor, said: Tensor, truth: _Truth) -> list[Tensor]:
        """Label, token, kind and words, and three shares."""
        ids = self.labels[truth.label]
        reference = tokens[:, 0] if tree.reference is not None else None
        branch, words = self.fast.read(tree, reference, tokens[:, 1:], ids, said)
        logits = self._logits(branch[:, :, -2])
        two = logits[..., self.labels].flatten(0, 1)
        end = self._logits(branch[:, :, -1]).flatten(0, 1)
        label = (
            cross_entropy(two, truth.label.flatten())
            + 0.1 * cross_entropy(logits.flatten(0, 1), ids.flatten())
            + 0.02 * cross_entropy(end, self.end.expand(ids.numel()))
        )
        seen = self.heads.token(branch[:, :, : tree.shape.image]).float()
        side = self.fast.geometry.side
        cells = truth.cells.unflatten(3, (side, 2)).unflatten(2, (side, 2)).transpose(3, 4).flatten(-2)
        cells = cells.flatten(2, 3)
        kind = _kinds(seen[..., 4:], truth.kind[..., None], cells.amax(-1))
        kind = kind + cross_entropy(
            self.heads.kind(branch[:, :, -2]).float().flatten(0, 1),
            truth.kind.flatten(),
            ignore_index=IGNORE,
            reduction="sum",
        ) / (truth.kind != IGNORE).sum().clamp(min=1)
        loss, named = self._words(words, truth)
        right = two.detach().argmax(1) == truth.label.flatten()
        defect = truth.label.flatten() == 1
        dense = _dense(seen[..., :4], cells, self.weight)
        return [label, dense, kind, loss, right.float().mean(), _share(right, defect), named]

    def _logits(self, h: Tensor) -> Tensor:
        return h.float() @ self.fast.language.embed_tokens.weight.float().T

    def _patch_losses(self, features: Tensor, truth: _Truth) -> tuple[Tensor, Tensor]:
        """Where the defect lies, and its kind, per patch."""
        seen = self.heads.patch(features[:, 1:]).float()
        shape = truth.cells.shape
        cells = self.fast.geometry.to_windows(truth.cells.flatten(0, 1)[:, None], 1).view(*shape[:2], -1)
        return _dense(seen[..., 0], cells, self.weight), _kinds(seen[..., 1:], truth.kind[..., None], cells)

    def _words(self, h: Tensor, truth: _Truth) -> tuple[Tensor, Tensor]:
        logits = self._logits(h[:, :, -TAIL - 1 : -1])
        each = cross_entropy(
            logits.flatten(0, 2), truth.words.flatten(), ignore_index=IGNORE, reduction="none"
        )
        loss = (each * truth.weights.flatten()).sum() / truth.weights.sum().clamp(min=1)
        wrong = (logits.detach().argmax(-1) != truth.words) & truth.naming
        return loss, _share(~wrong.any(-1), truth.naming.any(-1))


def _truth(batch: Batch, geometry: Geometry) -> _Truth:
    shows = batch.masks.flatten(2).sum(2) > VISIBLE
    rendered = shows.clone()
    rendered[:, 1] &= ~batch.pasted
    # A defect that the augmentation moved out of the frame is none.
    label, kind = shows.new_zeros((len(shows), 4), dtype=torch.long), batch.notes[..., 0]
    label[:, 1::2] = shows.long()
    kinds = torch.full_like(label, IGNORE)
    kinds[:, 1::2] = torch.where(rendered, kind, IGNORE)
    small = _cells(batch.masks, 2 * geometry.side)
    cells = small.new_zeros((len(small), 4, *small.shape[2:]))
    cells[:, 1::2] = small
    at = torch.arange(TAIL, device=small.device)
    naming = (at < batch.notes[..., 1:2]) & rendered[..., None]
    # Words of place are true of frames alone that stand as they were rendered.
    told = (naming | batch.still[:, None, None]) & rendered[..., None]
    words = torch.where(told, batch.notes[..., 2:], IGNORE)
    weights = (words != IGNORE) * torch.where(naming, _KIND_WEIGHT, 1.0)
    return _Truth(label, cells, kinds, words, weights, naming)


def _cells(masks: Tensor, side: int) -> Tensor:
    """(groups, 2, side, side), 1 where a twentieth of a patch or more is defective, less below."""
    return (avg_pool2d(masks, masks.shape[-1] // side) * 20).clamp(max=1)


def _dense(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy over cells; a defective one weighs so many times as much."""
    return binary_cross_entropy_with_logits(logits, target, pos_weight=weight)


def _kinds(logits: Tensor, kind: Tensor, cells: Tensor) -> Tensor:
    """Cross-entropy of the kind over the cells that a rendered defect lies in.

    Args:
        logits: (groups, 4, n, kinds).
        kind: (groups, 4, 1).
        cells: (groups, 4, n).
    """
    target = torch.where(cells > 0.5, kind, IGNORE)
    total = cross_entropy(logits.flatten(0, 2), target.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / (target != IGNORE).sum().clamp(min=1)


def _share(right: Tensor, of: Tensor) -> Tensor:
    return (right & of).sum() / of.sum().clamp(min=1)

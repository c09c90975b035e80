"""Muon: momentum whose matrices are made orthogonal before they are subtracted (Jordan et al. 2024).

Scaled so that an update's root mean square is that of AdamW's (Liu et al. 2025), and so goes with the same
learning rate. Matrices of one shape are worked on together: few launches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


class Muon(torch.optim.Optimizer):
    """For the matrices inside a network.

    A matrix three times as high as wide is taken as three: queries, keys and values.

    Args:
        parameters: matrices.
        lr, weight_decay: as AdamW's.
        momentum: of Nesterov's kind.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            like: dict[tuple[int, ...], list[torch.nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    like[tuple(p.shape)].append(p)
            for same in like.values():
                self._update(same, group)

    def _update(self, same: list[torch.nn.Parameter], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in same]
        momenta = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in same]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch.stack(torch._foreach_lerp(gradients, momenta, group["momentum"]))
        count, rows, columns = ahead.shape
        if rows == 3 * columns:
            ahead = ahead.view(3 * count, columns, columns)
        scale = 0.2 * max(ahead.shape[1:]) ** 0.5
        update = orthogonal(ahead).view(count, rows, columns).to(same[0].dtype)
        torch._foreach_mul_(same, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(same, list(update.unbind()), alpha=-group["lr"] * scale)


def orthogonal(x: Tensor) -> Tensor:
    """(n, rows, columns) bfloat16: each about the nearest matrix of orthogonal rows or columns."""
    a, b, c = _COEFFICIENTS
    tall = x.shape[1] > x.shape[2]
    y = (x.mT if tall else x).bfloat16()
    y = y / (y.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(_STEPS):
        square = y @ y.mT
        y = a * y + torch.baddbmm(b * square, square, square, beta=1, alpha=c) @ y
    return y.mT if tall else y

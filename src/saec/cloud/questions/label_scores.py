"""From a model's logits to P(defect): the two labels at one position, or the whole answers ranked.

Both answers are the same tokens but for the label itself, so for one and the same image the ranking says
what the labels' logits say; what sets it apart is that it looks at five crops.
"""

from __future__ import annotations

import torch


def label_logits(logits: torch.Tensor, answers: tuple[int, int]) -> list[tuple[float, float]]:
    """The next-token logits of the two labels.

    Args:
        logits: (batch, positions, vocabulary); the last position comes before the label.
        answers: ids of the labels (good, defect).
    """
    return _pairs(logits[:, -1, list(answers)].double())


def ranked_answers(
    logits: torch.Tensor, ids: torch.Tensor, answers: tuple[int, int]
) -> list[tuple[float, float]]:
    """The sum of log-probabilities over all tokens of each of the two answers, teacher-forced.

    One pass serves both, as they share every token but the last.

    Args:
        logits: (batch, n, vocabulary) at the last n positions, from the one before the answer's first
            token to the one before its last; n is the number of the answer's tokens.
        ids: (batch, length) of the pass; its last n - 1 are the tokens that the answers share.
        answers: ids of the last token (good, defect).
    """
    logs = torch.log_softmax(logits.double(), dim=-1)
    shared = logits.shape[1] - 1
    given = ids[:, ids.shape[1] - shared :, None]
    common = logs[:, :shared].gather(2, given).sum((1, 2))
    return _pairs(common[:, None] + logs[:, -1, list(answers)])


def _pairs(values: torch.Tensor) -> list[tuple[float, float]]:
    return [(float(good), float(defect)) for good, defect in values.cpu()]

"""Which labels a second person should see before a line is taught: those that are likely slips."""

from __future__ import annotations

from saec.types import DEFECT

SLIPS = 0.02
"""Share of labels that are wrong by a slip, whatever the frame shows."""

DOUBT = 0.15
"""P(a label is wrong) from which a second person is asked."""


def slip_chance(label: int, chance: float, slips: float = SLIPS) -> float:
    """P(a label is wrong), by Bayes' rule from what was likely before.

    Args:
        label: what the person said, GOOD or DEFECT.
        chance: P(defect) before.
        slips: share of wrong labels, the same for goods and defects.
    """
    against = 1 - chance if label == DEFECT else chance
    return slips * against / (slips * against + (1 - slips) * (1 - against))


def is_doubtful(label: int, chance: float, slips: float = SLIPS) -> bool:
    """Whether to ask a second person before the line is taught this label."""
    return slip_chance(label, chance, slips) >= DOUBT

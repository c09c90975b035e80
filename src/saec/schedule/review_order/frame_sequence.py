"""Many frames in the order in which labels of them help most together.

Frames take turns: most go to those whose label is worth most, some to the verdicts that are least sure, and a
few to frames whatever they are, so that a defect that the line does not see at all is not missed for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from saec.schedule.review_order.label_worth import LabelFacts, label_worth
from saec.types import DEFECT, GOOD

TURNS = ("worth", "worth", "rejected", "worth", "passed", "worth", "worth", "rejected", "worth", "spread")
"""What each frame of ten is chosen by: worth; the least sure of the rejected and of the passed frames; and
an even spread over all scores."""

KNOWN = 0.1
"""By how much each label of a kind lowers what another label of it is worth: 1 / (1 + 0.1 n)."""


def ordered_frames(facts: Sequence[LabelFacts], kinds: Sequence[str] = (), turn: int = 0) -> list[int]:
    """The order in which to ask about frames.

    Args:
        facts: what is known of each frame that waits.
        kinds: the kind of each defect that was labelled already, "" where unknown.
        turn: how many frames were asked about already, so that the turns go on.

    Returns:
        The indices of all frames, the first to ask about first. Equal ones keep their order.
    """
    known = Counter(kind for kind in kinds if kind)
    worths = [label_worth(one).worth for one in facts]
    left, order = set(range(len(facts))), list[int]()
    sure = sorted(left, key=lambda at: facts[at].chance)
    while left:
        chosen = _chosen(TURNS[turn % len(TURNS)], facts, worths, known, left, sure)
        order.append(chosen)
        left.remove(chosen)
        known[facts[chosen].kind] += 1 if facts[chosen].kind else 0
        turn += 1
    return order


def _chosen(
    turn: str,
    facts: Sequence[LabelFacts],
    worths: Sequence[float],
    known: Counter[str],
    left: set[int],
    sure: Sequence[int],
) -> int:
    """The frame of this turn; one of worth where no frame is of its sort."""
    if turn == "spread":
        waiting = [at for at in sure if at in left]
        return waiting[len(waiting) // 2]
    label = {"rejected": DEFECT, "passed": GOOD}.get(turn)
    some = [at for at in left if facts[at].label == label]
    if some:
        return min(some, key=lambda at: (facts[at].chance if label == DEFECT else -facts[at].chance, at))
    return max(left, key=lambda at: (worths[at] / (1 + KNOWN * known[facts[at].kind]), -at))

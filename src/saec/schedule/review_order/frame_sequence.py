"""Many frames in the order in which labels of them help most together.

Frames take turns: nine of ten go to those whose label is worth most, the tenth to the passed frame that is
most likely a defect, so that defects which the line misses are found before all that it rejects was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from saec.schedule.review_order.label_worth import LabelFacts, label_worth
from saec.types import GOOD

TURNS = 10
"""Each so many-th frame is a passed one."""

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
    passed = sorted(
        (at for at, one in enumerate(facts) if one.label == GOOD), key=lambda at: (-facts[at].chance, at)
    )
    left, order = set(range(len(facts))), list[int]()
    while left:
        turn += 1
        likely = next((at for at in passed if at in left), None) if turn % TURNS == 0 else None
        if likely is None:
            likely = max(left, key=lambda at: (worths[at] / (1 + KNOWN * known[facts[at].kind]), -at))
        order.append(likely)
        left.remove(likely)
        if facts[likely].kind:
            known[facts[likely].kind] += 1
    return order

"""The first pass of a policy that must see all frames before it can route the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from saec.data.images.pixels import read_image
from saec.errors import ImageError
from saec.frame.judges import Judges
from saec.schedule.policies.policy_contract import FirstPass
from saec.types import Source

FIRST_PASS = "first_pass"
"""Key of run.json's settings: what the policy found in it, without which its routes cannot be replayed."""


def after_first_pass(judges: Judges, sources: Sequence[Source], first: FirstPass, own: Any) -> Judges:
    """Measure all frames, and give the judges with the policy that is ready.

    A frame that cannot be read has no complexity; it gets its error verdict in the second pass.

    Args:
        judges: what judges, with the policy as it was opened.
        sources: all frames of the run.
        first: what the policy wants of them.
        own: the policy's own parameters.

    Raises:
        ConfigError: no frame can be read, or the parameters contradict themselves.
    """
    measure = first.complexity(own)
    values = []
    for source in sources:
        try:
            values.append(measure(read_image(Path(source.path), bits=judges.bits)))
        except (ImageError, OSError):
            continue
    return replace(judges, policy=first.prepare(judges.policy, values), complexity=measure)

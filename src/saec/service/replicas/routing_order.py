"""Which replica a question goes to: the one that its prefix falls to, unless that one is busy.

Rendezvous hashing (Thaler and Ravishankar, 1998): each replica has a weight for each key, and the highest
wins. When a replica comes or goes, only the keys of that one move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence


def rendezvous_order(prefix: str, replicas: Collection[str]) -> list[str]:
    """Names of replicas, the one that a prefix falls to first."""
    return sorted(replicas, key=lambda name: (_weight(prefix, name), name), reverse=True)


def routing_ranks(
    prefix: str,
    replicas: Collection[str],
    load: Callable[[str], int | None],
    spill: int,
    avoid: Collection[str] = (),
) -> list[list[str]]:
    """Names of replicas in ranks; within a rank the one with the least load is to be taken.

    Args:
        prefix: "" for a question that any replica answers as fast.
        replicas: names of those that run.
        load: requests of one that are under way; None is not known.
        spill: requests from which on one counts as busy.
        avoid: names of those that are asked only if there is no other.
    """
    able: Sequence[str] = [name for name in replicas if name not in avoid] or list(replicas)
    if prefix:
        order = rendezvous_order(prefix, able)
        first = next((name for name in order if (load(name) or 0) < spill), None)
        if first is not None:
            return [[first], [name for name in order if name != first]]
    return [list(able)]


def _weight(prefix: str, name: str) -> bytes:
    return hashlib.blake2b(f"{prefix} {name}".encode(), digest_size=8).digest()

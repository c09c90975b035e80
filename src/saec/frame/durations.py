"""What a verdict took: judging a frame is one thing, waiting another, and neither is told as the other.

Judging is work on the frame: reading, decoding, complexity, edge, its share of the cloud's time on the batch
that it was in, and words. Waiting is all else between the frame's arrival and its verdict: for the edge, for
the cloud's turn, for the rest of its batch. In a run over a folder frames wait because there are many, not
because judging is slow.
"""

from __future__ import annotations

from collections.abc import Mapping

JUDGING = ("read", "decode", "complexity", "edge", "cloud", "explain")
"""Stages that work on the frame."""

WAITING = ("wait", "queue", "batch")
"""What a frame waits for: the edge, the cloud's turn, the rest of its batch."""

SUMS = ("judging", "waiting")
"""The sums of both in ``Verdict.ms``; a frame that waited for nothing has no ``waiting``."""


def shared(ms: Mapping[str, float], stage: str, took: float, frames: int) -> dict[str, float]:
    """The times with a stage that worked on several frames together: its share, and the wait for the rest.

    Args:
        ms: milliseconds by stage so far.
        stage: of ``JUDGING``.
        took: milliseconds for all frames.
        frames: that were worked on.
    """
    share = took / frames
    batch = ms.get("batch", 0.0) + took - share
    return {**ms, stage: share, **({"batch": batch} if frames > 1 or "batch" in ms else {})}


def summed(ms: Mapping[str, float]) -> dict[str, float]:
    """The times with their sums."""
    sums = {"judging": sum(ms.get(stage, 0.0) for stage in JUDGING)}
    waits = [ms[stage] for stage in WAITING if stage in ms]
    return {**ms, **sums, **({"waiting": sum(waits)} if waits else {})}


def answered(ms: Mapping[str, float], answer: float) -> dict[str, float]:
    """The times of a verdict that was given so many milliseconds after its frame arrived.

    All that was not judging was waiting.
    """
    return {**ms, "waiting": max(0.0, answer - ms.get("judging", 0.0)), "answer": answer}

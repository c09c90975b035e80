"""Scores and complexities of a line's calibration images; those that are known already are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from saec.contracts import EdgeDetector
from saec.data.images.pixels import read_image
from saec.profile import LineProfile
from saec.scene.complexity import Complexity

Step = Callable[[str], None]


def score_files(
    profile: LineProfile,
    detector: EdgeDetector | None,
    images: Mapping[str, Path],
    known: Mapping[str, float],
    step: Step,
) -> dict[str, float]:
    """Anomaly scores by sha256: those that are known stay, the line's detector makes the others.

    Args:
        profile: the line.
        detector: its detector; None where every score is known.
        images: the files by their sha256.
        known: scores by sha256.
        step: called with "edge" after each new score.

    Raises:
        ImageError: a file cannot be decoded.
    """
    scores = dict(known)
    for sha, path in images.items():
        if sha not in scores:
            assert detector is not None
            scores[sha] = score_file(detector, path, profile.line.preparation.bits)
            step("edge")
    return scores


def score_file(detector: EdgeDetector, path: Path, bits: int) -> float:
    """The anomaly score of one file; ``bits`` are the significant bits of a 16-bit image."""
    (opinion,) = detector.inspect([read_image(path, bits=bits)])
    return opinion.score


def measure_complexities(
    profile: LineProfile, images: Mapping[str, Path], known: Mapping[str, float]
) -> dict[str, float]:
    """Complexities by sha256: those that are known stay, those of new images are measured."""
    found = dict(known)
    if profile.line.complexity:
        complexity = Complexity(profile.line.complexity)
        for sha, path in images.items():
            if sha not in found:
                found[sha] = complexity.of(read_image(path, bits=profile.line.preparation.bits))
    return found

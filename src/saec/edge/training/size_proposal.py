"""Which side and tiles suit a line: from the size of its frames and, where it is known, of its defects."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from saec.settings import FitConfig

DEFECT_CELLS = 2.0
"""Cells of the grid that the smallest defects should cover along a side."""

SHRUNK = 2.0
"""How many times frames may be shrunk where nobody knows how large their defects are."""

MOST_UNKNOWN, MOST_SIDE = 896, 2048
"""Sides that are proposed at most: where the defects' size is unknown, and else."""

WORTH = 1.25
"""A proposal is made where it shows defects so many times larger at least."""

SIDE_STEP = 32


class ProposedSize(NamedTuple):
    """The settings with the proposed side and tiles, and what to tell the user; "" where all is well."""

    config: FitConfig
    said: str


def propose_size(
    config: FitConfig, frame: tuple[int, int], defect_px: float | None, cell: int, *, tiled: bool
) -> ProposedSize:
    """Side and tiles at which the smallest defects cover ``DEFECT_CELLS`` cells, as far as frames show them.

    Frames are never enlarged. Where the defects' size is unknown, frames are shrunk ``SHRUNK`` times at most,
    up to a side of ``MOST_UNKNOWN``.

    Args:
        config: the settings as they were given.
        frame: height and width of what is judged of a frame, in its own pixels.
        defect_px: how large the smallest defects are in pixels of the frame, or None.
        cell: pixels of the input for each cell.
        tiled: propose tiles and not a larger side: for backbones that know frames of one size. A convolution
            sees the same in a large frame, and computes no overlap twice.
    """
    own = math.sqrt(frame[0] * frame[1])
    now = min(own, config.side_px * config.tiles)
    if defect_px is None:
        wanted = min(own / SHRUNK, MOST_UNKNOWN)
    else:
        wanted = min(own, own * DEFECT_CELLS * cell / defect_px, MOST_SIDE)
    if wanted < WORTH * now:
        return ProposedSize(config, "")
    tiles = math.ceil(wanted / config.side_px) if tiled else 1
    side = min(MOST_SIDE, math.ceil(wanted / tiles / SIDE_STEP) * SIDE_STEP)
    proposed = msgspec.structs.replace(config, side_px=side, tiles=tiles)
    return ProposedSize(proposed, _sentence(config, proposed, frame, defect_px, own / now, cell))


def _sentence(
    config: FitConfig,
    proposed: FitConfig,
    frame: tuple[int, int],
    defect_px: float | None,
    shrunk: float,
    cell: int,
) -> str:
    gain = proposed.side_px * proposed.tiles / (config.side_px * config.tiles)
    size = f"{frame[1]} x {frame[0]} px"
    options = f"--side-px {proposed.side_px}" + (f" --tiles {proposed.tiles}" if proposed.tiles > 1 else "")
    if defect_px is None:
        lead = (
            f"frames of {size} are shrunk {shrunk:.1f} times: a defect smaller than about "
            f"{DEFECT_CELLS * cell * shrunk:.0f} px may not show; if yours are smaller,"
        )
    else:
        cells = defect_px / shrunk / cell
        lead = (
            f"your smallest labelled defects are about {defect_px:.0f} px large in frames of {size}, "
            f"{cells:.1f} cells of the map:"
        )
    if config.auto_size:
        return f"{lead} so {options} were taken, at about {gain * gain:.0f} times the time for each frame"
    return f"{lead} try {options} (about {gain * gain:.0f} times the time for each frame), or --auto-size"

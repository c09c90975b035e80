"""The side and the tiles that a fit proposes."""

from __future__ import annotations

import pytest

from saec.edge.training.size_proposal import propose_size
from saec.settings import FitConfig

CELL = 16


@pytest.mark.parametrize(
    ("frame", "defect_px", "side"),
    [
        ((448, 448), None, 448),  # not shrunk
        ((900, 900), None, 448),  # shrunk twice: that is well
        ((512, 1408), None, 448),
        ((1500, 1500), None, 768),
        ((3000, 4000), None, 896),  # the most without knowing the defects
        ((1024, 1024), 200.0, 448),
        ((1024, 1024), 73.0, 448),  # as they are, two cells
        ((1024, 1024), 40.0, 832),
        ((1024, 1024), 6.0, 1024),  # never larger than the frame
        ((4096, 4096), 100.0, 1312),
        ((4096, 4096), 6.0, 2048),
        ((200, 200), 3.0, 448),  # a small frame is not enlarged
    ],
)
def test_the_smallest_defects_cover_two_cells(
    frame: tuple[int, int], defect_px: float | None, side: int
) -> None:
    config = FitConfig()
    proposed, said = propose_size(config, frame, defect_px, CELL, tiled=False)
    assert (proposed.side_px, proposed.tiles) == (side, 1)
    assert (said == "") == (side == 448)
    assert (proposed == config) == (side == 448)


def test_a_vit_gets_tiles() -> None:
    proposed, said = propose_size(FitConfig(), (4096, 4096), 100.0, 14, tiled=True)
    assert (proposed.tiles, proposed.side_px) == (3, 384)
    assert "try --side-px 384 --tiles 3" in said


def test_what_was_given_counts() -> None:
    large = FitConfig(side_px=896)
    assert propose_size(large, (4096, 4096), None, CELL, tiled=False) == (large, "")
    tiles = FitConfig(tiles=3)
    assert propose_size(tiles, (4096, 4096), 110.0, CELL, tiled=False) == (tiles, "")


def test_the_sentence_says_what_to_do_and_what_it_costs() -> None:
    _, said = propose_size(FitConfig(), (1024, 1024), 40.0, CELL, tiled=False)
    assert said == (
        "your smallest labelled defects are about 40 px large in frames of 1024 x 1024 px, 1.1 cells of the "
        "map: try --side-px 832 (about 3 times the time for each frame), or --auto-size"
    )
    _, said = propose_size(FitConfig(), (3000, 4000), None, CELL, tiled=False)
    assert said == (
        "frames of 4000 x 3000 px are shrunk 7.7 times: a defect smaller than about 247 px may not show; if "
        "yours are smaller, try --side-px 896 (about 4 times the time for each frame), or --auto-size"
    )
    _, said = propose_size(FitConfig(auto_size=True), (1024, 1024), 40.0, CELL, tiled=False)
    assert said.endswith("so --side-px 832 were taken, at about 3 times the time for each frame")

"""Tiles cover the frame, and away from the seams give the features of the whole frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saec.edge.graph import compile_graph
from saec.edge.training.backbones import load_backbone
from saec.edge.training.feature_graph import feature_module, features_apart
from saec.edge.training.feature_source import FeatureSource, tile_side
from saec.edge.training.tiling import MARGIN, Tiling, spans, tile_length
from saec.settings import FitConfig
from tests.edge.training.checkpoints.test_dino_backbone import saved
from tests.edge.training.feature_checks import frames, same_as_torch

REACH = 12
"""Cells by which EfficientNet-Lite0's stride-16 features, averaged, depend on pixels beside their own: 186 px
by its kernels."""


@given(st.integers(1, 80), st.integers(1, 9), st.integers(0, 5))
def test_what_tiles_keep_lies_side_by_side(cells: int, tiles: int, margin: int) -> None:
    tiles = min(tiles, cells)
    length, kept = tile_length(cells, tiles, margin), 0
    for span in spans(cells, tiles, margin):
        assert 0 <= span.start <= cells - length
        assert span.start + span.first == kept
        assert 0 <= span.first < span.last <= length
        assert span.first >= margin or span.start == 0
        assert length - span.last >= margin or span.start + length == cells
        kept = span.start + span.last
    assert kept == cells


@pytest.mark.parametrize(
    ("size", "grid"),
    [((448, 448), (1, 1)), ((896, 896), (2, 2)), ((320, 2528), (1, 6)), ((1344, 608), (3, 1))],
)
def test_tiles_follow_the_shape_of_the_frame(size: tuple[int, int], grid: tuple[int, int]) -> None:
    tiling = Tiling.of(*size, 448, 16)
    assert (len(tiling.rows), len(tiling.columns)) == grid
    longest = 448 * 1.5 + 2 * MARGIN * 16
    assert tiling.height % 16 == tiling.width % 16 == 0
    assert max(tiling.height, tiling.width) <= longest


def test_what_is_cut_can_be_joined_again() -> None:
    tiling = Tiling.of(96, 160, 48, 8)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 96, 160, 3)))
    tiles = tiling.cut(x)
    assert tiles.shape == (2 * 2 * 3, tiling.height, tiling.width, 3)
    cells = x.permute(0, 3, 1, 2)[:, :, ::8, ::8]
    assert torch.equal(tiling.join(tiles.permute(0, 3, 1, 2)[:, :, ::8, ::8]), cells)


@pytest.mark.numeric
def test_away_from_the_seams_tiles_change_nothing() -> None:
    backbone, side = load_backbone("efficientnet-lite0"), 640
    whole = feature_module(backbone, side, side, None)
    tiled = feature_module(backbone, side, side, None, side // 2)
    assert tiled.tiling is not None
    assert tiled.tiling.height == side // 2 + 16 * MARGIN
    batch = torch.from_numpy(np.stack(frames(side, side)[:2]))
    with torch.inference_mode():
        a, b = whole(batch), tiled(batch)
        single = tiled(batch[1:])
    allowed = 2 * features_apart(whole) * float(a.abs().max())
    far = [i for i in range(40) if i < 20 + MARGIN - REACH or i >= 20 - MARGIN + REACH]
    torch.testing.assert_close(a[:, :, far][..., far], b[:, :, far][..., far], rtol=0, atol=allowed)
    torch.testing.assert_close(b[1:], single, rtol=0, atol=allowed)
    difference = (a - b).square().mean((0, 1)).sqrt() / a.std()
    assert 0 < float(difference.max()) < 0.5


@pytest.mark.numeric
def test_one_graph_gives_the_features_of_all_tiles() -> None:
    mask = np.zeros((192, 256), np.uint8)
    mask[:, :160] = 255
    module = feature_module(load_backbone("efficientnet-lite0"), 192, 256, mask, 128)
    expected = same_as_torch(module, 192, 256)
    assert expected.shape == (152, 12, 16)
    config = FitConfig(side_px=128, tiles=2)
    model, _ = FeatureSource(config, lambda _said: None).model(192, 256, mask, tile_side(config))
    graph = compile_graph(model, "f32", 1)
    np.testing.assert_array_equal(graph(frames(192, 256)[0][None])[0][0], expected)


@pytest.mark.numeric
def test_a_vit_sees_tiles_of_its_size(tmp_path: Path) -> None:
    saved("dinov2", tmp_path)
    module = feature_module(load_backbone(str(tmp_path)), 168, 252, None, 84)
    assert module.tiling is not None
    assert (module.tiling.height, module.tiling.width) == (84 + 14 * MARGIN, 84 + 14 * 2 * MARGIN)
    assert same_as_torch(module, 168, 252).shape == (64, 12, 18)

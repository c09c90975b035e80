"""Cached noise tiles: every texture is a warped cut from one of a few tiles that are made once.

Each tile is ``TILE`` x ``TILE`` float32, periodic in both directions, and made from its own fixed
seed, so that it is the same in every process.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]

TILE = 512
"""Side of a tile in pixels."""

Tile = Literal[
    "white", "fine", "soft", "fbm", "cloud", "cell-edge", "cell-value", "grain-edge", "grain-value"
]

_BETA = {"fine": 0.0, "soft": 0.0, "fbm": 1.0, "cloud": 1.7}
_BLUR = {"fine": 0.8, "soft": 3.0}
_CELLS = {"cell": 900, "grain": 4000}


def rng_of(*words: str | int) -> np.random.Generator:
    """A generator seeded by words and whole numbers; the same on every machine."""
    return np.random.default_rng([zlib.crc32(w.encode()) if isinstance(w, str) else int(w) for w in words])


def f32(values: ArrayLike) -> Field:
    """The values as float32, without a copy where they are."""
    return np.asarray(values, np.float32)


@cache
def tile(name: Tile) -> Field:
    """A periodic tile by name, repeated 2 x 2 so that a cut seldom has to wrap.

    "white", "fine", "soft" are noise of growing grain (1, 2, 7 px), "fbm" and "cloud" have 1/f and
    1/f^1.7 amplitude spectra; these five have zero mean and unit deviation. "cell-*" and "grain-*"
    are Voronoi cells (about 17 and 8 px wide): "edge" is the distance to the cell's border in px,
    "value" is one uniform number in 0..1 per cell.
    """
    if name.startswith(("cell", "grain")):
        kind, part = name.split("-")
        edge, value = _voronoi(kind)
        return np.tile(edge if part == "edge" else value, (2, 2))
    return np.tile(_spectral(name), (2, 2))


@cache
def sensor_tile() -> NDArray[np.float32]:
    """3 x TILE x TILE camera noise of about unit deviation, mostly luminance; repeated 2 x 2."""
    rng = rng_of("sensor")
    luma = rng.standard_normal((1, TILE, TILE), dtype=np.float32)
    chroma = rng.standard_normal((3, TILE, TILE), dtype=np.float32)
    out: Field = np.tile(0.9 * luma + 0.45 * chroma, (1, 2, 2))
    return out


def _spectral(name: str) -> Field:
    white = rng_of(name).standard_normal((TILE, TILE), dtype=np.float32)
    if name == "white":
        return white
    freq = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :])
    freq[0, 0] = 1.0
    gain = freq ** -_BETA[name] * np.exp(-2 * (np.pi * _BLUR.get(name, 0.0) * freq) ** 2)
    gain[0, 0] = 0.0
    out = np.fft.irfft2(np.fft.rfft2(white) * gain, s=white.shape)
    return f32(np.clip(out / out.std(), -3.0, 3.0))


@cache
def _voronoi(kind: str) -> tuple[Field, Field]:
    """Distance to the border and value of each cell, from two distance transforms on a 3 x 3 repeat."""
    rng = rng_of(kind)
    seeds = np.ones((TILE, TILE), np.uint8)
    rows = int(np.sqrt(_CELLS[kind]))
    pitch = TILE / rows
    centres = (np.indices((rows, rows)).reshape(2, -1).T + rng.uniform(0.1, 0.9, (rows * rows, 2))) * pitch
    y, x = centres.astype(int).T
    seeds[y, x] = 0
    pad = 64
    wide = np.pad(seeds, pad, mode="wrap")
    _, labels = cv2.distanceTransformWithLabels(wide, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(labels.max() + 1, np.int64)
    owner[labels[wide == 0]] = np.pad(np.arange(TILE * TILE).reshape(TILE, TILE), pad, mode="wrap")[wide == 0]
    cells = owner[labels]
    inner = np.ones_like(wide)
    inner[:, 1:] &= cells[:, 1:] == cells[:, :-1]
    inner[1:] &= cells[1:] == cells[:-1]
    edge = cv2.distanceTransform(inner, cv2.DIST_L2, 5)
    value = rng.uniform(0, 1, TILE * TILE).astype(np.float32)[cells]
    cut = slice(pad, pad + TILE)
    return edge[cut, cut].astype(np.float32), value[cut, cut]

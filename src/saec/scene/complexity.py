"""Scene complexity in the line's own units: 0 is its median good part, 1 lies one interquartile range above.

Ten features of a frame, each in a unit of its own, are compared with what the line's goods show:
``z = (feature - median) / IQR``. The complexity is the root mean square of what lies above the median,
``sqrt(mean(max(z, 0)^2))``: the distance by which the frame shows more than a typical good, whatever it is
more of. That distance is then itself standardised by its median and IQR over the goods. Being emptier than
a good is not complex and adds nothing, so a flat frame has the least value that a line can give.

The features are described one by one in ``FEATURES`` and in docs/complexity.md. They read a Laplacian
pyramid (Burt and Adelson 1983) of the grey frame; a frame of more than 256 x 256 pixels is first reduced to
that area, aspect kept, so that the cost has a bound. A uniform change of brightness changes none of them
except where it clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.arrays import check_image
from saec.errors import DataError, LineError
from saec.types import Image

AREA = 256 * 256
"""Pixels that are looked at; larger frames are reduced to this area, smaller ones are not enlarged."""

LEVELS = 4
"""Band-passes of the pyramid; what is coarser than the last one is the layout."""

CELL = 8
"""Side in pixels of the cells of ``busy`` and ``peak``, that of a JPEG block."""

QUIET = 4.0
"""Standard deviation in grey levels up to which a cell counts as quiet: above common sensor noise."""

COMBINED = "complexity-v1"
"""Name of the combined value in a norm, with the version of the feature set."""

FEATURES: dict[str, tuple[float, str]] = {
    "entropy": (0.05, "bits of the grey histogram: how many tones the frame uses"),
    "detail_1": (0.05, "structure 1 to 3 px wide: grain, scratches, fine print"),
    "detail_2": (0.05, "structure 3 to 6 px wide: texture, thin lines"),
    "detail_4": (0.05, "structure 6 to 12 px wide: small parts, coarse texture"),
    "detail_8": (0.05, "structure 12 to 26 px wide: parts"),
    "layout": (0.05, "what is wider still: large shapes and uneven light"),
    "busy": (0.01, "share of 8 x 8-px cells that are not quiet: how far the detail spreads"),
    "peak": (0.05, "the busiest cell: one strong local structure"),
    "directions": (0.01, "0 when all edges run one way, 1 when they run every way"),
    "colours": (0.05, "colourfulness"),
}
"""Name -> (least scale, what it responds to). The least scale stands in for the IQR of goods that hardly
differ: 0.05 of a doubling (3.5 %) for the logarithmic features, 0.05 bit of entropy, 1 % of the shares."""

_LEAST_COMBINED = 0.1
Grey = NDArray[np.uint8]
Levels = list[Grey]
Floats = NDArray[np.float64]


def features(image: Image) -> dict[str, float]:
    """The ten features of one frame, named and ordered as in ``FEATURES``; all finite.

    Args:
        image: H x W x 3 RGB uint8, of any size from 1 x 1.

    Raises:
        ImageError: another shape or type.
    """
    check_image(image)
    pyramid = _pyramid(_reduced(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)))
    deviation = _cell_deviation(pyramid[0])
    values = {"entropy": _entropy(pyramid[0])}
    for level in range(LEVELS):
        values[f"detail_{2**level}"] = _log(_band_rms(pyramid, level))
    values["layout"] = _log(cv2.meanStdDev(pyramid[LEVELS])[1].item())
    values["busy"] = float(np.count_nonzero(deviation > QUIET) / deviation.size)
    values["peak"] = _log(float(deviation.max()))
    values["directions"] = _directions(pyramid[1])
    values["colours"] = _colours(image, pyramid[1].shape)
    return values


def fit_norm(goods: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """What the line's goods look like: name -> (median, IQR), each feature and ``COMBINED``.

    Args:
        goods: ``features`` of each good image.

    Raises:
        DataError: there are none.
    """
    if not goods:
        raise DataError(
            "no good images to normalise the complexity to", "give at least one, better 20 or more"
        )
    norm = {name: _robust([g[name] for g in goods], floor) for name, (floor, _) in FEATURES.items()}
    norm[COMBINED] = _robust([_distance(_standardised(g, norm)) for g in goods], _LEAST_COMBINED)
    return norm


class Complexity:
    """The complexity of frames of one line.

    Args:
        norm: the norm from ``fit_norm``, as ``line.json`` keeps it.

    Raises:
        LineError: the norm is of another version of the features.
    """

    def __init__(self, norm: Mapping[str, tuple[float, float]]) -> None:
        missing = ({*FEATURES, COMBINED}) - set(norm)
        if missing:
            raise LineError(
                f"the line's complexity norm lacks {', '.join(sorted(missing))}",
                "fit the line again with this version",
            )
        self.norm = dict(norm)

    def of(self, image: Image) -> float:
        """0 for the median good, 1 for one IQR more; not bounded above.

        Args:
            image: H x W x 3 RGB uint8.
        """
        return self.of_features(features(image))

    def of_features(self, values: Mapping[str, float]) -> float:
        """The complexity of a frame whose ``features`` are known."""
        centre, scale = self.norm[COMBINED]
        return (_distance(_standardised(values, self.norm)) - centre) / scale

    def explain(self, image: Image) -> dict[str, float]:
        """Each feature in IQRs of the goods above (or, negative, below) their median."""
        return _standardised(features(image), self.norm)


def _standardised(values: Mapping[str, float], norm: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    return {name: (values[name] - norm[name][0]) / norm[name][1] for name in FEATURES}


def _distance(standardised: Mapping[str, float]) -> float:
    return math.sqrt(sum(max(z, 0.0) ** 2 for z in standardised.values()) / len(standardised))


def _robust(values: Sequence[float], floor: float) -> tuple[float, float]:
    low, median, high = np.quantile(np.asarray(values, dtype=np.float64), [0.25, 0.5, 0.75])
    return float(median), max(floor, float(high - low))


def _reduced(grey: Grey) -> Grey:
    """At most ``AREA`` pixels: averaged by a whole factor, then bilinearly by what is left below two.

    OpenCV's averaging takes ten times longer for a factor that is not whole.
    """
    height, width = grey.shape
    shrink = math.sqrt(height * width / AREA)
    if shrink <= 1:
        return grey
    whole = int(shrink)
    rows, columns = max(1, height // whole), max(1, width // whole)
    cut = grey[: rows * whole, : columns * whole]
    coarse = grey if whole == 1 else cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA)
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _pyramid(grey: Grey) -> Levels:
    levels = [grey]
    for _ in range(LEVELS):
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), dtype=np.uint8))
    return levels


def _band_rms(pyramid: Levels, level: int) -> float:
    """Root mean square, in grey levels, of what this level shows and the next coarser one does not."""
    fine = pyramid[level]
    coarse = cv2.pyrUp(pyramid[level + 1], dstsize=(fine.shape[1], fine.shape[0]))
    return cv2.norm(fine, coarse, cv2.NORM_L2) / math.sqrt(fine.size)


def _log(grey_levels: float) -> float:
    """Doublings of a contrast above one grey level, the least that eight bits can hold."""
    return math.log2(1.0 + grey_levels)


def _entropy(grey: Grey) -> float:
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    share = counts[counts > 0] / grey.size
    return max(0.0, float(-(share * np.log2(share)).sum()))


def _cell_deviation(grey: Grey) -> Floats:
    """Standard deviation in grey levels of every cell of 8 x 8 px (of the whole cells; at least one)."""
    height, width = grey.shape
    rows, columns = max(1, height // CELL), max(1, width // CELL)
    whole = grey[: rows * CELL, : columns * CELL].astype(np.float32)
    mean = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    square = cv2.resize(whole * whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(np.sqrt(np.maximum(square - np.multiply(mean, mean, dtype=np.float64), 0.0)))


def _directions(grey: Grey) -> float:
    """One minus the coherence of the frame's structure tensor (Bigün and Granlund 1987).

    One grey level squared is added to the tensor's trace, so that noise of a flat frame has no direction.
    """
    dx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    dy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    xx, yy, xy = (float(np.vdot(p, q)) / grey.size for p, q in ((dx, dx), (dy, dy), (dx, dy)))
    return (xx + yy - math.hypot(xx - yy, 2.0 * xy)) / (xx + yy + 1.0)


def _colours(image: Image, grid: tuple[int, ...]) -> float:
    """Colourfulness of Hasler and Süsstrunk (2003), of pixels taken on a grid, in doublings."""
    taken = cv2.resize(image, grid[::-1], interpolation=cv2.INTER_NEAREST)
    red, green, blue = cv2.split(taken)
    mean_rg, std_rg = cv2.meanStdDev(cv2.subtract(red, green, dtype=cv2.CV_16S))
    both = np.asarray(cv2.add(red, green, dtype=cv2.CV_16S), np.int16)
    mean_yb, std_yb = cv2.meanStdDev((both >> 1) - blue)
    return _log(math.hypot(std_rg.item(), std_yb.item()) + 0.3 * math.hypot(mean_rg.item(), mean_yb.item()))

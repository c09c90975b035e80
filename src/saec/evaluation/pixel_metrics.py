"""Pixel AUROC and PRO over any number of frames in flat memory.

Maps are not kept: their pixels go into histograms whose bins are the float32 numbers themselves with
the last 12 bits dropped. That needs no range to be known beforehand and keeps the order of all scores;
scores that agree to about one part in 2,048 count as ties. From the histograms come

- pixel AUROC: of all pixels of all frames together;
- PRO, the per-region overlap (Bergmann et al. 2020, "Uninformed Students", section 4): the share of a
  defect region that is above a threshold, averaged over the regions (8-connected parts of the masks, each
  counting the same whatever its size), as a function of the share of good pixels above it, integrated to
  30 % of these and divided by 0.3.

Both are measured at the frame's own resolution, on the part of the frame that the map covers.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError
from saec.types import AnomalyMap, Box

PRO_LIMIT = 0.3
"""Share of good pixels up to which PRO is integrated."""

_BITS = 20
_BINS = 1 << _BITS


class PixelMetrics:
    """Add frames one by one, then read ``pixel_auroc`` and ``pro``.

    ``left_out`` counts frames that are not added because their masks are not understood.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self.regions = 0
        self._good = np.zeros(_BINS, dtype=np.int64)
        self._defect = np.zeros(_BINS, dtype=np.int64)
        self._overlap = np.zeros(_BINS, dtype=np.float64)

    def add(
        self,
        anomaly_map: AnomalyMap,
        shape: tuple[int, int],
        *,
        box: Box | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one frame.

        Args:
            anomaly_map: h x w, covers ``box`` of the frame at any resolution.
            shape: height and width of the frame.
            box: the part of the frame that the map covers; None is all of it.
            mask: where the defect is, in the frame's shape; None says that the frame is good. A defect
                without a mask must not be added: its pixels are unknown.

        Raises:
            DataError: a mask of another shape, a box outside the frame, or a map that is not finite.
        """
        height, width = shape
        x0, y0, x1, y1 = box or (0, 0, width, height)
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise DataError(
                f"the anomaly map covers {box}, which is not inside a frame of {width} x {height} pixels",
                "fit the line again for frames of this size",
            )
        if mask is not None and mask.shape != shape:
            raise DataError(
                f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels, but the frame has "
                f"{width} x {height}",
                "check the data set with `saec data check`",
            )
        if not np.isfinite(anomaly_map).all():
            raise DataError("an anomaly map holds NaN or infinite values", "fit the line again")
        whole = cv2.resize(anomaly_map, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        self._add(_bins(np.asarray(whole, dtype=np.float32)), None if mask is None else mask[y0:y1, x0:x1])

    def _add(self, bins: NDArray[np.int64], mask: NDArray[np.bool_] | None) -> None:
        if mask is None or not mask.any():
            self._good += np.bincount(bins.ravel(), minlength=_BINS)
            return
        from scipy.ndimage import label

        regions, count = label(mask, structure=np.ones((3, 3)))
        inside = regions[mask]
        area = np.bincount(inside, minlength=count + 1)
        self._good += np.bincount(bins[~mask], minlength=_BINS)
        self._defect += np.bincount(bins[mask], minlength=_BINS)
        self._overlap += np.bincount(bins[mask], weights=1.0 / area[inside], minlength=_BINS)
        self.regions += count

    def pixel_auroc(self) -> float | None:
        """Probability that a defective pixel scores above a good one; None without either kind."""
        n_good, n_defect = int(self._good.sum()), int(self._defect.sum())
        if not n_good or not n_defect:
            return None
        below = np.cumsum(self._good) - self._good
        return float(np.dot(self._defect / n_defect, (below + self._good / 2) / n_good))

    def pro(self) -> float | None:
        """PRO up to ``PRO_LIMIT``; None without defect regions or without good pixels."""
        n_good = int(self._good.sum())
        if not n_good or not self.regions:
            return None
        used = np.flatnonzero(self._good + self._defect)[::-1]
        false = np.r_[0.0, np.cumsum(self._good[used]) / n_good]
        overlap = np.r_[0.0, np.cumsum(self._overlap[used]) / self.regions]
        last = np.searchsorted(false, PRO_LIMIT, side="right")
        x = np.r_[false[:last], PRO_LIMIT]
        y = np.r_[overlap[:last], np.interp(PRO_LIMIT, false, overlap)]
        return min(1.0, float(np.trapezoid(y, x)) / PRO_LIMIT)


def _bins(values: AnomalyMap) -> NDArray[np.int64]:
    """Bin of each score, in the order of the scores.

    The bits of a positive float32, read as an integer, sort as the number does; those of a negative one
    sort the other way round, hence the flip. Adding 0 makes -0 and 0 the same.
    """
    bits = (values + np.float32(0)).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> np.uint32(32 - _BITS)).astype(np.int64)

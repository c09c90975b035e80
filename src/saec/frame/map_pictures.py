"""Pictures of a frame with its anomaly map, on a scale tied to the line's threshold.

A map normalised by its own minimum and maximum shows red on every good part. Here one score has one
colour on a line, whatever else the frame shows: nothing up to half the threshold, a tint that grows
from there, a contour at the threshold, full colour from one and a half times the threshold. A
threshold of zero or less has no half, so the ramp is then as wide as max(1, -threshold) and centred
on it. The colours are OpenCV's inferno from magenta to yellow: lightness rises with the score, so the
order survives colour blindness and a grey print.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError, ImageError
from saec.types import AnomalyMap, Box, EdgeOpinion, Image

OPACITY = 0.72
"""Opacity of the hottest colour; the product must stay visible below it."""

QUALITY = 85
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""The endings of pictures that are written."""
NOTHING = 1e-6
"""Thresholds up to here count as zero: the YOLO rule's is the least number above it."""

_PALETTE = (96, 250)
"""Inferno's darker colours read as shadow on a product, so the ramp starts at its magenta."""


def scale(threshold: float) -> tuple[float, float]:
    """The scores between which opacity grows from nothing to full.

    Args:
        threshold: the line's threshold, in score units.

    Returns:
        0.5 and 1.5 times the threshold; around a threshold of zero or less, a ramp of width
        max(1, -threshold).
    """
    half = threshold / 2 if threshold > NOTHING else max(1.0, -threshold) / 2
    return threshold - half, threshold + half


def colourise(values: AnomalyMap, threshold: float) -> tuple[Image, NDArray[np.float32]]:
    """Colour and opacity of each value, each from that value and the threshold alone.

    Args:
        values: h x w, score units; NaN counts as nothing.
        threshold: the line's threshold.

    Returns:
        h x w x 3 RGB uint8, and h x w opacity in 0..OPACITY.
    """
    low, high = scale(threshold)
    above = np.clip(2 * (np.nan_to_num(values, nan=low) - low) / (high - low), 0.0, 7.0)
    # ``above`` is 0 at half the threshold, 1 at it, 7 at four times it.
    hue = np.log1p(above) / np.log(8.0)
    index = np.rint(_PALETTE[0] + hue * (_PALETTE[1] - _PALETTE[0])).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(index, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    # The power keeps what is still below the threshold a hint.
    alpha = OPACITY * np.minimum(1.0, above / 2) ** 1.5
    return colours.astype(np.uint8), alpha.astype(np.float32)


def overlay(image: Image, opinion: EdgeOpinion, threshold: float, *, max_side: int = 640) -> Image:
    """The frame with its anomaly map over it.

    Args:
        image: H x W x 3 RGB.
        opinion: the edge's opinion on it; without a map the frame comes back as it is.
        threshold: the line's threshold, in the units of score and map.
        max_side: the longer side of the picture in pixels; a smaller frame is not enlarged.

    Returns:
        h x w x 3 RGB, a new array.
    """
    picture = shrink(image, max_side)
    if opinion.map is None:
        return picture
    y_scale, x_scale = picture.shape[0] / image.shape[0], picture.shape[1] / image.shape[1]
    x0, y0, x1, y1 = _box(opinion, image.shape[1], image.shape[0])
    x0, x1 = round(x0 * x_scale), max(round(x1 * x_scale), round(x0 * x_scale) + 1)
    y0, y1 = round(y0 * y_scale), max(round(y1 * y_scale), round(y0 * y_scale) + 1)
    region = picture[y0:y1, x0:x1]
    values = _resized(opinion.map, region.shape[1], region.shape[0], threshold)
    colours, alpha = colourise(values, threshold)
    tinted = region + alpha[..., None] * (colours.astype(np.float32) - region)
    picture[y0:y1, x0:x1] = np.rint(tinted).astype(np.uint8)
    _contour(picture[y0:y1, x0:x1], values >= threshold)
    return picture


def save_picture(path: Path, image: Image, opinion: EdgeOpinion, threshold: float) -> None:
    """Write the overlay; folders are made.

    Args:
        path: its ending is the picture's format.

    Raises:
        ConfigError: the ending is none of a picture.
        ImageError: OpenCV cannot encode it.
    """
    if path.suffix.lower() not in PICTURES:
        raise ConfigError(f"{path} does not end as a picture does", f"use one of {', '.join(PICTURES)}")
    data = _encoded(overlay(image, opinion, threshold), path.suffix.lower())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def encode_jpeg(image: Image, quality: int = QUALITY) -> bytes:
    """JPEG bytes of an RGB picture.

    Raises:
        ImageError: OpenCV cannot encode it.
    """
    return _encoded(image, ".jpg", quality)


def _encoded(image: Image, suffix: str, quality: int = QUALITY) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in (".jpg", ".jpeg") else []
    done, data = cv2.imencode(suffix, image[..., ::-1], options)
    if not done:
        raise ImageError(f"a picture of {image.shape} cannot be written as {suffix}", "use a smaller frame")
    return data.tobytes()


def shrink(image: Image, max_side: int) -> Image:
    """A copy whose longer side is at most ``max_side`` pixels, aspect kept; never enlarged."""
    ratio = max_side / max(image.shape[:2])
    if ratio >= 1:
        return image.copy()
    size = max(1, round(image.shape[1] * ratio)), max(1, round(image.shape[0] * ratio))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _box(opinion: EdgeOpinion, width: int, height: int) -> Box:
    return opinion.map_box if opinion.map_box is not None else (0, 0, width, height)


def _resized(values: AnomalyMap, width: int, height: int, threshold: float) -> AnomalyMap:
    """The map at the picture's size; what is not finite becomes an end of the scale."""
    low, high = scale(threshold)
    finite: AnomalyMap = np.nan_to_num(values, nan=low, neginf=low, posinf=high)
    # Linear and not cubic: an overshoot would colour what no patch scored.
    return cv2.resize(finite, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _contour(picture: Image, above: NDArray[np.bool_]) -> None:
    """Draw the outline of what is at or above the threshold, light on dark so that it shows on both."""
    outlines, _ = cv2.findContours(above.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = 1 + max(picture.shape[:2]) // 400
    drawn = np.ascontiguousarray(picture)
    cv2.drawContours(drawn, outlines, -1, (20, 12, 30), width + 2, cv2.LINE_AA)
    cv2.drawContours(drawn, outlines, -1, (255, 255, 255), width, cv2.LINE_AA)
    picture[...] = drawn

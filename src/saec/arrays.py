"""Images as arrays, checked where they come in: H x W x 3, RGB, uint8."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saec.errors import ImageError

_READ = "saec.data.images.pixels.read_image reads a file in this form"


def check_image(image: Any, name: str = "image") -> NDArray[np.uint8]:
    """An array that is an image: H x W x 3 uint8, not empty; nothing is converted.

    Whether its channels are RGB or BGR cannot be seen from an array. OpenCV reads BGR: turn it with
    ``image[..., ::-1]``.

    Args:
        image: what was given for one.
        name: what to call it in errors.

    Raises:
        ImageError: it is something else; the remedy turns it into an image.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"{name} is a {type(image).__name__}, not an array",
            f"give a numpy array of H x W x 3 uint8, RGB; {_READ}",
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"{name} has shape {image.shape}, not H x W x 3", _shape_remedy(image))
    if image.size == 0:
        raise ImageError(f"{name} has shape {image.shape}: it has no pixels", "give an image with pixels")
    if image.dtype != np.uint8:
        raise ImageError(*_type_fault(image, name))
    return image


def _shape_remedy(image: NDArray[Any]) -> str:
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return "repeat the grey channel three times: np.dstack([grey] * 3)"
    if image.ndim == 3 and image.shape[2] == 4:
        return "remove the alpha channel: image[..., :3]"
    if image.ndim == 3 and image.shape[0] == 3:
        return "put the channels last: image.transpose(1, 2, 0)"
    if image.ndim == 4:
        return "give a list with one array per image: list(batch)"
    return f"give an array of H x W x 3 uint8, RGB; {_READ}"


def _type_fault(image: NDArray[Any], name: str) -> tuple[str, str]:
    """What is wrong with values that are not uint8, and the remedy that their range allows."""
    what = f"{name} has values of type {image.dtype}, not uint8"
    if image.dtype.kind == "b":
        return what, "make them black and white: 255 * image.astype(np.uint8)"
    if image.dtype == np.uint16:
        return what, "divide by 2 ** (bits - 8) and convert it; for 12 bit: (image >> 4).astype(np.uint8)"
    if image.dtype.kind not in "fiu":
        return what, "scale it to 0 to 255 and convert it: image.astype(np.uint8)"
    if wrong := int((~np.isfinite(image)).sum()):
        return (
            f"{what}; {wrong} of them are NaN or infinite",
            "find out where they come from: np.isnan(image)",
        )
    low, high = float(image.min()), float(image.max())
    what = f"{what}; they run from {low:.4g} to {high:.4g}"
    if low < 0 or high > 255:
        return what, "scale it to 0 to 255 and convert it: image.round().astype(np.uint8)"
    if image.dtype.kind == "f" and high <= 1:
        return what, "scale it from 0 to 1 to 0 to 255: (255 * image).round().astype(np.uint8)"
    return what, "convert it; it runs from 0 to 255 already: image.round().astype(np.uint8)"

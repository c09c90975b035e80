"""What users give as an image: a path, a Pillow image or an array. Each becomes H x W x 3 RGB uint8."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from saec.api.given_settings import article
from saec.arrays import check_image
from saec.data.images.pixels import pillow_to_image
from saec.errors import ConfigError, ImageError
from saec.frame.assessment import DecodedFrame, decode_frame, read_frame
from saec.settings import FitConfig
from saec.types import Image, Source

if TYPE_CHECKING:
    from PIL import Image as Pillow

ImageLike: TypeAlias = Union[str, "os.PathLike[str]", NDArray[Any], "Pillow.Image"]
"""A path, an H x W x 3 array of uint8, or a Pillow image."""

Colour = Literal["rgb", "bgr"]
"""The order of an array's channels. OpenCV reads BGR; nearly all else is RGB."""


def is_path(given: object) -> bool:
    """Whether an image was given as a path."""
    return isinstance(given, str | os.PathLike)


def is_one_image(given: object) -> bool:
    """Whether it is a single image, and no series of them: an array of N x H x W x 3 is a series."""
    return (given.ndim < 4) if isinstance(given, np.ndarray) else _is_pillow(given)


def check_no_folder(given: object) -> None:
    """Refuse a folder where one image is asked for.

    Raises:
        ImageError: it is one.
    """
    if isinstance(given, str | os.PathLike) and _image_file(given).is_dir():
        raise ImageError(f"{os.fspath(given)} is a folder", "call line.inspect_many with it")


def _image_file(given: str | os.PathLike[str]) -> Path:
    """The path of an image.

    Raises:
        ImageError: no file can have that name.
    """
    path = Path(given)
    try:
        path.stat()
    except FileNotFoundError:
        return path  # who reads it says so
    except (OSError, ValueError) as e:
        why = e.strerror or str(e) if isinstance(e, OSError) else "its name holds a null byte"
        raise ImageError(f"{str(path)!r:.200}: {why}", "check the path") from e
    return path


def _is_pillow(given: object) -> bool:
    """Whether it is a Pillow image; Pillow is not loaded for the answer."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(given, module.Image)


def check_colour(colour: str) -> None:
    """Refuse an order of channels that there is none of.

    Raises:
        ConfigError: it is neither "rgb" nor "bgr".
    """
    if colour not in ("rgb", "bgr"):
        raise ConfigError(
            f"colour = {colour!r} is not known", 'give "rgb", or "bgr" for arrays that OpenCV has read'
        )


def check_order_is_known(colour: str, name: str) -> None:
    """Refuse an order of channels for what has its own.

    Raises:
        ConfigError: ``colour`` is "bgr".
    """
    if colour == "bgr":
        raise ConfigError(
            f'colour="bgr" cannot be used with {name}, because its file or type gives the order',
            "leave colour out: it is only for arrays",
        )


def given_pixels(
    given: Any, *, colour: Colour = "rgb", bits: int = FitConfig().bits, name: str = "image"
) -> Image:
    """The pixels of an array or a Pillow image, checked.

    Args:
        given: an H x W x 3 array of uint8, or a Pillow image of any mode with a stated range.
        colour: the order of an array's channels.
        bits: significant bits of a 16-bit Pillow image.
        name: what to call it in errors.

    Raises:
        ImageError: it is something else; the remedy says how to turn it into an image.
        ConfigError: ``colour`` is no order, or "bgr" for a Pillow image.
    """
    check_colour(colour)
    if _is_pillow(given):
        check_order_is_known(colour, name)
        return check_image(pillow_to_image(given, bits=bits, name=name), name)
    if given is None:
        raise ImageError(
            f"{name} is None", "check the path of the image: cv2.imread gives None for what it cannot read"
        )
    if not isinstance(given, np.ndarray):
        raise ImageError(
            f"{name} is {article(type(given).__name__)}",
            "give a path, a Pillow image, or a NumPy array of H x W x 3 uint8, RGB",
        )
    image = check_image(given, name)
    return np.ascontiguousarray(image[..., ::-1] if colour == "bgr" else image)


def given_frame(
    given: Any, *, colour: Colour = "rgb", bits: int = FitConfig().bits, name: str = ""
) -> DecodedFrame:
    """One image as a frame with its pixels, read now.

    Args:
        given: a path, an array or a Pillow image.
        colour: the order of an array's channels.
        bits: significant bits of a 16-bit image.
        name: the frame's id; "" takes the file's name.

    Raises:
        ImageError: the file cannot be read, or what was given is no image.
        ConfigError: ``colour`` is no order, or is given for a file.
    """
    if is_path(given):
        check_colour(colour)
        check_order_is_known(colour, str(given))
        path = _image_file(given)
        return decode_frame(read_frame(Source(id=name or path.name, path=str(path.absolute()))), bits=bits)
    name = name or "image"
    now, begun = time.time(), time.perf_counter()
    image = given_pixels(given, colour=colour, bits=bits, name=name)
    return DecodedFrame(
        source=Source(id=name, path=""),
        image=image,
        sha256=hashlib.sha256(image.data).hexdigest(),
        time=now,
        begun=begun,
        complexity=None,
        ms={"read": (time.perf_counter() - begun) * 1e3},
    )

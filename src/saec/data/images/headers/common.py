"""What is read from an image file before anything of it is decoded, and the limits that it is held to."""

from __future__ import annotations

from dataclasses import dataclass

from saec.errors import ImageError

MAX_PIXELS = 89_478_485
"""Pillow's limit against decompression bombs; an error here, for every decoder."""

MAX_SCANS = 100
"""Scans of a JPEG: a progressive one has 6 to 20. Each costs a pass over all pixels, for a few bytes."""

MAX_PARTS = 10_000
"""Segments, chunks, blocks, boxes or tags beside the pixels; what a camera writes has some dozens."""

MAX_PAGES = 100
"""Pages or frames that are looked at; a file with more is refused without counting them."""

MAX_SAMPLE_BYTES = 8 * MAX_PIXELS
"""Bytes of all samples of an image as it lies decoded: four channels of 16 bit."""

EXPORT = "export the image again as 8-bit or 16-bit PNG, TIFF or JPEG"
TILE = "crop or tile the image: a frame has at most 89 million pixels"
SPLIT = "split it into one file per frame"


class TooLargeError(ImageError):
    """An image has more pixels than may be."""


class DamagedError(ImageError):
    """A file cannot be what it says it is: it is cut off, or what it holds contradicts itself."""


class UnknownFormatError(ImageError):
    """A file begins like no format that is known."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a file says.

    Attributes:
        format: Pillow's name for it; "PAM" for the one that OpenCV alone reads.
        width, height: pixels, before the image is turned upright.
        frames: frames or pages that are pictures of their own.
        opencv: OpenCV decodes it rightly.
    """

    format: str
    width: int
    height: int
    frames: int = 1
    opencv: bool = False


def damaged(name: str, what: str) -> DamagedError:
    """The error of a header that cannot be what it says it is."""
    return DamagedError(f"{name}: damaged or unsupported image: {what}", EXPORT)


def too_many(name: str, what: str, most: int) -> ImageError:
    """The error of a file that would cost far more to decode than its pixels are worth."""
    return ImageError(f"{name}: its header holds more than {most} {what}", EXPORT)


def check_parts(name: str, count: int, what: str, most: int = MAX_PARTS) -> None:
    """Refuse a file that is cut into more parts than any program writes."""
    if count > most:
        raise too_many(name, what, most)


def check_size(width: int, height: int, name: str, most: int = MAX_PIXELS) -> None:
    """Refuse a size that no picture has, or that is beyond the limit.

    Raises:
        ImageError: the size is not positive.
        TooLargeError: there are more pixels than ``most``.
    """
    if width <= 0 or height <= 0:
        raise damaged(name, f"its header gives {width} x {height} pixels")
    if width * height > most:
        raise TooLargeError(f"{name}: the image has {width} x {height} pixels", TILE)

"""Bytes to pixels, once and for all formats: RGB, 8 bit, upright, or an ImageError that says what to do.

OpenCV decodes what is common (JPEG, PNG, BMP, PNM and every 16-bit TIFF), Pillow the rest. Both honour the
EXIF orientation. Alpha is dropped and colour profiles are ignored: cameras often leave both meaningless.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError, ImageError
from saec.verdict import Image

# fmt: off
SUFFIXES = frozenset((
    ".apng", ".avif", ".avifs", ".bmp", ".bw", ".dds", ".dib", ".exr", ".gif", ".hdr", ".icb", ".icns",
    ".ico", ".im", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo",
    ".msp", ".pbm", ".pcx", ".pfm", ".pgm", ".pic", ".png", ".pnm", ".ppm", ".psd", ".pxm", ".qoi", ".ras",
    ".rgb", ".rgba", ".sgi", ".sr", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp", ".xbm", ".xpm",
))
# fmt: on
"""File-name endings (lower case) that count as images. Floating-point formats are among them so that they are
refused aloud and not passed over."""

MAX_PIXELS = 89_478_485
"""Pillow's limit against decompression bombs; an error here, for every decoder."""

_TILE = "crop or tile the image: a frame has at most 89 million pixels"
_EXPORT = "export the image again as 8-bit or 16-bit PNG, TIFF or JPEG"

# What OpenCV writes to stderr about a damaged file comes back to the caller as an ImageError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, *, bits: int = 16, name: str = "") -> Image:
    """Decode a file's bytes to H x W x 3 RGB uint8, upright.

    Args:
        data: the whole file.
        bits: significant bits of 16-bit sources (8 to 16): values are divided by ``2**bits / 256`` and
            saturate at 255. 8-bit sources are not touched.
        name: what to call the image in errors.

    Raises:
        ImageError: empty, damaged, truncated, of an unknown format, animated or of several pages, with
            floating-point pixels, or larger than ``MAX_PIXELS``.
        ConfigError: ``bits`` out of range.
    """
    if not 8 <= bits <= 16:
        raise ConfigError(f"bits is {bits}", "give the significant bits of 16-bit images, 8 to 16")
    return _to_8bit(_pixels(data, name or "image"), bits, name or "image")


def read_image(path: str | Path, *, bits: int = 16) -> Image:
    """Read and decode one file; see `decode`.

    Raises:
        ImageError: the file cannot be read or decoded.
    """
    return decode(read_bytes(path), bits=bits, name=str(path))


def read_bytes(path: str | Path) -> bytes:
    """The bytes of an image file.

    Raises:
        ImageError: missing, a broken or circular link, a folder, no permission.
    """
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise ImageError(f"{path}: {e.strerror or e}", "check the path, its links and its permissions") from e


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a defect mask: H x W, True where a pixel is not black.

    A lossy (JPEG) mask is cut at half of the range, since its black is not quite black.

    Raises:
        ImageError: the file cannot be read or decoded.
    """
    data = read_bytes(path)
    pixels = _pixels(data, str(path))
    floor = 127 if data[:2] == b"\xff\xd8" else 0
    return np.asarray((pixels > floor).any(axis=2))


def decode_native(data: bytes, name: str = "") -> NDArray[Any]:
    """Decode to H x W x 3 RGB, upright, in the source's own depth: uint8 or uint16; for checks.

    Raises:
        ImageError: as `decode`.
    """
    pixels = _pixels(data, name or "image")
    _to_8bit(pixels[:1, :1], 16, name or "image")  # refuses what `decode` refuses
    return pixels


def _to_8bit(pixels: NDArray[Any], bits: int, name: str) -> Image:
    if pixels.dtype == np.uint8:
        return cast(Image, pixels)
    if pixels.dtype == np.uint16:
        scaled: Image = np.minimum(pixels >> (bits - 8), 255).astype(np.uint8)
        return scaled
    raise ImageError(
        f"{name}: pixels of type {pixels.dtype}, whose black and white are unknown",
        "convert the image to 8 or 16 bit with a stated range",
    )


def _pixels(data: bytes, name: str) -> NDArray[Any]:
    """H x W x 3 RGB in the source's own depth."""
    if not data:
        raise ImageError(f"{name}: empty file", "copy or record the image again")
    pixels = _by_opencv(data) if _for_opencv(data, name) else None
    return _by_pillow(data, name) if pixels is None else pixels


def _for_opencv(data: bytes, name: str) -> bool:
    """Whether OpenCV decodes this rightly; checks the size from the header first."""
    if data[:2] == b"\xff\xd8":
        width, height, channels = _jpeg_header(data)
        _check_size(width, height, name)
        # Without the end marker the file is truncated or has a tail: Pillow tells which. CMYK is its, too.
        return channels in (1, 3) and b"\xff\xd9" in data[-64:]
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 33:
        width, height = struct.unpack_from(">II", data, 16)
        _check_size(width, height, name)
        return b"acTL" not in data[: max(0, data.find(b"IDAT"))]
    if data[:2] == b"BM" and len(data) > 54 and struct.unpack_from("<I", data, 14)[0] >= 40:
        width, height = struct.unpack_from("<ii", data, 18)
        _check_size(width, abs(height), name)
        return True
    return data[:2] in (b"P5", b"P6")


def _jpeg_header(data: bytes) -> tuple[int, int, int]:
    """Width, height and channels of a JPEG from its start-of-frame segment; zeros where there is none."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:  # fill bytes, markers without a body
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            return width, height, channels
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return 0, 0, 0


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: {width} x {height} pixels", _TILE)


def _by_opencv(data: bytes) -> NDArray[Any] | None:
    # IMREAD_COLOR_RGB garbles 16-bit RGB TIFFs in OpenCV 5.0, hence BGR and a swap.
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _by_pillow(data: bytes, name: str) -> NDArray[Any]:
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(data)) as image:
            _check_size(*image.size, name)
            _check_single(image, name)
            if _deep(image):
                pixels = _by_opencv(data)
                if pixels is not None:
                    return pixels
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):
                return _native(np.array(upright))
            return np.array(upright.convert("RGB"))
    except ImageError:
        raise
    except UnidentifiedImageError:
        pixels = _by_opencv(data)
        if pixels is None:
            raise ImageError(f"{name}: no image format that is known, or damaged", _EXPORT) from None
        return pixels
    except Exception as e:  # decoders raise anything from SyntaxError to struct.error on damaged files
        raise ImageError(f"{name}: damaged or unsupported image: {e}", _EXPORT) from e


def _native(grey: NDArray[Any]) -> NDArray[Any]:
    """A grey image as three channels, in the byte order of this machine."""
    return np.repeat(grey.astype(grey.dtype.newbyteorder("="))[..., None], 3, axis=2)


def _deep(image: Any) -> bool:
    """Whether a TIFF has more than 8 bits per channel, which Pillow would cut to 8 for colour."""
    return bool(image.format == "TIFF" and max(image.tag_v2.get(258, (1,))) > 8)


def _check_single(image: Any, name: str) -> None:
    """One file is one frame; thumbnails and masks inside a TIFF, and previews inside a JPEG, do not count."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format == "TIFF":
        frames = 0
        for page in range(image.n_frames):
            image.seek(page)
            frames += not int(image.tag_v2.get(254, 0)) & 0b101
        image.seek(0)
    if frames > 1 and image.format not in ("MPO", "PSD"):
        raise ImageError(f"{name}: holds {frames} frames or pages", "split it into one file per frame")

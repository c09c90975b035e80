"""Bytes to pixels, once and for all formats: RGB, 8 bit, upright, or an ImageError that says what to do.

The header is read and held to its limits first (``saec.data.images.headers``); no decoder is given what it
has not passed. libjpeg-turbo then decodes JPEG, OpenCV what else is common (PNG, BMP, PNM and every 16-bit
TIFF), Pillow the rest. The EXIF orientation is honoured. Alpha is dropped and colour profiles are ignored:
cameras often leave both meaningless.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.images.headers import read_header
from saec.data.images.headers.common import EXPORT, MAX_PIXELS, SPLIT, DamagedError, Header, check_size
from saec.data.images.integrity import AGAIN, check_whole
from saec.data.images.mask_values import MarkedPixels, find_marks
from saec.errors import ConfigError, ImageError
from saec.settings import FitConfig
from saec.types import Image

if TYPE_CHECKING:
    from PIL import Image as Pillow

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

_COUNTED_BY_PILLOW = ("AVIF", "IM")
"""Formats whose frames do not stand in a header that is read here."""

_LOST = re.compile(r"[Pp]remature end|bad Huffman code|found marker|\d{3,} extraneous bytes")
"""Warnings of libjpeg that mean lost pixels. Some bytes too many before a marker are a camera's padding."""

_EXIF = re.compile(rb"Exif\0")
"""Where a JPEG may say how it must be turned."""

# What OpenCV writes to stderr about a damaged file comes back to the caller as an ImageError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_image(data: bytes, *, bits: int = FitConfig().bits, name: str = "") -> Image:
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
        raise ConfigError(
            f"bits is {bits}, but must be 8 to 16", "give the significant bits of your 16-bit images"
        )
    return _to_8bit(_pixels(data, name or "image"), bits, name or "image")


def read_image(path: str | Path, *, bits: int = FitConfig().bits) -> Image:
    """Read and decode one file; see `decode_image`.

    Raises:
        ImageError: the file cannot be read or decoded.
    """
    return decode_image(read_bytes(path), bits=bits, name=str(path))


def read_bytes(path: str | Path) -> bytes:
    """The bytes of an image file.

    Raises:
        ImageError: missing, a broken or circular link, a folder, no permission.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            return file.read()
    except OSError as e:
        raise ImageError(f"{path}: {e.strerror or e}", "check the path, its links and its permissions") from e


def read_marks(path: str | Path) -> MarkedPixels:
    """What a defect mask marks, and whether that is in doubt; see `saec.data.images.mask_values`.

    Raises:
        ImageError: the file cannot be read or decoded.
    """
    data = read_bytes(path)
    pixels = _pixels(data, str(path))
    alpha, index = _layers(data, str(path))
    lossy = data[:2] == b"\xff\xd8" or data[8:16] == b"WEBPVP8 "
    return find_marks(pixels, alpha=alpha, index=index, lossy=lossy)


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """The marks of a mask alone: H x W, True where it marks; see `read_marks`, which tells doubts, too.

    Raises:
        ImageError: the file cannot be read or decoded.
    """
    return read_marks(path).where


def decode_native(data: bytes, name: str = "") -> NDArray[Any]:
    """Decode to H x W x 3 RGB, upright, in the source's own depth: uint8 or uint16; for checks.

    Raises:
        ImageError: whatever `decode_image` raises.
    """
    pixels = _pixels(data, name or "image")
    _to_8bit(pixels[:1, :1].copy(), 16, name or "image")  # refuses what `decode_image` refuses
    return pixels


def pillow_to_image(image: Pillow.Image, *, bits: int = FitConfig().bits, name: str = "image") -> Image:
    """A Pillow image as H x W x 3 RGB uint8, upright, as if it had been read from a file of its mode.

    Args:
        image: an image of any mode; it is not changed. Transparency is left out.
        bits: significant bits of a 16-bit image, see `decode_image`.
        name: what to call the image in errors.

    Raises:
        ImageError: its pixels cannot be loaded, have no stated range, or it is animated.
    """
    from PIL import ImageOps

    _check_single(_frames_of(image), name)
    try:
        upright = ImageOps.exif_transpose(image)
        pixels = _pillow_pixels(upright)
    except (OSError, ValueError, SyntaxError) as e:
        raise ImageError(f"{name}: its pixels cannot be loaded: {e}", EXPORT) from e
    return _to_8bit(pixels, bits, name)


def _to_8bit(pixels: NDArray[Any], bits: int, name: str) -> Image:
    if pixels.dtype == np.uint8:
        return cast(Image, pixels)
    if pixels.dtype == np.uint16:
        np.right_shift(pixels, bits - 8, out=pixels)  # in place: twice the memory of a large image counts
        return cast(Image, np.minimum(pixels, 255, out=pixels).astype(np.uint8))
    raise ImageError(
        f"{name}: {pixels.dtype} pixels have no fixed black and white level",
        "convert the image to 8 or 16 bit",
    )


def _pixels(data: bytes, name: str) -> NDArray[Any]:
    """H x W x 3 RGB in the source's own depth."""
    header = read_header(data, name)
    check_size(header.width, header.height, name, MAX_PIXELS)
    _check_single(header.frames, name)
    check_whole(data, header, name)
    pixels = _by_libjpeg(data, header, name) if header.format == "JPEG" else None
    if pixels is None and header.opencv:
        pixels = _by_opencv(data, header)
    if (
        pixels is None and header.opencv and header.format == "PNG"
    ):  # Pillow would leave black what is missing
        raise DamagedError(
            f"{name}: damaged image: its pixels are incomplete, or their checksum is wrong", AGAIN
        )
    return _by_pillow(data, header, name) if pixels is None else pixels


def _by_libjpeg(data: bytes, header: Header, name: str) -> NDArray[Any] | None:
    """A JPEG's pixels, which are OpenCV's; None where another decoder must look at the file again.

    A JPEG of which a part is missing or damaged is refused: decoders fill that with grey and say nothing, but
    libjpeg's own warnings tell. Where EXIF may turn the picture, or its colours are none of RGB, a picture of
    an eighth of the size tells as much in about half of the time.
    """
    import simplejpeg

    plain = header.opencv and _EXIF.search(data) is None
    try:
        if plain:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True)
            return pixels if pixels.shape[:2] == (header.height, header.width) else None
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    except ValueError as e:
        if _LOST.search(str(e)):
            raise DamagedError(f"{name}: damaged image: a part of its pixels is missing", AGAIN) from e
    return None


def _by_opencv(data: bytes, header: Header) -> NDArray[Any] | None:
    # IMREAD_COLOR_RGB garbles 16-bit RGB TIFFs in OpenCV 5.0, hence BGR and a swap.
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if bgr is None or sorted(bgr.shape[:2]) != sorted((header.height, header.width)):
            return None
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    except cv2.error as e:
        if e.code == cv2.Error.StsNoMem:
            raise MemoryError(e.err) from e
        return None


def _by_pillow(data: bytes, header: Header, name: str) -> NDArray[Any]:
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(data), formats=[header.format]) as image:
            check_size(*image.size, name, MAX_PIXELS)
            if header.format in _COUNTED_BY_PILLOW:
                _check_single(_frames_of(image), name)
            ImageOps.exif_transpose(image, in_place=True)  # and no copy where it is of this mode: 350 MB each
            return _pillow_pixels(image)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: unknown image format, or damaged", EXPORT) from None
    except Exception as e:  # decoders raise anything from SyntaxError to struct.error on damaged files
        if isinstance(e, OSError) and e.errno is not None:
            raise  # of the machine, not of the file: no handle, no memory
        raise ImageError(f"{name}: damaged or unsupported image: {e}", EXPORT) from e


def _frames_of(image: Pillow.Image) -> int:
    frames: int = getattr(image, "n_frames", 1)
    return frames


def _pillow_pixels(image: Pillow.Image) -> NDArray[Any]:
    """H x W x 3 RGB in the image's own depth."""
    if image.mode.startswith(("I", "F")):
        return _native(np.array(image))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _layers(data: bytes, name: str) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Transparency and palette numbers of a file that decodes, where it has them."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with Pillow.open(io.BytesIO(data), formats=[read_header(data, name).format]) as image:
            upright = ImageOps.exif_transpose(image)
            index = np.array(upright) if upright.mode == "P" else None
            clear = upright.has_transparency_data
            return np.array(upright.convert("RGBA"))[..., 3] if clear else None, index
    except MemoryError:
        raise
    except Exception:  # not a format of Pillow's, though OpenCV reads it: neither is known
        return None, None


def _native(grey: NDArray[Any]) -> NDArray[Any]:
    """A grey image as three channels, in the byte order of this machine."""
    return np.repeat(grey.astype(grey.dtype.newbyteorder("="))[..., None], 3, axis=2)


def _check_single(frames: int, name: str) -> None:
    """One file is one frame; thumbnails and masks inside a TIFF, and previews inside a JPEG, do not count."""
    if frames > 1:
        raise ImageError(f"{name}: holds {frames} frames or pages", SPLIT)

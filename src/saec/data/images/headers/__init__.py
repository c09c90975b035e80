"""The header of an image file, read and checked before anything is decoded; for every format that is known.

What is not known here reaches no decoder. Each reader walks the file's own structure in bounded steps and
holds it to the limits of ``common``, so that a file cannot cost much more than its pixels are worth. What it
costs all the same is for ``saec.data.images.killable_decoder`` to bound.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from saec.data.images.headers import animations, boxes, fixed_place, jpeg, png, text_formats, tiff
from saec.data.images.headers.common import EXPORT, Header, UnknownFormatError, damaged
from saec.errors import ImageError

_Reader = Callable[[bytes, str], Header]

_BY_START: tuple[tuple[bytes, _Reader], ...] = (
    (b"\xff\xd8", jpeg.read_jpeg),
    (png.MAGIC, png.read_png),
    (b"BM", fixed_place.read_bmp),
    (b"II*\0", tiff.read_tiff),
    (b"MM\0*", tiff.read_tiff),
    (b"II+\0", tiff.read_tiff),
    (b"MM\0+", tiff.read_tiff),
    (b"GIF87a", animations.read_gif),
    (b"GIF89a", animations.read_gif),
    (boxes.CODESTREAM, boxes.read_jpeg2000),
    (b"\0\0\0\x0cjP  \r\n\x87\n", boxes.read_jpeg2000),
    (b"8BPS\0\x01", fixed_place.read_psd),
    (b"\0\0\x01\0", png.read_ico),
    (b"icns", png.read_icns),
    *((magic, fixed_place.read_fixed) for magic in fixed_place.FIXED),
    *((struct.pack("<I", n), fixed_place.read_dib) for n in (12, 40, 52, 56, 64, 108, 124)),
    *((b"P%d" % n, text_formats.read_netpbm) for n in range(1, 8)),
    (b"/* XPM */", text_formats.read_xpm),
    (b"#define", text_formats.read_xbm),
    (b"/*", text_formats.read_xbm),
)
_FLOATS = (b"#?RADIANCE", b"#?RGBE", b"PF", b"Pf", b"\x76\x2f\x31\x01")
"""Radiance, PFM and OpenEXR."""


def read_header(data: bytes, name: str = "image") -> Header:
    """The header of a file's bytes, of a format that is known and within its limits.

    Args:
        data: the whole file.
        name: what to call the image in errors.

    Raises:
        ImageError: empty, of an unknown format, damaged, with floating-point pixels, or beyond a limit.
    """
    if not data:
        raise ImageError(f"{name}: the file is empty", "copy or record the image again")
    if data.startswith(_FLOATS):
        raise ImageError(
            f"{name}: float32 pixels have no fixed black and white level",
            "convert the image to 8 or 16 bit",
        )
    reader = _reader(data)
    if reader is None:
        raise UnknownFormatError(f"{name}: unknown image format, or damaged", EXPORT)
    try:
        return reader(data, name)
    except (struct.error, IndexError, OverflowError):  # a BigTIFF may point anywhere
        raise damaged(name, "its header is cut off") from None


def _reader(data: bytes) -> _Reader | None:
    for start, reader in _BY_START:
        if data.startswith(start):
            return reader
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return animations.read_webp
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1", b"msf1"):
        return boxes.read_avif
    if (
        data[:1] == b"\x0a"
        and data[1:2] in b"\0\2\3\5"
        and data[2:3] in b"\0\1"
        and data[3:4] in b"\1\2\4\x08"
    ):
        return fixed_place.read_pcx
    if text_formats.is_im(data):
        return text_formats.read_im
    return fixed_place.read_tga if fixed_place.is_tga(data) else None

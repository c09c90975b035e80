"""Malformed and hostile image files, made from one picture: the same corpus for the same seed."""

# ruff: noqa: E501

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

CUTS = 14
FLIPS = 9


@dataclass(frozen=True)
class File:
    """One file.

    Attributes:
        kind: of trick, for the counts.
        name: what it is.
        suffix: of the file's name, such as ".png".
        data: its bytes.
        bad: no verdict but an error may come of it; else it may be judged as well.
        seconds: within which it must be answered.
    """

    kind: str
    name: str
    suffix: str
    data: bytes
    bad: bool = True
    seconds: float = 30.0


def corpus(picture: NDArray[np.uint8], seed: int = 0) -> list[File]:
    """All files. ``picture`` is H x W x 3 RGB."""
    image, rng = Pillow.fromarray(picture), random.Random(seed)
    parts = (_truncated(image), _flipped(image, rng), _bombs(), _wrong_type(image, rng), _animated(image))
    more = (_sizes(image), _exif(image), _modes(image), _tiff(picture))
    return [file for part in (*parts, *more) for file in part]


def encoded(image: Pillow.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _whole(image: Pillow.Image) -> dict[str, bytes]:
    return {
        ".png": encoded(image, "PNG"),
        ".jpg": encoded(image, "JPEG", quality=90),
        ".webp": encoded(image, "WEBP", lossless=True),
        ".bmp": encoded(image, "BMP"),
        ".tif": encoded(image, "TIFF", compression="tiff_lzw"),
    }


def _truncated(image: Pillow.Image) -> Iterator[File]:
    for suffix, data in _whole(image).items():
        # From a lone first byte to one half of the last, so that pixels are missing.
        for cut in np.unique(np.geomspace(1, len(data) // 2, CUTS).astype(int)):
            yield File("truncated", f"{suffix} at {cut} of {len(data)}", suffix, data[:cut])


def _flipped(image: Pillow.Image, rng: random.Random) -> Iterator[File]:
    for suffix, data in _whole(image).items():
        for i in range(FLIPS):
            damaged = bytearray(data)
            for _ in range(8 if i % 2 else 200):
                # Every third file is damaged in its headers alone.
                at = rng.randrange(len(data) if i % 3 else min(len(data), 200))
                damaged[at] = rng.randrange(256)
            yield File("damaged bytes", f"{suffix} {i}", suffix, bytes(damaged), bad=False)


def png(
    width: int, height: int, body: bytes, *, depth: int = 8, colour: int = 0, extra: bytes = b""
) -> bytes:
    """A PNG with a header that need not fit its body (compressed pixels)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bombs() -> Iterator[File]:
    sizes = [
        (2**31 - 1, 2**31 - 1),
        (65535, 65535),
        (100_000, 1000),
        (1, 2**31 - 1),
        (0, 0),
        (20_000, 20_000),
    ]
    grey = zlib.compress(bytes(64))
    for width, height in sizes:
        yield File("bomb", f"PNG says {width} x {height}", ".png", png(width, height, grey))
        bmp = struct.pack("<IiiHHIIiiII", 40, min(width, 2**31 - 1), -height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield File("bomb", f"BMP says {width} x {height}", ".bmp", b"BM" + bytes(12) + bmp + bytes(64))
        gif = (
            b"GIF89a"
            + struct.pack("<HH", min(width, 65535), min(height, 65535))
            + b"\x80\0\0"
            + bytes(6)
            + b";"
        )
        yield File("bomb", f"GIF says {width} x {height}", ".webp", gif)
    long = png(20_000, 20_000, zlib.compress(bytes(20_001 * 20_000), 9))
    yield File("bomb", "PNG of 400 million black pixels", ".png", long)
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9))
    yield File(
        "bomb",
        "PNG with 200 MB of packed text",
        ".png",
        png(64, 64, zlib.compress(bytes(65 * 64)), extra=text),
        bad=False,
    )
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200_000_000), 9))
    yield File(
        "bomb",
        "PNG with a packed profile of 200 MB",
        ".png",
        png(64, 64, zlib.compress(bytes(65 * 64)), extra=profile),
        bad=False,
    )
    yield File(
        "bomb",
        "PNG with more pixels than it says",
        ".png",
        png(64, 64, zlib.compress(bytes(50_000_000))),
        bad=False,
    )
    jpeg = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 65500, 65500, 3) + bytes(9) + b"\xff\xd9"
    yield File("bomb", "JPEG says 65500 x 65500", ".jpg", jpeg)


def _wrong_type(image: Pillow.Image, rng: random.Random) -> Iterator[File]:
    contents = {
        "nothing": b"",
        "one zero": b"\0",
        "a megabyte of zeros": bytes(1_000_000),
        "noise": rng.randbytes(10_000),
        "text": b"I am a picture, believe me.\n" * 50,
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "XML that reads a file": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "ZIP": b"PK\x03\x04" + rng.randbytes(500),
        "ELF": b"\x7fELF\x02\x01\x01" + rng.randbytes(500),
        "PDF": encoded(image, "PDF"),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file closefile\n",
        "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "MP4": b"\0\0\0\x20ftypisom" + rng.randbytes(800),
        "gzip": b"\x1f\x8b\x08" + rng.randbytes(200),
        "XBM": b"#define a_width 9999999\n#define a_height 9999999\nstatic char a_bits[] = {0};",
        "PNM of text": b"P6 99999999999999999999 9 255\n",
        "PNM negative": b"P5 -5 -5 255\n" + bytes(50),
        "PFM of NaN": b"PF\n8 8\n-1.0\n" + np.full((8, 8, 3), np.nan, "<f4").tobytes(),
        "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n" + bytes(256),
    }  # fmt: skip
    for name, data in contents.items():
        for suffix in (".png", ".jpg"):
            yield File("wrong type", f"{name} as {suffix}", suffix, data)


def _animated(image: Pillow.Image) -> Iterator[File]:
    frames = [image, image.rotate(90), image.rotate(180)]
    for kind, suffix in (("GIF", ".png"), ("WEBP", ".webp"), ("PNG", ".png"), ("TIFF", ".tif")):
        for count in (2, 3):
            data = encoded(image, kind, save_all=True, append_images=frames[1:count])
            yield File("animated or of several pages", f"{kind} of {count}", suffix, data)


def _sizes(image: Pillow.Image) -> Iterator[File]:
    for width, height in (
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
        (1, 500),
        (500, 1),
        (3, 3),
        (7, 5),
        (1, 20_000),
        (20_000, 2),
    ):
        small = image.resize((width, height))
        for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".bmp")):
            yield File("tiny or thin", f"{kind} {width} x {height}", suffix, encoded(small, kind), bad=False)
    yield File(
        "huge",
        "PNG of 81 million black pixels",
        ".png",
        png(9000, 9000, zlib.compress(bytes(9001 * 9000), 9)),
        bad=False,
    )
    yield File(
        "huge",
        "JPEG of 24 million pixels",
        ".jpg",
        encoded(image.resize((6000, 4000)), "JPEG", quality=30),
        bad=False,
    )
    tail = encoded(image, "PNG") + bytes(2_000_000)
    yield File("huge", "PNG with a tail of 2 MB", ".png", tail, bad=False)


def _exif(image: Pillow.Image) -> Iterator[File]:
    for orientation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65535):
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        yield File("EXIF", f"orientation {orientation}", ".jpg", encoded(image, "JPEG", exif=exif), bad=False)
    plain = encoded(image, "JPEG")
    blocks = {
        "of length 0": b"\xff\xe1\0\0",
        "longer than the file": b"\xff\xe1\xff\xff" + b"Exif\0\0",
        "a list that is its own next": b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "of 65,535 entries": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(60),
        "with an offset into nowhere": b"Exif\0\0II*\0\xff\xff\xff\x7f",
        "text in place of numbers": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0../.\0\0\0\0",
        "an orientation of a million": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\x0f\x42\x40\0\0\0\0",
    }  # fmt: skip
    for name, block in blocks.items():
        whole = block if block[:2] == b"\xff\xe1" else b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
        yield File("EXIF", name, ".jpg", plain[:2] + whole + plain[2:], bad=False)
    many = b"".join(b"\xff\xe1\xff\xff" + bytes(65533) for _ in range(40))
    yield File("EXIF", "forty blocks of 64 kB", ".jpg", plain[:2] + many + plain[2:], bad=False)


def _modes(image: Pillow.Image) -> Iterator[File]:
    grey = image.convert("L")
    modes = {
        "CMYK JPEG": (image.convert("CMYK"), "JPEG", ".jpg"),
        "palette PNG": (image.convert("P"), "PNG", ".png"),
        "bitmap PNG": (image.convert("1"), "PNG", ".png"),
        "transparent PNG": (image.convert("RGBA"), "PNG", ".png"),
        "grey and alpha PNG": (image.convert("LA"), "PNG", ".png"),
        "16-bit PNG": (grey.convert("I;16"), "PNG", ".png"),
        "Lab TIFF": (image.convert("LAB"), "TIFF", ".tif"),
        "YCbCr TIFF": (image.convert("YCbCr"), "TIFF", ".tif"),
    }
    for name, (picture, kind, suffix) in modes.items():
        yield File("unusual pixels", name, suffix, encoded(picture, kind), bad=False)
    for suffix, data in _whole(image).items():
        other = ".jpg" if suffix == ".png" else ".png"
        yield File("wrong name", f"{suffix} called {other}", other, data, bad=False)


def _tiff(picture: NDArray[np.uint8]) -> Iterator[File]:
    grey = picture[..., 0].astype(np.float32)
    for name, value in (
        ("NaN", np.nan),
        ("infinity", np.inf),
        ("-infinity", -np.inf),
        ("1e38", 1e38),
        ("0.5", 0.5),
    ):
        some = grey.copy()
        some[3:9, 3:9] = value
        for part, pixels in (("all", np.full_like(grey, value)), ("some", some)):
            yield File(
                "floats", f"TIFF of {name} in {part}", ".tif", encoded(Pillow.fromarray(pixels), "TIFF")
            )
    done, colour = cv2.imencode(".tiff", np.full((32, 32, 3), np.nan, np.float32))
    assert done
    yield File("floats", "TIFF of three channels of NaN", ".tif", colour.tobytes())
    integers = Pillow.fromarray(np.full((32, 32), 2**30, np.int32))
    yield File("floats", "TIFF of 32-bit integers", ".tif", encoded(integers, "TIFF"))
    for name, entries in {
        "its own next page": b"\x01\0" + struct.pack("<HHII", 256, 3, 1, 64) + struct.pack("<I", 8),
        "of 65,535 entries": b"\xff\xff",
        "a strip beyond the end": b"\x03\0" + b"".join(
            struct.pack("<HHII", *entry) for entry in ((256, 3, 1, 64), (257, 3, 1, 64), (273, 4, 1, 2**31))
        ) + bytes(4),
        "a million by a million": b"\x02\0" + struct.pack("<HHII", 256, 4, 1, 10**6) + struct.pack("<HHII", 257, 4, 1, 10**6) + bytes(4),
        "no entry": b"\0\0" + bytes(4),
    }.items():  # fmt: skip
        yield File("TIFF structure", name, ".tif", b"II*\0\x08\0\0\0" + entries)
    yield File("TIFF structure", "first page nowhere", ".tif", b"II*\0\xff\xff\xff\xff")
    yield File("TIFF structure", "BigTIFF of nothing", ".tif", b"II+\0\x08\0\0\0" + bytes(8))

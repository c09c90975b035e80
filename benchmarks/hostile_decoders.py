"""Files for each decoder that a station may meet: sizes, parts, cuts, damage, and what costs most.

The makers of single mechanisms are those of the tests (``tests/bombs.py``).
"""

from __future__ import annotations

import io
import random
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from hostile_images import File
from PIL import Image as Pillow

sys.path.append(str(Path(__file__).resolve().parents[1]))
from tests import bombs

CUTS = 12
FLIPS = 8
BOMB_SECONDS = 60.0
"""For a file that uses up its limits: three attempts of 5 s of processor time, beside other work."""

_SIZED: dict[str, Callable[[int, int], bytes]] = {
    "PNG": lambda w, h: bombs.png(w, h),
    "JPEG": lambda w, h: bombs.encoded("JPEG").replace(b"\x08\0\x18\0\x18", b"\x08" + _two(">", h, w), 1),
    "BMP": lambda w, h: b"BM" + bytes(12) + _dib(w, h) + bytes(64),
    "BMP upside down": lambda w, h: b"BM" + bytes(12) + _dib(w, -min(h, 2**31 - 1)) + bytes(64),
    "BMP of OS/2": lambda w, h: b"BM" + bytes(12) + struct.pack("<I", 12) + _two("<", w, h) + b"\1\0\x18\0",
    "DIB": lambda w, h: _dib(w, h) + bytes(64),
    "TIFF": lambda w, h: bombs.tiff([(256, 4, 1, w), (257, 4, 1, h)]),
    "TIFF of shorts": lambda w, h: bombs.tiff([(256, 3, 1, w & 0xFFFF), (257, 3, 1, h & 0xFFFF)]),
    "GIF's screen": lambda w, h: b"GIF89a" + _two("<", w, h) + bytes(60),
    "GIF's frame": lambda w, h: bombs.gif(extent=(w & 0xFFFF, h & 0xFFFF)),
    "WebP's canvas": lambda w, h: bombs.riff((b"VP8X", bytes(4) + _three(w) + _three(h))),
    "WebP, lossy": lambda w, h: bombs.riff((b"VP8 ", bytes(6) + _two("<", w & 0x3FFF, h & 0x3FFF))),
    "WebP, lossless": lambda w, h: bombs.riff((b"VP8L", _vp8l(w, h))),
    "AVIF": bombs.avif,
    "JPEG 2000": bombs.jpeg2000,
    "PSD": bombs.psd,
    "ICO": lambda w, h: bombs.ico(bombs.png(w, h)),
    "ICO of BMP": lambda w, h: bombs.ico(_dib(w, h)),
    "ICNS": lambda w, h: bombs.icns(bombs.png(w, h)),
    "QOI": lambda w, h: b"qoif" + struct.pack(">II", w, h) + bytes(20),
    "DDS": lambda w, h: b"DDS " + struct.pack("<IIII", 124, 0, h, w) + bytes(200),
    "SGI": lambda w, h: b"\x01\xda\x01\x01\0\x03" + _two(">", w, h) + bytes(600),
    "Sun raster": lambda w, h: b"\x59\xa6\x6a\x95" + struct.pack(">IIIIIII", w, h, 24, 0, 2, 0, 0),
    "PCX": lambda w, h: b"\x0a\x05\x01\x08" + bytes(4) + _two("<", w, h) + bytes(120),
    "Targa": lambda w, h: bytes(2) + b"\x0a" + bytes(9) + _two("<", w, h) + b"\x18" + bytes(20),
    "MSP": lambda w, h: b"LinS" + _two("<", w, h) + bytes(64),
    "PGM": lambda w, h: b"P5 %d %d 255\n" % (w, h) + bytes(64),
    "PPM of text": lambda w, h: b"P3\n%d %d\n255\n" % (w, h) + b"1 " * 64,
    "PBM": lambda w, h: b"P4\n# by hand\n%d %d\n" % (w, h) + bytes(64),
    "PAM": lambda w, h: b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" % (w, h),
    "XBM": lambda w, h: b"#define a_width %d\n#define a_height %d\nstatic char a_bits[] = {\n0};" % (w, h),
    "XPM": lambda w, h: b'/* XPM */\nstatic char *a[] = {\n"%d %d 2 1",\n' % (w, h),
    "IFUNC": lambda w, h: b"Image type: L image\r\nImage size (x*y): %d*%d\r\n\x1a" % (w, h) + bytes(64),
    "Radiance": lambda w, h: bombs.hdr(w, h),
    "PFM": lambda w, h: b"Pf\n%d %d\n-1.0\n" % (w, h) + bytes(64),
}  # fmt: skip
"""A file of each format whose header says this size, and that holds next to no pixels."""

_SIZES = {
    "both sides far too large": (65_535, 65_535),
    "one row too many": (9_460, 9_460),
    "the largest number, one row": (2**31 - 1, 1),
    "one column of the largest number": (1, 2**31 - 1),
    "no width": (0, 24),
    "no height": (24, 0),
    "many pixels and none of them there": (9_000, 9_000),
}

_FORMS = (
    "GIF",
    "AVIF",
    "JPEG2000",
    "PPM",
    "TGA",
    "SGI",
    "PCX",
    "QOI",
    "DDS",
    "ICO",
    "ICNS",
    "IM",
    "DIB",
    "MPO",
)


def decoders(seed: int = 0) -> Iterator[File]:
    """All of them; each suffix is one that the station's API takes, as it is the bytes that tell."""
    warnings.simplefilter("ignore", DeprecationWarning)
    yield from _of_size()
    yield from _of_the_tests()
    yield from _cut_and_damaged(random.Random(seed))
    yield from _fields(random.Random(seed + 1))
    yield from _costly()


def _of_size() -> Iterator[File]:
    for form, make in _SIZED.items():
        for name, (width, height) in _SIZES.items():
            bad = form != "JPEG" or width * height != 81_000_000  # which is filled up with grey
            yield File(f"{form}: size", name, ".png", make(width, height), bad)


def _of_the_tests() -> Iterator[File]:
    for kind, makers in (
        ("too large", bombs.TOO_LARGE),
        ("too many", bombs.TOO_MANY),
        ("floats", bombs.FLOATS),
    ):
        for name, make in makers.items():
            yield File(f"{kind}: {name}", name, ".png", make())


def _cut_and_damaged(rng: random.Random) -> Iterator[File]:
    for form in _FORMS:
        data = bombs.encoded(form, 96)
        for cut in np.unique(np.geomspace(2, max(4, len(data) // 2), CUTS).astype(int)):
            yield File(f"{form}: cut", f"at {cut} of {len(data)}", ".png", data[:cut], bad=False)
        for i in range(FLIPS):
            damaged = bytearray(data)
            for _ in range(1 if i % 2 else 20):
                damaged[rng.randrange(min(len(data), 64 if i < FLIPS // 2 else len(data)))] = rng.randrange(
                    256
                )
            yield File(f"{form}: damaged", str(i), ".png", bytes(damaged), bad=False)


def _fields(rng: random.Random) -> Iterator[File]:
    """Each of the first numbers of a header at its ends: lengths, counts and offsets among them."""
    for form in (*_FORMS, "PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        data = bombs.encoded(form, 48)
        for at in range(0, min(len(data) - 4, 80), 8):
            for name, number in (("all ones", b"\xff" * 4), ("zero", bytes(4)), ("half", b"\x80\0\0\x80")):
                changed = data[:at] + number + data[at + 4 :]
                yield File(f"{form}: number of the header is {name}", f"at {at}", ".png", changed, bad=False)


def _costly() -> Iterator[File]:
    """What passes every header and costs as much as it can: processor time, memory, or both."""
    flat = Pillow.new("RGB", (9_400, 9_400), (120, 120, 120))
    for form, options in (
        ("WEBP", {"lossless": True, "method": 0}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TGA", {"compression": "tga_rle"}),
        ("JPEG", {"progressive": True, "quality": 20}),
        ("SGI", {}),
    ):
        picture = flat.convert("L") if form in ("GIF", "SGI") else flat
        if form == "SGI":  # whose runs are no shorter: as large as a file may be
            picture = picture.resize((7_900, 7_900))
        out = io.BytesIO()
        picture.save(out, form, **options)
        yield _bomb(f"{form}: many flat pixels", f"{picture.size} {options}", out.getvalue())
    out = io.BytesIO()
    flat.resize((4_000, 4_000)).save(out, "JPEG2000", irreversible=True, quality_layers=[1000])
    yield _bomb("JPEG2000: many flat pixels", "", out.getvalue())
    out = io.BytesIO()
    flat.resize((6_000, 6_000)).save(out, "AVIF", quality=10, speed=10)
    yield _bomb("AVIF: many flat pixels", "", out.getvalue())
    yield _bomb("JPEG: scans within the limit", "88 of 8,192 px", bombs.jpeg_of_scans(8_192, 88))
    yield _bomb("JPEG: scans within the limit", "88 of 4,096 px", bombs.jpeg_of_scans(4_096, 88))
    runs = b"\xfd" * (9_000 * 9_000 // 62 + 1)
    yield _bomb("QOI: 81 million pixels of runs", "", b"qoif" + struct.pack(">IIBB", 9000, 9000, 3, 0) + runs)
    wide = struct.pack(">IIBBBBB", 9_000, 9_000, 16, 6, 0, 0, 1)
    packed = zlib.compress(bytes(9_000 * 9_000 * 8 + 70_000), 9)
    deep = (
        b"\x89PNG\r\n\x1a\n"
        + bombs.chunk(b"IHDR", wide)
        + bombs.chunk(b"IDAT", packed)
        + bombs.chunk(b"IEND")
    )
    yield _bomb("PNG: 81 million pixels of 16 bit, interlaced", "", deep)
    yield _bomb("PPM of text: 20 million pixels", "", b"P2 5000 4000 255\n" + b"1 " * 20_000_000)
    tail = bombs.chunk(b"IDAT", zlib.compress(bytes(65 * 64) + bytes(2_000_000_000), 9))
    whole = bombs.png(64, 64)[:33]
    yield _bomb("PNG: pixels behind the last row", "2 GB unpacked", whole + tail + bombs.chunk(b"IEND"))


def _bomb(kind: str, name: str, data: bytes) -> File:
    return File(kind, name, ".png", data, bad=False, seconds=BOMB_SECONDS)


def _two(order: str, first: int, second: int) -> bytes:
    return struct.pack(order + "HH", first & 0xFFFF, second & 0xFFFF)


def _three(number: int) -> bytes:
    return ((number - 1) & 0xFFFFFF).to_bytes(3, "little")


def _vp8l(width: int, height: int) -> bytes:
    return b"\x2f" + struct.pack("<I", (width - 1) & 0x3FFF | ((height - 1) & 0x3FFF) << 14) + bytes(20)


def _dib(width: int, height: int) -> bytes:
    return struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *([0] * 6))

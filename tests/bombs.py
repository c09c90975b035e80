"""Image files that cost a decoder far more than they weigh: one maker for each mechanism."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image as Pillow


def encoded(form: str, side: int = 24, **options: object) -> bytes:
    """A picture of a seeded noise."""
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).convert(str(options.pop("mode", "RGB"))).save(out, form, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, before: bytes = b"", pixels: bytes | None = None) -> bytes:
    """A grey PNG whose header need not fit its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(bytes(64)) if pixels is None else pixels
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", rows) + chunk(b"IEND")


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive grey JPEG whose last scan comes again and again: 69 kB of 4,096 px take seconds."""
    out = io.BytesIO()
    Pillow.new("L", (side, side), 120).save(out, "JPEG", progressive=True, quality=30)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


def jpeg_of_segments(count: int) -> bytes:
    data = encoded("JPEG")
    return data[:2] + b"\xff\xfe\x00\x02" * count + data[2:]


def jpeg_of_fill(count: int) -> bytes:
    """Fill bytes in front of a marker: legal, any number of them."""
    data = encoded("JPEG")
    return data[:2] + b"\xff" * count + data[2:]


def tiff(tags: list[tuple[int, int, int, int]], *, more: bytes = b"", after: int = 0) -> bytes:
    """A little-endian TIFF of one page; each tag is (tag, kind, count, value)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + struct.pack("<I", after) + more


SIZE = [(256, 4, 1, 64), (257, 4, 1, 64)]


def tiff_of_pages(count: int) -> bytes:
    """A good first page, then a chain of pages without a tag."""
    data = bytearray(encoded("TIFF"))
    data += bytes(len(data) % 2)
    first = struct.unpack_from("<I", data, 4)[0]
    tags = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * tags, len(data))
    for i in range(count):
        data += struct.pack("<HI", 0, len(data) + 6 if i < count - 1 else 0)
    return bytes(data)


def gif(blocks: int = 1, size: int = 1, frames: int = 1, extent: tuple[int, int] = (8, 8)) -> bytes:
    frame = (
        b"\x2c" + struct.pack("<HHHHB", 0, 0, *extent, 0) + b"\x02" + (bytes([size]) + bytes(size)) * blocks
    )
    return b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6) + (frame + b"\0") * frames + b";"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def vp8x(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data) + 8, kind) + data


def avif(width: int, height: int, boxes: int = 1) -> bytes:
    sizes = box(b"ispe", struct.pack(">III", 0, width, height)) * boxes
    return box(b"ftyp", b"avif" + bytes(4) + b"avifmif1") + box(
        b"meta", bytes(4) + box(b"iprp", box(b"ipco", sizes))
    )


def jpeg2000(width: int, height: int, components: int = 1) -> bytes:
    size = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, width, height, 0, 0, components)
    return b"\xff\x4f\xff\x51" + struct.pack(">H", 38 + 3 * components) + size + b"\x07\x01\x01" * components


def psd(width: int, height: int, resources: int = 0) -> bytes:
    head = b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, height, width, 8, 3) + bytes(4)
    return head + struct.pack(">I", 12 * resources) + (b"8BIM" + bytes(8)) * resources + bytes(64)


def ico(inner: bytes, count: int = 1) -> bytes:
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inner), 6 + 16 * count)
    return struct.pack("<HHH", 0, 1, count) + entry * count + inner


def icns(*inner: bytes) -> bytes:
    blocks = b"".join(b"ic10" + struct.pack(">I", len(data) + 8) + data for data in inner)
    return b"icns" + struct.pack(">I", len(blocks) + 8) + blocks


def hdr(width: int, height: int) -> bytes:
    """A Radiance file: OpenCV reads it, Pillow does not."""
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width) + bytes(4096)


WIDE = 20_000
"""A side whose square is beyond the limit."""

TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: png(WIDE, WIDE),
    "JPEG": lambda: encoded("JPEG").replace(struct.pack(">HH", 24, 24), struct.pack(">HH", WIDE, WIDE), 1),
    "BMP": lambda: b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, WIDE, -WIDE, 1, 24, *([0] * 6)),
    "BMP of OS/2": lambda: b"BM" + bytes(12) + struct.pack("<IHHHH", 12, WIDE, WIDE, 1, 24) + bytes(64),
    "DIB": lambda: struct.pack("<IiiHHIIiiII", 40, WIDE, WIDE, 1, 24, *([0] * 6)),
    "TIFF": lambda: tiff([(256, 4, 1, WIDE), (257, 4, 1, WIDE)]),
    "TIFF of shorts": lambda: tiff([(256, 3, 1, WIDE), (257, 3, 1, WIDE)]),
    "BigTIFF": lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2)
    + struct.pack("<HHQQ", 256, 16, 1, WIDE) + struct.pack("<HHQQ", 257, 16, 1, WIDE) + bytes(8),
    "TIFF of many channels": lambda: tiff([(256, 4, 1, 5000), (257, 4, 1, 5000), (277, 3, 1, 65535)]),
    "GIF's screen": lambda: b"GIF89a" + struct.pack("<HHBBB", WIDE, WIDE, 0, 0, 0) + bytes(50),
    "GIF's frame": lambda: gif(extent=(WIDE, WIDE)),
    "WebP's canvas": lambda: riff(vp8x(WIDE, WIDE)),
    "WebP's frame": lambda: riff((b"VP8L", b"\x2f" + struct.pack("<I", 16383 | 16383 << 14))),
    "AVIF": lambda: avif(WIDE, WIDE),
    "JPEG 2000": lambda: jpeg2000(WIDE, WIDE),
    "JPEG 2000 of many channels": lambda: jpeg2000(5000, 5000, 16384),
    "JPEG 2000 in boxes": lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"jp2c", jpeg2000(WIDE, WIDE)),
    "PSD": lambda: psd(WIDE, WIDE),
    "PNG in an icon": lambda: ico(png(WIDE, WIDE)),
    "BMP in an icon": lambda: ico(struct.pack("<IiiHHIIiiII", 40, WIDE, WIDE, 1, 24, *([0] * 6))),
    "PNG in an Apple icon": lambda: icns(png(WIDE, WIDE)),
    "QOI": lambda: b"qoif" + struct.pack(">II", WIDE, WIDE) + bytes(20),
    "DDS": lambda: b"DDS " + struct.pack("<IIII", 124, 0, WIDE, WIDE) + bytes(200),
    "SGI": lambda: b"\x01\xda\x01\x01\0\x03" + struct.pack(">HHH", WIDE, WIDE, 3) + bytes(600),
    "Sun raster": lambda: b"\x59\xa6\x6a\x95" + struct.pack(">IIIIIII", WIDE, WIDE, 24, 0, 2, 0, 0),
    "PCX": lambda: b"\x0a\x05\x01\x08" + struct.pack("<HHHH", 0, 0, WIDE, WIDE) + bytes(120),
    "Targa": lambda: bytes(2) + b"\x0a" + bytes(9) + struct.pack("<HHBB", WIDE, WIDE, 24, 0) + bytes(9),
    "MSP": lambda: b"LinS" + struct.pack("<HH", WIDE, WIDE) + bytes(64),
    "PGM": lambda: b"P5 %d\n# a word\n%d 255\n" % (WIDE, WIDE) + bytes(64),
    "PPM of text": lambda: b"P3\n%d %d\n255\n" % (WIDE, WIDE) + b"1 " * 64,
    "PAM": lambda: b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" % (WIDE, WIDE),
    "XBM": lambda: b"#define a_width %d\n#define a_height %d\nstatic char a_bits[] = {\n0};" % (WIDE, WIDE),
    "XPM": lambda: b'/* XPM */\nstatic char *a[] = {\n"%d %d 2 1",\n' % (WIDE, WIDE),
    "IFUNC": lambda: b"Image type: L image\r\nImage size (x*y): %d*%d\r\n\x1a" % (WIDE, WIDE) + bytes(64),
}  # fmt: skip
"""A file of each format whose header says more pixels than may be, and that holds next to none."""

FLOATS: dict[str, Callable[[], bytes]] = {
    "Radiance": lambda: hdr(16384, 16384),
    "Radiance by its other name": lambda: hdr(8, 8).replace(b"RADIANCE", b"RGBE"),
    "PFM": lambda: b"PF\n30000 30000\n-1.0\n" + bytes(64),
    "OpenEXR": lambda: b"\x76\x2f\x31\x01" + bytes(64),
}

TOO_MANY: dict[str, Callable[[], bytes]] = {
    "scans of a JPEG": lambda: jpeg_of_scans(64, 400),
    "segments of a JPEG": lambda: jpeg_of_segments(20_000),
    "pages of a TIFF": lambda: tiff_of_pages(2000),
    "tags of a TIFF": lambda: tiff(SIZE + [(40_000 + i, 3, 1, 0) for i in range(2000)]),
    "chunks of a PNG": lambda: png(8, 8, before=chunk(b"teXt") * 20_000),
    "pieces of a PNG": lambda: png(8, 8, before=chunk(b"IDAT") * 20_000),
    "blocks of a GIF": lambda: gif(blocks=30_000),
    "frames of a GIF": lambda: gif(frames=2000),
    "chunks of a WebP": lambda: riff(vp8x(8, 8), *[(b"JUNK", b"")] * 20_000),
    "boxes of an AVIF": lambda: avif(8, 8, 20_000),
    "resources of a PSD": lambda: psd(8, 8, 20_000),
    "pictures of an icon": lambda: ico(png(8, 8), 2000),
    "pictures of an Apple icon": lambda: icns(*[b""] * 2000),
}
"""A file of each kind of part that may come in any number."""

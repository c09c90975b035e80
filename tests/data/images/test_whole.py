"""A file that ends before its picture does is refused, at every size; what is whole and odd is read."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from saec.data.images import integrity as whole
from saec.data.images.integrity import may_be_unwritten, why_torn
from saec.data.images.pixels import decode_image
from saec.errors import ImageError


def grain(side: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture without black, whose bytes depend on one another as a camera's do."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (max(2, side // 8), max(2, side // 6), 3), dtype=np.uint8)
    fine = cv2.resize(coarse, (side, side + 3)).astype(int) + rng.integers(-8, 8, (side + 3, side, 3))
    return np.clip(fine, 1, 255).astype(np.uint8)


def encode(image: NDArray[np.uint8], form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(image).save(out, form, **options)
    return out.getvalue()


CODED: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "png": lambda i: encode(i, "PNG"),
    "png-opencv": lambda i: bytes(cv2.imencode(".png", i)[1]),
    "jpeg": lambda i: encode(i, "JPEG", quality=90),
    "jpeg-progressive": lambda i: encode(i, "JPEG", progressive=True),
    "jpeg-grey": lambda i: encode(i[..., 0], "JPEG"),
    "tiff-lzw": lambda i: encode(i, "TIFF", compression="tiff_lzw"),
    "tiff-deflate": lambda i: encode(i, "TIFF", compression="tiff_adobe_deflate"),
    "tiff-jpeg": lambda i: encode(i, "TIFF", compression="jpeg"),
    "tiff-16": lambda i: bytes(cv2.imencode(".tif", i.astype(np.uint16) * 200)[1]),
    "gif": lambda i: encode(i, "GIF"),
    "jpeg2000": lambda i: encode(i, "JPEG2000"),
}
"""What ends in zeros is not whole, however few they are."""

ARITHMETIC: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "webp": lambda i: encode(i, "WEBP", quality=90),
    "webp-lossless": lambda i: encode(i, "WEBP", lossless=True),
    "avif": lambda i: encode(i, "AVIF", quality=90),
}
"""Some zeros at the end may be the coder's own."""

PLAIN: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "bmp": lambda i: encode(i, "BMP"),
    "bmp-grey": lambda i: encode(i[..., 0], "BMP"),
    "tiff": lambda i: encode(i, "TIFF"),
    "ppm": lambda i: encode(i, "PPM"),
    "pgm": lambda i: encode(i[..., 0], "PPM"),
    "sgi": lambda i: encode(i, "SGI"),
}
"""Zeros are black."""

ALL = CODED | ARITHMETIC | PLAIN
SIDES = (4, 16, 64, 300)
SHARES = (0.0, 0.01, 0.3, 0.6, 0.95, 0.99)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("form", ALL)
def test_a_file_that_is_cut_off_is_refused_and_may_still_be_on_its_way(form: str, side: int) -> None:
    data = ALL[form](grain(side))
    assert why_torn(data, "a") is None
    decode_image(data)
    for share in SHARES:
        part = data[: int(share * len(data))]
        with pytest.raises(ImageError):
            decode_image(part)
        if form != "sgi":  # which does not say where it ends
            assert why_torn(part, "a")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("form", CODED | ARITHMETIC)
def test_a_file_whose_end_was_never_written_is_refused(form: str, side: int) -> None:
    data = ALL[form](grain(side))
    for share in SHARES:
        kept = int(share * len(data))
        if form in ARITHMETIC and len(data) - kept < 64:
            continue
        torn = data[:kept] + bytes(len(data) - kept)
        if torn == data:
            continue
        with pytest.raises(ImageError):
            decode_image(torn)
        if len(data) - kept >= 16:
            assert why_torn(torn, "a") or may_be_unwritten(torn)


@pytest.mark.parametrize("form", PLAIN)
def test_zeros_where_pixels_should_be_are_in_doubt_and_can_be_decoded(form: str) -> None:
    data = PLAIN[form](grain(64))
    assert not may_be_unwritten(data)
    torn = data[: int(0.6 * len(data))] + bytes(len(data) - int(0.6 * len(data)))
    assert may_be_unwritten(torn)
    assert decode_image(torn).shape == (67, 64, 3)


def test_a_hole_of_a_page_is_in_doubt() -> None:
    data = encode(grain(300), "BMP")
    assert may_be_unwritten(data[:8192] + bytes(8192) + data[16384:])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_no_byte_of_a_png_can_change_unseen(where: int, by: int) -> None:
    data = bytearray(encode(grain(12), "PNG"))
    data[where % len(data)] ^= by
    with pytest.raises(ImageError):
        decode_image(bytes(data))


def _chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _png_of(pixels: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return _chunks((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))


def test_pixels_of_a_png_that_are_too_few_or_have_a_wrong_sum_are_refused() -> None:
    rows = b"".join(b"\0" + bytes(range(i, i + 8)) for i in range(1, 9))
    packed = zlib.compress(rows)
    assert decode_image(_png_of(packed)).shape == (8, 8, 3)
    for bad in (zlib.compress(rows[:36]), packed[:-4], packed[:-4] + b"abcd", packed[: len(packed) // 2]):
        with pytest.raises(ImageError):
            decode_image(_png_of(bad))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "subsampling": 0}])
def test_a_jpeg_with_a_grey_lower_half_is_refused(side: int, options: dict[str, Any]) -> None:
    data = encode(grain(side), "JPEG", quality=95, **options)
    half = data.rindex(b"\xff\xda") + 14
    half += (len(data) - half) // 3
    with pytest.raises(ImageError, match="damaged"):
        decode_image(data[:half] + b"\xff\xd9")


def test_a_jpeg_with_a_hole_is_refused() -> None:
    data = encode(grain(300), "JPEG", quality=95)
    half = len(data) // 2
    with pytest.raises(ImageError, match="a part of its pixels is missing"):
        decode_image(data[:half] + bytes(4096) + data[half + 4096 :])


@pytest.mark.parametrize("form", ["png", "jpeg", "bmp", "tiff", "webp", "gif", "ppm"])
def test_what_a_camera_appends_changes_no_pixel(form: str) -> None:
    data = ALL[form](grain(64))
    for tail in (bytes(300), b"serial number 17" * 20):
        if form == "gif" and any(tail):
            continue
        np.testing.assert_array_equal(decode_image(data + tail), decode_image(data))
        assert why_torn(data + tail, "a") is None


def test_two_pngs_in_one_file_are_refused() -> None:
    data = encode(grain(16), "PNG")
    with pytest.raises(ImageError, match="two PNGs"):
        decode_image(data + encode(grain(16, 1), "PNG"))


def test_padding_inside_a_jpeg_that_some_cameras_write_is_read() -> None:
    data = encode(grain(64), "JPEG")
    np.testing.assert_array_equal(decode_image(data[:-2] + b"\0\0\0" + data[-2:]), decode_image(data))


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("form", ALL)
def test_a_picture_of_one_value_is_whole(form: str, value: int) -> None:
    for side in (1, 7, 200):
        data = ALL[form](np.full((side + 1, side, 3), value, np.uint8))
        assert why_torn(data, "a") is None
        assert decode_image(data).shape == (side + 1, side, 3)


def test_what_no_further_byte_would_make_a_picture_is_not_on_its_way() -> None:
    for data in (
        b"this is a note about the camera " * 8,
        b"#?RADIANCE\n" + bytes(100),
        b"P6 90000 90000 255 ",
    ):
        assert why_torn(data, "a") is None
    for data in (b"", b"\x89P", bytes(5000), b"BM"):
        assert why_torn(data, "a")


def test_a_tiff_of_more_strips_than_rows_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(grain(64), "TIFF", compression="tiff_lzw", strip_size=64 * 3)
    decode_image(data)
    monkeypatch.setattr(whole, "_STRIPS", 60)
    with pytest.raises(ImageError, match="frame-7: its header holds more than 60 strips"):
        decode_image(data, name="frame-7")


def test_chains_of_tiny_parts_are_followed_no_further_than_the_limit() -> None:
    chunk = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    head = _png_of(b"")[:33]
    gif = (
        b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"\x2c" + struct.pack("<HHHHBB", 0, 0, 8, 8, 0, 2)
    )
    for data in (head + chunk * 20_000, gif + b"\x01a" * 20_000 + b"\0\x3b"):
        with pytest.raises(ImageError, match="more than"):
            decode_image(data)
        assert why_torn(data, "a") is None  # more bytes would not mend it: the line says so at once

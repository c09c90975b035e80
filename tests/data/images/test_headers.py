"""What a header says is held to its limits before anything is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from saec.data.images.headers import common, read_header
from saec.data.images.pixels import decode_image
from saec.errors import ImageError
from tests import bombs


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused here must be so without any decoder."""

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a decoder was given a file that its header refuses")

    monkeypatch.setattr(cv2, "imdecode", never)
    monkeypatch.setattr(Pillow, "open", never)


UNDECODED = pytest.mark.usefixtures("no_decoder")


def refused(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as e:
        decode_image(data, name="frame-7")
    assert e.value.what.startswith("frame-7: ")
    assert e.value.remedy
    return e.value


@UNDECODED
@pytest.mark.parametrize("make", bombs.TOO_LARGE.values(), ids=bombs.TOO_LARGE)
def test_too_many_pixels_are_refused_whatever_the_format(make: Callable[[], bytes]) -> None:
    assert "pixels" in refused(make()).what


@UNDECODED
@pytest.mark.parametrize("make", bombs.FLOATS.values(), ids=bombs.FLOATS)
def test_formats_of_floating_point_are_refused_undecoded(make: Callable[[], bytes]) -> None:
    assert "float32" in refused(make()).what


@UNDECODED
@pytest.mark.parametrize("make", bombs.TOO_MANY.values(), ids=bombs.TOO_MANY)
def test_too_many_parts_are_refused(make: Callable[[], bytes]) -> None:
    assert "more than" in refused(make()).what


@UNDECODED
@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"SIMPLE  =                    T",
        b"\xd7\xcd\xc6\x9a" + bytes(40),
        b"BLP2" + bytes(200),
        b"DICM",
        b"no image at all",
        b"\0",
    ],
)
def test_a_format_that_is_not_known_reaches_no_decoder(data: bytes) -> None:
    assert "unknown image format" in refused(data).what


@UNDECODED
def test_tags_that_hold_more_than_the_file_are_refused() -> None:
    tags = [*bombs.SIZE, *[(40_000 + i, 7, 60_000, 8) for i in range(50)]]
    assert "more data than the file holds" in refused(bombs.tiff(tags, more=bytes(60_000))).what


@UNDECODED
def test_pages_that_lead_back_are_refused() -> None:
    assert "refer to themselves" in refused(bombs.tiff(bombs.SIZE, after=8)).what


@UNDECODED
def test_sizes_that_no_picture_has_are_refused() -> None:
    for width, height in ((0, 5), (5, 0), (-7, 5)):
        bmp = b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *([0] * 6))
        assert "pixels" in refused(bmp).what


def test_what_is_odd_and_sound_is_still_read() -> None:
    plain = bombs.encoded("JPEG", 64, quality=95)
    film = b"\xff\xda" * 500  # a phone's film behind the picture
    for data in (bombs.jpeg_of_fill(5000), plain + film, bombs.jpeg_of_segments(300)):
        assert decode_image(data).shape[2] == 3
    many = bombs.encoded("JPEG", 64, progressive=True)
    np.testing.assert_array_equal(decode_image(many), decode_image(many + film))


def test_a_jpeg_of_scans_within_the_limit_is_read() -> None:
    assert decode_image(bombs.jpeg_of_scans(64, 50)).shape == (64, 64, 3)


@pytest.mark.parametrize(
    "form", ["TGA", "SGI", "PCX", "QOI", "DDS", "ICO", "IM", "PPM", "DIB", "AVIF", "GIF"]
)
def test_a_header_says_what_the_picture_has(form: str) -> None:
    data = bombs.encoded(form, 48)
    header = read_header(data)
    assert (header.height, header.width) == decode_image(data).shape[:2] == (48, 48)
    assert header.format == form


@given(
    st.binary(max_size=300),
    st.sampled_from([bytes(d()[:120]) for d in (bombs.TOO_MANY | bombs.TOO_LARGE).values()]),
)
def test_any_header_is_read_or_refused(junk: bytes, start: bytes) -> None:
    for data in (start + junk, start[: len(junk) % 120] + junk, junk):
        try:
            header = read_header(data)
        except ImageError:
            continue
        assert 0 < header.width * header.height <= common.MAX_PIXELS

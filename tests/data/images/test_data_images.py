"""Every format comes out right or as an ImageError; never a crash, never a wrong picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from saec.data.images import pixels as images
from saec.data.images.pixels import SUFFIXES, decode_image, decode_native, read_image, read_mask
from saec.errors import ConfigError, ImageError


def smooth(height: int = 24, width: int = 36) -> NDArray[np.uint8]:
    """Three distinct ramps: no two corners, rows, columns or channels are alike."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 2], 2).astype(np.uint8)


def encode(image: Any, form: str, **options: Any) -> bytes:
    if isinstance(image, np.ndarray):
        image = Pillow.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def encode_deep(image: NDArray[Any], suffix: str) -> bytes:
    bgr = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    return bytes(cv2.imencode(suffix, bgr)[1])


def differ(a: NDArray[Any], b: NDArray[Any]) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA", "SGI", "PCX", "QOI", "DDS", "JPEG2000"])
def test_lossless_formats_give_the_very_pixels(form: str) -> None:
    np.testing.assert_array_equal(decode_image(encode(smooth(), form)), smooth())


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_come_close(form: str) -> None:
    got = decode_image(encode(smooth(), form, quality=95))
    assert got.dtype == np.uint8
    assert differ(got, smooth()) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(form: str, orientation: int) -> None:
    turns: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: np.rot90,
    }
    turn = turns[orientation]
    if form == "TIFF":
        data = encode(smooth(), form, tiffinfo={274: orientation})
    else:
        exif = Pillow.Exif()
        exif[0x112] = orientation
        options = {"quality": 95} if form != "PNG" else {}
        data = encode(smooth(), form, exif=exif, **options)
    assert differ(decode_image(data), turn(smooth())) < 6


MODES = {"PNG": "1 L LA P RGBA", "TIFF": "1 L LA P RGBA CMYK YCbCr", "JPEG": "1 L CMYK YCbCr", "GIF": "1 L P"}


@pytest.mark.parametrize(("form", "mode"), [(f, m) for f, modes in MODES.items() for m in modes.split()])
def test_modes_become_rgb(form: str, mode: str) -> None:
    source = Pillow.fromarray(smooth()).convert(mode)
    data = encode(source, form)
    expected = np.asarray(source.convert("RGB"))
    assert differ(decode_image(data), expected) < 12


def test_transparent_palette_and_grey_alpha() -> None:
    palette = Pillow.fromarray(smooth()).quantize(16)
    data = encode(palette, "PNG", transparency=0)
    np.testing.assert_array_equal(decode_image(data), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_deep_colour_is_scaled_by_its_significant_bits(suffix: str, bits: int) -> None:
    deep = smooth().astype(np.uint16) << (bits - 8)
    np.testing.assert_array_equal(decode_image(encode_deep(deep, suffix), bits=bits), smooth())


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_deep_grey(suffix: str) -> None:
    grey = smooth()[..., 0].astype(np.uint16) << 4
    got = decode_image(encode_deep(grey, suffix), bits=12)
    np.testing.assert_array_equal(got, np.repeat(smooth()[..., :1], 3, axis=2))


def test_deep_values_beyond_the_bits_saturate() -> None:
    assert decode_image(encode_deep(np.full((4, 4), 5000, np.uint16), ".png"), bits=12).min() == 255


def test_deep_tiff_of_the_other_byte_order_and_orientation() -> None:
    grey = smooth()[..., 0].astype(np.uint16) << 8
    data = encode(Pillow.fromarray(grey), "TIFF", tiffinfo={274: 6})
    np.testing.assert_array_equal(decode_image(data)[..., 0], np.rot90(smooth()[..., 0], -1))
    big = b"MM" + data[2:]  # not a TIFF any more: must be refused, not guessed
    with pytest.raises(ImageError):
        decode_image(big)


@pytest.mark.parametrize("bits", [0, 7, 17])
def test_bits_out_of_range(bits: int) -> None:
    with pytest.raises(ConfigError):
        decode_image(encode(smooth(), "PNG"), bits=bits)


@pytest.mark.parametrize("suffix", [".tiff", ".pfm", ".hdr"])
def test_float_pixels_are_refused(suffix: str) -> None:
    with pytest.raises(ImageError, match="float32"):
        decode_image(encode_deep(smooth().astype(np.float32), suffix))


def test_int32_pixels_are_refused() -> None:
    with pytest.raises(ImageError, match="int32"):
        decode_image(encode(Pillow.fromarray(smooth()[..., 0].astype(np.int32)), "TIFF"))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(form: str) -> None:
    frames = [Pillow.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (0, 90, 200)]
    data = encode(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="3 frames") as e:
        decode_image(data, name="stack")
    assert "split" in e.value.remedy


def test_tiff_with_a_thumbnail_page_is_one_frame() -> None:
    thumb = Pillow.fromarray(smooth()[::2, ::2].copy())
    thumb.encoderinfo = {"tiffinfo": {254: 1}}
    data = encode(smooth(), "TIFF", save_all=True, append_images=[thumb])
    np.testing.assert_array_equal(decode_image(data), smooth())


def test_still_gif_is_read() -> None:
    assert decode_image(encode(smooth(), "GIF")).shape == smooth().shape


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.9])
def test_truncated_files_are_errors(form: str, keep: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encode(noise, form)
    with pytest.raises(ImageError) as e:
        decode_image(data[: int(len(data) * keep)], name="cut.img")
    assert "cut.img" in e.value.what
    assert e.value.remedy


def test_jpeg_with_a_tail_is_read() -> None:
    data = encode(smooth(), "JPEG", quality=95)
    np.testing.assert_array_equal(decode_image(data + bytes(500)), decode_image(data))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"]), st.data())
def test_damage_never_crashes(form: str, draw: st.DataObject) -> None:
    data = bytearray(encode(smooth(), form))
    for at in draw.draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=8)):
        data[at] = draw.draw(st.integers(0, 255))
    try:
        got = decode_image(bytes(data))
    except ImageError:
        return
    assert got.dtype == np.uint8
    assert got.ndim == 3
    assert got.shape[2] == 3


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"P6", b"II*\0"])
)
def test_any_bytes_give_an_image_or_an_image_error(data: bytes, magic: bytes) -> None:
    try:
        got = decode_image(magic + data)
    except ImageError:
        return
    assert got.dtype == np.uint8


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_bombs_are_errors(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 24 * 36 - 1)
    with pytest.raises(ImageError, match="36 x 24"):
        decode_image(encode(smooth(), form))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
def test_the_decoders_agree_on_jpeg(
    mode: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one reads a JPEG depends on what stands in its header: the pixels must not."""
    data = encode(Pillow.fromarray(smooth(25, 37)).convert(mode), "JPEG", quality=90, **options)
    fast = decode_image(data)
    monkeypatch.setattr(images, "_by_libjpeg", lambda data, header, name: None)
    np.testing.assert_array_equal(fast, decode_image(data))
    monkeypatch.setattr(images, "_by_opencv", lambda data, header: None)
    assert differ(fast, decode_image(data)) < 1


def test_cmyk_jpeg_is_not_inverted() -> None:
    data = encode(Pillow.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG")
    assert decode_image(data).min() > 250


def test_decode_native_keeps_the_depth() -> None:
    deep = np.full((4, 4), 4095, np.uint16)
    assert decode_native(encode_deep(deep, ".png")).max() == 4095
    np.testing.assert_array_equal(decode_native(encode(smooth(), "PNG")), smooth())
    with pytest.raises(ImageError, match="float32"):
        decode_native(encode_deep(smooth().astype(np.float32), ".tiff"))


def test_masks(tmp_path: Path) -> None:
    marked = np.zeros((12, 16), np.uint8)
    marked[3:6, 4:9] = 1
    for form, value in [("PNG", 1), ("BMP", 255), ("TIFF", 7)]:
        (tmp_path / "m").write_bytes(encode(marked * value, form))
        np.testing.assert_array_equal(read_mask(tmp_path / "m"), marked > 0)
    deep = marked.astype(np.uint16)
    (tmp_path / "m").write_bytes(encode_deep(deep, ".png"))
    np.testing.assert_array_equal(read_mask(tmp_path / "m"), marked > 0)


def test_jpeg_mask_has_no_halo(tmp_path: Path) -> None:
    marked = np.zeros((64, 64), np.uint8)
    marked[20:40, 20:40] = 255
    (tmp_path / "m.jpg").write_bytes(encode(marked, "JPEG", quality=60))
    assert abs(int(read_mask(tmp_path / "m.jpg").sum()) - 400) <= 8


def test_read_image_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no\.png"):
        read_image(tmp_path / "no.png")
    with pytest.raises(ImageError, match="directory"):
        read_image(tmp_path)
    path = tmp_path / "Prüfling 検査.png"
    path.write_bytes(encode(smooth(), "PNG"))
    np.testing.assert_array_equal(read_image(path), smooth())


def test_suffixes_cover_what_pillow_opens() -> None:
    Pillow.init()
    # Moving pictures, vector graphics, stubs without a decoder, fonts, cursors and game textures.
    others = {"BLP", "BUFR", "CUR", "EPS", "FITS", "FLI", "FTEX", "GBR", "GRIB", "HDF5", "MPEG", "PCD", "WMF"}
    others |= {"DCX", "FTU", "IPTC", "PIXAR", "XVTHUMB", "SUN", "PSD"}
    readable = {s for s, f in Pillow.registered_extensions().items() if f in Pillow.OPEN and f not in others}
    assert readable <= SUFFIXES

"""Bytes of a camera become the values that a plain, bit by bit reading finds."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saec.errors import MachineError
from saec.station.cameras.pixel_formats import PIXEL_FORMATS, PixelBytes, decoded_pixels, pixel_format
from saec.station.sources.frame_source import png_bytes

_SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def bits_of(values: list[int], bits: int) -> bytes:
    """Values one after the other, each from its lowest bit on, in bytes from their lowest bit on."""
    whole = sum(value << i * bits for i, value in enumerate(values))
    return whole.to_bytes((len(values) * bits + 7) // 8, "little")


def gige_packed(values: list[int], bits: int) -> bytes:
    """The high eight bits of one, the low ones of both in one byte, the high eight of the other."""
    sent, low = bytearray(), bits - 8
    for i in range(0, len(values), 2):
        first, second = values[i], values[i + 1] if i + 1 < len(values) else 0
        rest = first % (1 << low) | second % (1 << low) << 4
        sent += bytes((first >> low, rest, second >> low))
    return bytes(sent)


def as_sent(values: list[int], name: str) -> bytes:
    form = PIXEL_FORMATS[name]
    if form.packing == "p":
        return bits_of(values, form.bits)
    if form.packing == "Packed":
        return gige_packed(values, form.bits)
    return b"".join(value.to_bytes(1 if form.bits == 8 else 2, "little") for value in values)


def drawn_values(data: st.DataObject, name: str, height: int, width: int) -> list[int]:
    form = PIXEL_FORMATS[name]
    count = height * width * form.channels
    return data.draw(st.lists(st.integers(0, 2**form.bits - 1), min_size=count, max_size=count))


@given(st.data(), st.sampled_from([n for n in PIXEL_FORMATS if n.startswith("Mono")]), _SIZES)
def test_mono_of_every_depth_and_packing(data: st.DataObject, name: str, size: tuple[int, int]) -> None:
    values = drawn_values(data, name, *size)
    sent = as_sent(values, name)
    form = PIXEL_FORMATS[name]
    assert len(sent) == form.size(*size)
    pixels = decoded_pixels(PixelBytes(sent, *size, form))
    assert pixels.dtype == (np.uint8 if form.bits == 8 else np.uint16)
    assert pixels.shape == size
    assert pixels.reshape(-1).tolist() == values


@given(st.data(), st.sampled_from([n for n in PIXEL_FORMATS if n[:3] in ("RGB", "BGR")]), _SIZES)
def test_colours_come_in_the_order_of_rgb(data: st.DataObject, name: str, size: tuple[int, int]) -> None:
    values = drawn_values(data, name, *size)
    form = PIXEL_FORMATS[name]
    pixels = decoded_pixels(PixelBytes(as_sent(values, name), *size, form))
    at = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}[name[:3]]
    expected = [[values[i * form.channels + c] for c in at] for i in range(size[0] * size[1])]
    assert pixels.reshape(-1, 3).tolist() == expected


@pytest.mark.parametrize("name", [n for n in PIXEL_FORMATS if n.startswith("Bayer")])
def test_a_bayer_pattern_of_one_colour_is_that_colour(name: str) -> None:
    form = PIXEL_FORMATS[name]
    top = 2**form.bits - 1
    colour = {"R": top, "G": top // 3, "B": top // 7}
    letters = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}[form.layout]
    height, width = 6, 10
    values = [colour[letters[y % 2 * 2 + x % 2]] for y in range(height) for x in range(width)]
    pixels = decoded_pixels(PixelBytes(as_sent(values, name), height, width, form))
    assert pixels.dtype == (np.uint8 if form.bits == 8 else np.uint16)
    assert np.unique(pixels.reshape(-1, 3), axis=0).tolist() == [[top, top // 3, top // 7]]


@given(_SIZES, st.integers(0, 3), st.sampled_from(["Mono8", "Mono12", "RGB8"]), st.booleans())
def test_padding_at_a_lines_end_is_left_out(
    size: tuple[int, int], padding: int, name: str, last: bool
) -> None:
    form = PIXEL_FORMATS[name]
    height, width = size
    values = [i % (1 << form.bits) for i in range(height * width * form.channels)]
    row = width * form.channels
    rows = [as_sent(values[y * row : (y + 1) * row], name) for y in range(height)]
    sent = (b"\xff" * padding).join(rows) + (b"\xff" * padding if last else b"")
    pixels = decoded_pixels(PixelBytes(sent, height, width, form, padding))
    assert pixels.reshape(-1).tolist() == values


@pytest.mark.parametrize("name", ["Mono8", "Mono12p", "Mono10Packed", "RGB8", "BayerRG12p"])
def test_a_picture_with_too_few_bytes_is_an_error(name: str) -> None:
    form = PIXEL_FORMATS[name]
    sent = bytes(form.size(4, 5) - 1)
    with pytest.raises(MachineError, match="bytes and needs"):
        decoded_pixels(PixelBytes(sent, 4, 5, form))


def test_an_unknown_format_names_those_that_are_decoded() -> None:
    assert pixel_format(0x010C0047).name == "Mono12p"
    assert pixel_format("RGB8Packed") is PIXEL_FORMATS["RGB8"]
    with pytest.raises(MachineError, match="0x02100032") as error:
        pixel_format(0x02100032)
    assert "Mono12" in error.value.remedy
    with pytest.raises(MachineError, match="Confidence8"):
        pixel_format("Confidence8")


def test_numbers_are_those_of_the_standards_list() -> None:
    pfnc = pytest.importorskip("harvesters.util.pfnc")
    listed = {name: code for code, name in pfnc.dict_by_ints.items()}
    assert {n: one.code for n, one in PIXEL_FORMATS.items()} == {n: listed[n] for n in PIXEL_FORMATS}


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_pngs_keep_every_value_of_grey_and_colour(shape: tuple[int, ...], kind: type) -> None:
    pixels: NDArray[Any] = (np.arange(np.prod(shape)) * 111 % 4096).astype(kind).reshape(shape)
    read = np.asarray(cv2.imdecode(np.frombuffer(png_bytes(pixels), np.uint8), cv2.IMREAD_UNCHANGED))
    assert np.array_equal(read if len(shape) == 2 else read[..., ::-1], pixels)

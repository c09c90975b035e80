"""What a camera sends as pixels: names and numbers of GenICam's pixel formats, decoded to arrays.

Mono, Bayer and RGB, of 8 to 16 bits. More than 8 bits keep their values: 12 bits are 0 to 4095 in uint16, as
the line's ``bits`` expects them. Packed pixels run through the picture without padding at a line's end.

Names, numbers and layouts: EMVA, "GenICam Pixel Format Naming Convention" (PFNC) 2.1 and its list of values;
those that end in "Packed" are GigE Vision 1.x's, section 26.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import MachineError

Packing = Literal["bytes", "p", "Packed"]
"""Whole bytes, PFNC's packing from the lowest bit on ("Mono12p"), or GigE Vision's ("Mono12Packed")."""

_BAYER = {
    "RG": cv2.COLOR_BayerRGGB2RGB,
    "GR": cv2.COLOR_BayerGRBG2RGB,
    "GB": cv2.COLOR_BayerGBRG2RGB,
    "BG": cv2.COLOR_BayerBGGR2RGB,
}
"""OpenCV's conversion by the first two pixels of the first row."""


class PixelFormat(NamedTuple):
    """One format.

    Attributes:
        name: what cameras list under ``PixelFormat``.
        code: PFNC's number.
        layout: "Mono", "RGB", "BGR", "RGBa", "BGRa", or the Bayer pattern's "RG", "GR", "GB", "BG".
        bits: significant bits of a value.
        packing: how values lie in the bytes.
    """

    name: str
    code: int
    layout: str
    bits: int
    packing: Packing

    @property
    def channels(self) -> int:
        """Values of a pixel in the camera's bytes."""
        return {"RGB": 3, "BGR": 3, "RGBa": 4, "BGRa": 4}.get(self.layout, 1)

    def size(self, height: int, width: int) -> int:
        """Bytes of a picture without padding."""
        values = height * width * self.channels
        if self.packing == "p":
            return (values * self.bits + 7) // 8
        if self.packing == "Packed":
            return (values + 1) // 2 * 3
        return values * (1 if self.bits == 8 else 2)


def _formats() -> dict[str, PixelFormat]:
    plain = {
        "Mono8": 0x01080001,
        "Mono10": 0x01100003,
        "Mono12": 0x01100005,
        "Mono14": 0x01100025,
        "Mono16": 0x01100007,
        "RGB8": 0x02180014,
        "BGR8": 0x02180015,
        "RGBa8": 0x02200016,
        "BGRa8": 0x02200017,
        "RGB10": 0x02300018,
        "BGR10": 0x02300019,
        "RGB12": 0x0230001A,
        "BGR12": 0x0230001B,
        "RGB16": 0x02300033,
        "BGR16": 0x0230004B,
        "Mono10p": 0x010A0046,
        "Mono12p": 0x010C0047,
        "Mono10Packed": 0x010C0004,
        "Mono12Packed": 0x010C0006,
    }
    first = {"8": 0x01080008, "10": 0x0110000C, "12": 0x01100010, "16": 0x0110002E}
    first |= {"10Packed": 0x010C0026, "12Packed": 0x010C002A}
    for depth, code in first.items():
        plain |= {f"Bayer{pattern}{depth}": code + i for i, pattern in enumerate(("GR", "RG", "GB", "BG"))}
    for i, pattern in enumerate(("BG", "GB", "GR", "RG")):
        plain |= {f"Bayer{pattern}10p": 0x010A0052 + 2 * i, f"Bayer{pattern}12p": 0x010C0053 + 2 * i}
    return {name: _named(name, code) for name, code in plain.items()}


def _named(name: str, code: int) -> PixelFormat:
    packing: Packing = "Packed" if name.endswith("Packed") else "p" if name.endswith("p") else "bytes"
    word = name.removesuffix("Packed").removesuffix("p")
    layout = word.rstrip("0123456789")
    return PixelFormat(name, code, layout.removeprefix("Bayer"), int(word[len(layout) :]), packing)


PIXEL_FORMATS = _formats()
"""The formats that are decoded, by name."""

_BY_CODE = {one.code: one for one in PIXEL_FORMATS.values()}
_OLD_NAMES = {"RGB8Packed": "RGB8", "BGR8Packed": "BGR8"}
"""Names of GigE Vision 1.x whose bytes are the newer names'."""


def pixel_format(named: str | int) -> PixelFormat:
    """A format by its name or its number.

    Raises:
        MachineError: it is not decoded here; the remedy names formats that are.
    """
    if isinstance(named, int):
        found = _BY_CODE.get(named)
        shown = f"0x{named:08X}"
    else:
        found = PIXEL_FORMATS.get(_OLD_NAMES.get(named, named))
        shown = named
    if found is None:
        raise MachineError(
            f"the camera sends the pixel format {shown}, which is not decoded",
            "set pixel_format to one such as Mono8, Mono12, BayerRG8 or RGB8",
        )
    return found


class PixelBytes(msgspec.Struct, frozen=True):
    """A picture as the camera sent it.

    Attributes:
        data: the bytes, at least as many as the format asks for.
        height: lines.
        width: pixels of a line.
        format: what the bytes mean.
        padding: bytes at the end of each line; only where values are whole bytes.
    """

    data: bytes
    height: int
    width: int
    format: PixelFormat
    padding: int = 0


def decoded_pixels(picture: PixelBytes) -> NDArray[Any]:
    """The picture as H x W (mono) or H x W x 3 RGB, uint8 up to 8 bits and uint16 beyond.

    Bayer patterns are interpolated bilinearly (OpenCV). Alpha is dropped.

    Raises:
        MachineError: there are fewer bytes than the format asks for.
    """
    form, height, width = picture.format, picture.height, picture.width
    need = form.size(height, width) + max(0, height - 1) * picture.padding
    if len(picture.data) < need:
        raise MachineError(
            f"a picture of {width} x {height} {form.name} has {len(picture.data)} bytes and needs {need}",
            "read the camera's region and pixel format again, or restart the camera",
        )
    values = _values(picture).reshape(height, width, form.channels)
    if form.layout in _BAYER:
        return cv2.cvtColor(values[..., 0], _BAYER[form.layout])
    if form.layout == "Mono":
        return values[..., 0]
    colour = values[..., :3]
    return np.ascontiguousarray(colour[..., ::-1] if form.layout.startswith("BGR") else colour)


def _values(picture: PixelBytes) -> NDArray[Any]:
    """All values in their order, one-dimensional."""
    form = picture.format
    count = picture.height * picture.width * form.channels
    if form.packing == "bytes":
        return _whole_bytes(picture)
    raw = np.frombuffer(picture.data, np.uint8, form.size(picture.height, picture.width))
    if form.packing == "Packed":
        return _gige_packed(raw, form.bits)[:count]
    return (_packed_10 if form.bits == 10 else _packed_12)(raw)[:count]


def _whole_bytes(picture: PixelBytes) -> NDArray[Any]:
    kind = np.dtype(np.uint8 if picture.format.bits == 8 else "<u2")
    row = picture.width * picture.format.channels * kind.itemsize
    if not picture.padding:
        values = np.frombuffer(picture.data, kind, picture.height * row // kind.itemsize)
        return values.astype(kind.newbyteorder("="))
    stride = row + picture.padding
    padded = np.zeros(picture.height * stride, np.uint8)
    sent = np.frombuffer(picture.data, np.uint8)[: padded.size]
    padded[: sent.size] = sent
    rows = np.ascontiguousarray(padded.reshape(picture.height, stride)[:, :row])
    return rows.reshape(-1).view(kind).astype(kind.newbyteorder("="))


def _groups(raw: NDArray[np.uint8], size: int) -> NDArray[np.uint16]:
    """Bytes in groups of a size, the last filled up with 0."""
    whole = np.zeros(-(-raw.size // size) * size, np.uint16)
    whole[: raw.size] = raw
    return whole.reshape(-1, size)


def _packed_12(raw: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """PFNC "12p": two values in three bytes, the lowest bits first."""
    a, b, c = _groups(raw, 3).T
    return np.stack([a | (b & 0x0F) << 8, b >> 4 | c << 4], axis=1).reshape(-1)


def _packed_10(raw: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """PFNC "10p": four values in five bytes, the lowest bits first."""
    a, b, c, d, e = _groups(raw, 5).T
    first, second = a | (b & 0x03) << 8, b >> 2 | (c & 0x0F) << 6
    third, fourth = c >> 4 | (d & 0x3F) << 4, d >> 6 | e << 2
    return np.stack([first, second, third, fourth], axis=1).reshape(-1)


def _gige_packed(raw: NDArray[np.uint8], bits: int) -> NDArray[np.uint16]:
    """GigE Vision "Packed": two values in three bytes; the middle byte has the low bits of both."""
    a, b, c = _groups(raw, 3).T
    low = bits - 8
    mask = (1 << low) - 1
    return np.stack([a << low | b & mask, c << low | b >> 4 & mask], axis=1).reshape(-1)

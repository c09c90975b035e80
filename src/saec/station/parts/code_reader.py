"""The id of a part read from a code in the picture: DataMatrix, QR code or Code 128, by zxing-cpp.

A code is looked for quickly first. Where none is found it is looked for once more, also turned, light on dark
and in coarser copies of the picture. Two codes with different ids are none: it is never guessed which counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import cv2
import msgspec

from saec.errors import ExtraError
from saec.station.parts.part_ids import PartIdError, check_part, part_pattern, part_within
from saec.station.section_types import FieldFault, Section
from saec.types import Box, Image

if TYPE_CHECKING:
    import zxingcpp

CodeFormat = Literal["datamatrix", "qr", "code128"]

_NAMES: dict[CodeFormat, str] = {"datamatrix": "DataMatrix", "qr": "QRCode", "code128": "Code128"}
"""The formats by zxing-cpp's names."""


class CodeSettings(Section, frozen=True, kw_only=True):
    """The table [line.code]: a part's id is read from a code in the picture where nothing else gives it.

    Attributes:
        formats: Codes to look for: "datamatrix", "qr" or "code128". Without any, no code is read. It needs
            the extra ``codes``.
        region: Where the code lies: left, top, right and bottom in pixels, the last two excluded. Without it
            the whole picture is searched, which may take longer than the edge does (docs/parts.md).
        pattern: A regular expression whose group "part" is the id, in the code's text. Without it the whole
            text is the id.
        recipe: The part that the code names chooses the frame's recipe, by ``parts`` of a [[recipe]]. A frame
            whose code cannot be read is then an error, and is judged by no recipe.
    """

    formats: tuple[CodeFormat, ...] = ()
    region: Box | None = None
    pattern: str | None = None
    recipe: bool = False

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say."""
        if self.region is not None:
            left, top, right, bottom = self.region
            if not (0 <= left < right and 0 <= top < bottom):
                remedy = "give [left, top, right, bottom] with 0 <= left < right and 0 <= top < bottom"
                yield "region", f"the region {list(self.region)} holds no pixel", remedy
        if self.pattern is not None:
            try:
                part_pattern(self.pattern)
            except PartIdError as e:
                yield "pattern", e.what, e.remedy
        if self.recipe and not self.formats:
            yield "recipe", "no code is read that could choose the recipe", 'add formats = ["datamatrix"]'


class CodeReading(msgspec.Struct, frozen=True):
    """What the codes of a picture say: the part's id, or why there is none."""

    part: str = ""
    problem: str = ""


class CodeReader:
    """Reads the id of a part from pictures; for one thread.

    Args:
        settings: which codes, and where.

    Raises:
        ExtraError: zxing-cpp is not installed.
        PartIdError: the pattern is none.
    """

    def __init__(self, settings: CodeSettings) -> None:
        try:
            import zxingcpp
        except ImportError:
            raise ExtraError("zxing-cpp", "codes") from None
        self._zxing, self._region = zxingcpp, settings.region
        formats = [getattr(zxingcpp.BarcodeFormat, _NAMES[name]) for name in settings.formats]
        self._formats = zxingcpp.BarcodeFormats(formats)
        self._pattern: re.Pattern[str] | None = None
        if settings.pattern is not None:
            self._pattern = part_pattern(settings.pattern)

    def read(self, image: Image) -> CodeReading:
        """The part's id in a picture.

        Args:
            image: H x W x 3 uint8, RGB.
        """
        height, width = image.shape[:2]
        left, top, right, bottom = self._region or (0, 0, width, height)
        cropped = image[top:bottom, left:right]
        if not cropped.size:
            return CodeReading(problem=f"the region lies outside the picture of {width} x {height} pixels")
        grey = cv2.cvtColor(cropped, cv2.COLOR_RGB2GRAY)
        texts = self._texts(grey, thorough=False) or self._texts(grey, thorough=True)
        return self._reading(texts)

    def _texts(self, grey: cv2.typing.MatLike, *, thorough: bool) -> list[str]:
        found: Sequence[zxingcpp.Barcode] = self._zxing.read_barcodes(
            grey,
            formats=self._formats,
            try_rotate=thorough,
            try_downscale=thorough,
            try_invert=thorough,
        )
        return [code.text for code in found]

    def _reading(self, texts: Sequence[str]) -> CodeReading:
        if not texts:
            return CodeReading(problem="no code was found")
        parts = {part for text in texts if (part := self._part_in(text))}
        if not parts:
            return CodeReading(problem=f"no part id was found in the code's text {texts[0][:80]!r}")
        if len(parts) > 1:
            named = ", ".join(sorted(parts))[:200]
            return CodeReading(problem=f"there are codes of different parts: {named}")
        return CodeReading(part=parts.pop())

    def _part_in(self, text: str) -> str:
        if self._pattern is not None:
            return part_within(self._pattern, text)
        try:
            return check_part(text)
        except PartIdError:
            return ""

"""Images of a request: data URLs alone, their size read before anything is decoded."""

from __future__ import annotations

import base64
import binascii
import io
import re

from PIL import Image as Pillow

from saec.cloud.pixels import fit_size, resized
from saec.config import Card
from saec.data.images import decode
from saec.errors import ImageError
from saec.service.refusals import Refused
from saec.verdict import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_HEAD = re.compile(r"data:image/[a-z.+-]{1,20};base64,", re.IGNORECASE)
_LARGER = 1.5
"""An image is shown as it came up to this many times the model's own number of pixels: clients cut sizes to
whole tokens, and to equal windows."""


def picture(url: str, most: int) -> Image:
    """The image of a data URL, H x W x 3 RGB uint8, upright.

    Args:
        url: what stands in the request; anything but a data URL is refused and not looked at further.
        most: pixels that it may have.

    Raises:
        Refused: 400, it is no data URL or no image; 413, it has more pixels.
    """
    head = _HEAD.match(url)
    if head is None:
        raise Refused(
            400,
            "not_a_data_url",
            "an image is no data URL",
            "send data:image/png;base64,...: nothing is fetched",
        )
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "bad_base64", "an image's base64 is damaged", "encode it again") from None
    _check_size(data, most)
    try:
        return decode(data)
    except ImageError as e:
        raise Refused(400, "bad_image", e.what, e.remedy) from None


def _check_size(data: bytes, most: int) -> None:
    """Refuse by the header alone what is too large, or of another kind."""
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
    except Pillow.DecompressionBombError as e:
        raise Refused(413, "too_many_pixels", f"an image is too large: {e}", "send it smaller") from None
    except Exception as e:  # decoders raise anything from SyntaxError to struct.error on damaged files
        raise Refused(
            400, "bad_image", f"an image cannot be read: {type(e).__name__}", f"send {', '.join(FORMATS)}"
        ) from None
    if width * height > most:
        raise Refused(
            413, "too_many_pixels", f"an image has {width} x {height} pixels", f"send at most {most} pixels"
        )


def shown(image: Image, card: Card, side: int, unit: int) -> Image:
    """The image at the size at which the model sees it.

    One whose sides are whole tokens and that is not much larger than the model's own input came at the size
    that the client meant; any other is resized as the in-process engine does.
    """
    height, width = image.shape[:2]
    whole = height % unit == 0 and width % unit == 0 and height * width <= _LARGER * side**2
    if whole and (height == width or not card.square):
        return image
    return resized(image, fit_size(height, width, side, unit, square=card.square))

"""Images of a request: data URLs alone, their size read before anything is decoded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from saec.cloud.questions.image_patches import fit_size, resized
from saec.data.images.headers import read_header
from saec.data.images.headers.common import TooLargeError
from saec.errors import DecoderDiedError, DecoderOverranError, ImageError, is_transient
from saec.service.requests.refusals import RequestRefused
from saec.settings import ModelCard
from saec.types import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_HEAD = re.compile(r"data:([^,;]{0,100})((?:;[^,;]{0,100}){0,8});\s*base64\s*,", re.IGNORECASE)
"""A data URL up to its base64: the media type and its parameters, which may be missing."""

_PARAMETER = re.compile(r";\s*[!-~]+=[ -~]*")
_KINDS = ("", "image", "application/octet-stream", "binary/octet-stream")
"""Media types that are taken beside image/anything: the file's own head says what it is."""

_LARGER = 1.5
"""An image is shown as it came up to this many times the model's own number of pixels: clients cut sizes to
whole tokens, and to equal windows."""


def image_file(url: str, most: int) -> bytes:
    """The file of a data URL, whose header says that it may be decoded.

    Args:
        url: what stands in the request; anything but a data URL is refused and not looked at further.
        most: pixels that it may have.

    Raises:
        Refused: 400, it is no data URL or no image; 413, it has more pixels.
    """
    text = _base64(url)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        remedy = "encode it again with the standard alphabet (+ and /) and = at its end"
        raise RequestRefused(
            400, "bad_base64", "the base64 of an image is damaged", remedy, param="messages"
        ) from None
    _check_header(data, most)
    return data


def _base64(url: str) -> str:
    """What stands after the head of a data URL, without the line breaks that encoders of mail put into it.

    Raises:
        Refused: 400, it is no data URL, or one of something else than an image.
    """
    head = _HEAD.match(url)
    parameters = re.findall(r";[^;]*", head.group(2)) if head else []
    if head is None or not all(_PARAMETER.fullmatch(parameter) for parameter in parameters):
        what, remedy = (
            "an image is not a data URL",
            "send data:image/png;base64,...; the service fetches no addresses",
        )
        raise RequestRefused(400, "not_a_data_url", what, remedy, param="messages")
    kind = head.group(1).strip().lower()
    if kind not in _KINDS and not kind.startswith("image/"):
        what = f"an image is sent as {kind[:80]!r}"
        raise RequestRefused(
            400, "not_a_data_url", what, "send images only, as data:image/png;base64,...", param="messages"
        )
    text = url[head.end() :]
    return text.replace("\n", "").replace("\r", "") if "\n" in text or "\r" in text else text


def _check_header(data: bytes, most: int) -> None:
    """Refuse by the header alone what is too large, or of another kind."""
    try:
        header = read_header(data)
    except TooLargeError as e:
        raise RequestRefused(
            413, "too_many_pixels", f"an image is too large: {e.what}", "send a smaller image"
        ) from None
    except ImageError as e:
        raise RequestRefused(400, "bad_image", e.what, e.remedy) from None
    if header.format not in FORMATS:
        raise RequestRefused(
            400, "bad_image", f"an image has the format {header.format}", f"send {', '.join(FORMATS)}"
        )
    if header.width * header.height > most:
        what = f"an image has {header.width} x {header.height} pixels"
        raise RequestRefused(413, "too_many_pixels", what, f"send at most {most} pixels")


def decode_image_file(data: bytes, decode: Callable[[bytes], Image]) -> Image:
    """The pixels of such a file, H x W x 3 RGB uint8, upright.

    Args:
        decode: decodes a file; see ``saec.data.images.killable_decoder.Decoder.decode``.

    Raises:
        Refused: 400, it cannot be decoded, or costs too much; 503, the machine cannot decode now.
    """
    try:
        return decode(data)
    except ImageError as e:
        raise RequestRefused(400, "bad_image", e.what, e.remedy) from None
    except (DecoderOverranError, DecoderDiedError) as e:
        raise RequestRefused(400, "image_too_costly", e.what, e.remedy) from None
    except Exception as e:
        if not is_transient(e):
            raise
        raise RequestRefused(
            503, "no_decoder", f"the service cannot decode images at present: {e}", "try again later", after=5
        ) from e


def resize_for_model(image: Image, card: ModelCard, side: int, unit: int) -> Image:
    """The image at the size at which the model sees it.

    One whose sides are whole tokens and that is not much larger than the model's own input came at the size
    that the client meant; any other is resized as the in-process engine does.
    """
    height, width = image.shape[:2]
    whole = height % unit == 0 and width % unit == 0 and height * width <= _LARGER * side**2
    if whole and (height == width or not card.square):
        return image
    return resized(image, fit_size(height, width, side, unit, square=card.square))

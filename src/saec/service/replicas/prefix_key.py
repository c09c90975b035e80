"""The key by which questions that share their beginning go to the replica that has computed it before.

The language model reads the words and good images before the frame once and keeps the result
(``saec.cloud.fast.model``). Only the replica that has read them has it.
"""

from __future__ import annotations

import hashlib
import zlib

import msgspec

from saec.decoding import decode


class _Url(msgspec.Struct):
    url: str = ""


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    image_url: _Url | str | None = None

    @property
    def image(self) -> str | None:
        return self.image_url.url if isinstance(self.image_url, _Url) else self.image_url


class _Turn(msgspec.Struct):
    role: str = ""
    content: str | list[_Part] | None = None


class _Question(msgspec.Struct):
    model: str
    messages: list[_Turn]


def prefix_key(data: bytes) -> str:
    """A hash of the model's name and of all texts and images before the last image.

    Of an image it holds the CRC-32, ten times as fast: two lines whose images have one share a replica.

    Args:
        data: the body of a chat completion.

    Returns:
        32 hexadecimal digits; "" for a question with fewer than two images, whose beginning every replica has
        at hand, and for a body that cannot be read, which any replica refuses.
    """
    try:
        question = decode(data, _Question)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    parts = [
        (turn.role, part.text or "", part.image)
        for turn in question.messages
        for part in (turn.content if isinstance(turn.content, list) else [_Part("text", turn.content or "")])
    ]
    images = [n for n, (_, _, image) in enumerate(parts) if image is not None]
    if len(images) < 2:
        return ""
    found = hashlib.blake2b(question.model.encode(), digest_size=16)
    for role, text, image in parts[: images[-1]]:
        url = (image or "").encode()
        for piece in (role.encode(), text.encode(), zlib.crc32(url).to_bytes(4, "little")):
            found.update(len(piece).to_bytes(8, "little"))
            found.update(piece)
    return found.hexdigest()

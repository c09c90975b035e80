"""Pictures with a code of a part in them."""

from __future__ import annotations

import cv2
import numpy as np
import zxingcpp

from saec.types import Image

FORMATS = {
    "datamatrix": zxingcpp.BarcodeFormat.DataMatrix,
    "qr": zxingcpp.BarcodeFormat.QRCode,
    "code128": zxingcpp.BarcodeFormat.Code128,
}


def draw_code(text: str, kind: str = "datamatrix", scale: int = 4, turns: int = 0) -> Image:
    """A code with its quiet zone, RGB."""
    code = zxingcpp.create_barcode(text, FORMATS[kind])
    grey = np.rot90(np.array(code.to_image(scale=scale)), turns)
    grey = np.pad(grey, 4 * scale, constant_values=255)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def frame_with(*codes: tuple[Image, int, int], red: int = 0, size: tuple[int, int] = (400, 600)) -> Image:
    """A grey picture with codes at their places (left, top); its red tells the fake detector what to say."""
    image = np.full((*size, 3), 120, np.uint8)
    image[:, :, 0] = red
    for code, left, top in codes:
        height, width = code.shape[:2]
        image[top : top + height, left : left + width] = code
    return image


def as_png(image: Image) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()

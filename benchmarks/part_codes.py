"""What it takes to look for a part's code, in a region and in a whole frame.

    python benchmarks/part_codes.py

Draws a code into noise, at a place that is drawn anew for each frame. Prints the median and the longest time
of a reading where the code is there, and where there is none, for regions and frames of usual sizes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import zxingcpp

from saec.station.parts.code_reader import CodeFormat, CodeReader, CodeSettings
from saec.types import Image

SIZES = ((200, 200), (400, 400), (1024, 1024), (2048, 2448), (3000, 4096))
FORMATS: tuple[tuple[CodeFormat, ...], ...] = (("datamatrix",), ("datamatrix", "qr", "code128"))


def drawn(size: tuple[int, int], draw: np.random.Generator, *, code: bool) -> Image:
    """A frame of noise, with a DataMatrix in it or without."""
    grey = draw.normal(130, 12, size).clip(0, 255).astype(np.uint8)
    if code:
        found = zxingcpp.create_barcode("A1042", zxingcpp.BarcodeFormat.DataMatrix)
        picture = np.array(found.to_image(scale=5))
        top, left = (
            int(draw.integers(0, side - width)) for side, width in zip(size, picture.shape, strict=True)
        )
        grey[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return np.repeat(grey[..., None], 3, axis=2)


def measure(size: tuple[int, int], formats: tuple[CodeFormat, ...], frames: int) -> str:
    """A line of the table."""
    draw, reader = np.random.default_rng(1), CodeReader(CodeSettings(formats=formats))
    cells, right = [], 0
    for code in (True, False):
        took = []
        for _ in range(frames):
            image = drawn(size, draw, code=code)
            begun = time.perf_counter()
            read = reader.read(image)
            took.append(1e3 * (time.perf_counter() - begun))
            right += read.part == ("A1042" if code else "")
        cells.append(f"{np.median(took):8.1f} ms {max(took):8.1f} ms")
    what = f"{size[1]:5} x {size[0]:<5} {len(formats)} formats"
    return f"{what} {'   '.join(cells)}   {right} of {2 * frames} right"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=11, help="of each size, with a code and without")
    args = parser.parse_args()
    print(f"{'':24} {'read: median, longest':26} none there: median, longest")
    for formats in FORMATS:
        for size in SIZES:
            print(measure(size, formats, args.frames))


if __name__ == "__main__":
    main()

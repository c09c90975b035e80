"""Print the tables of docs/data.md: what is read, made by reading the trees and files of the tests.

python scripts/data_tables.py            # print them
python scripts/data_tables.py --write    # put them into docs/data.md
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE / "docs" / "data.md"
BEGIN, END = "<!-- tables: scripts/data_tables.py -->", "<!-- end of tables -->"
sys.path.append(str(HERE))

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "TGA", "PCX", "SGI", "ICO", "MPO")


def tables() -> str:
    """All tables, as Markdown."""
    return "\n\n".join("\n".join(table) for table in (layouts(), masks(), formats()))


def layouts() -> Iterator[str]:
    """Each tree of the tests with what `saec data check` counts in it."""
    from saec.data.checks.image_faults import check_root
    from tests.data.data_trees import TREES

    yield "| data set as it lies | `--layout` | goods | defects | masks | boxes |"
    yield "|---|---|---|---|---|---|"
    for tree in TREES:
        with tempfile.TemporaryDirectory() as folder:
            (found,) = check_root(tree.make(Path(folder)), near=False)
        kinds = [pair for split in found.counts.values() for pair in split.items()]
        goods = sum(n for kind, n in kinds if kind == "good")
        defects = sum(n for kind, n in kinds if kind != "good")
        yield f"| {tree.title} | {found.layout} | {goods} | {defects} | {found.masks} | {found.boxes} |"


def masks() -> Iterator[str]:
    """Each mask of the tests with what is read of it."""
    from saec.data.images.pixels import read_marks
    from tests.data.mask_files import AS_MEANT, IN_DOUBT, M, save

    yield "| mask | read |"
    yield "|---|---|"
    makers = {**AS_MEANT, **{name: make for name, (make, _) in IN_DOUBT.items()}}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in makers.items():
            image = make()
            marks = read_marks(save(Path(folder) / "m", image, "TIFF" if image.mode in "IF" else "PNG"))
            as_meant = "as meant" if np.array_equal(marks.where, M) else "otherwise than meant"
            yield f"| {name} | {marks.doubt or as_meant} |"


def formats() -> Iterator[str]:
    """Each format with what `saec.data.images.pixels.decode_image` makes of it."""
    yield "| file | read |"
    yield "|---|---|"
    picture = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3) % 251
    eight = Pillow.fromarray(picture.astype(np.uint8))
    deep = Pillow.fromarray((picture[..., 0] * 257).astype(np.uint16))
    for form in FORMATS:
        yield f"| {form}, 8 bit | {_told(_saved(eight, form))} |"
    for form in ("PNG", "TIFF", "PPM"):
        yield f"| {form}, 16 bit | {_told(_saved(deep, form))} |"
    yield f"| JPEG, CMYK | {_told(_saved(eight.convert('CMYK'), 'JPEG'))} |"
    yield f"| PNG, palette | {_told(_saved(eight.convert('P'), 'PNG'))} |"
    yield f"| PNG, transparent | {_told(_saved(eight.convert('RGBA'), 'PNG'))} |"
    floats = Pillow.fromarray(picture[..., 0].astype(np.float32))
    yield f"| TIFF, floating point | {_told(_saved(floats, 'TIFF'))} |"
    for form in ("GIF", "TIFF", "WEBP"):
        data = io.BytesIO()
        eight.save(data, form, save_all=True, append_images=[eight.rotate(90)])
        yield f"| {form}, several frames | {_told(data.getvalue())} |"
    yield from _damaged(eight)


def _damaged(picture: Pillow.Image) -> Iterator[str]:
    """Files that end before their picture does, and one that goes on behind it."""
    for form in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"):
        data = _saved(picture, form)
        yield f"| {form}, cut off | {_told(data[: len(data) * 2 // 3])} |"
    for form in ("PNG", "JPEG", "WEBP"):
        data = _saved(picture, form)
        kept = len(data) * 2 // 3
        torn = data[:kept] + bytes(len(data) - kept)
        yield f"| {form}, whose last third was never written | {_told(torn)} |"
    jpeg, png = _saved(picture, "JPEG"), _saved(picture, "PNG")
    yield f"| JPEG with a grey lower half | {_told(jpeg[: len(jpeg) * 2 // 3] + jpeg[-2:])} |"
    yield f"| PNG with a changed byte | {_told(png[:99] + bytes([png[99] ^ 1]) + png[100:])} |"
    yield f"| JPEG with something behind its end | {_told(jpeg + b'number 17')} |"


def _saved(image: Pillow.Image, form: str) -> bytes:
    data = io.BytesIO()
    image.save(data, form)
    return data.getvalue()


def _told(data: bytes) -> str:
    from saec.data.images.pixels import decode_image
    from saec.errors import ImageError

    try:
        decode_image(data)
    except ImageError as e:
        return f"refused: {e.what.removeprefix('image: ')}"
    return "read"


def put(page: str, text: str) -> str:
    """The page with its tables anew."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    made = tables()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    else:
        print(made)

"""Archives of flat frames, whose scores and answers are the fakes' (``tests.run_fakes``)."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from pathlib import Path

import cv2
import numpy as np


def flat_png(number: int) -> bytes:
    """A flat frame; a quarter are unsure, and each number has bytes of its own."""
    red = (20, 120, 230, 60)[number % 4]
    image = np.full((8, 8, 3), (number // 256 % 200, 30 + number % 8, red), np.uint8)
    image[7, 7] = (number % 251, number // 251 % 251, 7)
    done, data = cv2.imencode(".png", image)
    assert done
    return data.tobytes()


def folder_of(root: Path, frames: int) -> Path:
    """Frames in three folders, one of them broken, and files that are no frames."""
    for number in range(frames):
        path = root / f"line {number % 3}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(flat_png(number) if number != 5 else b"no image")
    (root / "readme.txt").write_text("no frame")
    (root / ".hidden.png").write_bytes(flat_png(1))
    return root


def tar_of(path: Path, frames: int, first: int = 0) -> Path:
    """A tar shard with the frames, and members that are none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in range(first, first + frames):
            for name, data in ((f"./p{number:05}.png", flat_png(number)), (f"./p{number:05}.json", b"{}")):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def parquet_of(path: Path, frames: int, *, struct: bool = False, group: int = 7) -> Path:
    """A Parquet file with a column of bytes, as such or in Hugging Face's structure."""
    import pyarrow as pa
    from pyarrow import parquet

    data = [flat_png(number) for number in range(frames)]
    images = [{"bytes": one, "path": f"{i}.png"} for i, one in enumerate(data)] if struct else data
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": images, "lot": [f"L{i % 3}" for i in range(frames)]})
    parquet.write_table(table, path, row_group_size=group)
    return path


def marked_png(data: bytes, number: int) -> bytes:
    """The same picture with a text of its own, so that its file is another one."""
    body = b"tEXtComment\0" + str(number).encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:-12] + chunk + data[-12:]  # before IEND

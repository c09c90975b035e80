"""An export in the layout of MVTec AD: train/good, test/KIND, masks in ground_truth/KIND."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from saec.station.exchange.exported_frames import ExportedFrame, copy_picture, write_labels
from saec.types import DEFECT, GOOD

SIDE = "taught-defects"
"""The folder of the defects that may be taught: MVTec AD has no defects to train on."""


def write_mvtec(frames: Iterable[ExportedFrame], out: Path) -> int:
    """Write a data set; how many pictures it holds.

    Pictures that prove become the test split; goods that may be taught become train/good. Defects that may be
    taught have no place in this layout and go beside it, into OUT-taught-defects/KIND, for `saec teach`.
    Frames that people do not agree on are left out.

    Args:
        frames: those of one line.
        out: the data set's folder; it is there.
    """
    rows: list[tuple[str, ExportedFrame]] = []
    side = out.with_name(f"{out.name}-{SIDE}")
    for frame in frames:
        settled, use = frame.reviewed.settled, frame.reviewed.frame.use
        if settled is None:
            continue
        kind = "good" if settled == GOOD else frame.kind
        if use == "teach" and settled == DEFECT:
            copy_picture(frame, side / kind / frame.name)
            file = f"../{side.name}/{kind}/{frame.name}"
        else:
            file = f"{'train' if use == 'teach' else 'test'}/{kind}/{frame.name}"
            copy_picture(frame, out / file)
            if settled == DEFECT:
                _write_mask(frame, out / "ground_truth" / kind)
        rows.append((file, frame))
    write_labels(rows, out)
    return len(rows)


def _write_mask(frame: ExportedFrame, folder: Path) -> None:
    if (mask := frame.mask) is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{frame.reviewed.frame.frame}_mask.png"
        path.write_bytes(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes())

"""An export as COCO: one table for each use, with boxes and outlines; an image without marks is good."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from saec.profile import write_json
from saec.station.exchange.exported_frames import ExportedFrame, copy_picture, write_labels
from saec.station.review.place_masks import PlaceMask, mask_outlines
from saec.types import DEFECT

SPLITS = {"prove": "test", "teach": "train", "challenge": "test"}
TABLE = "_annotations.coco.json"


def write_coco(frames: Iterable[ExportedFrame], out: Path) -> int:
    """Write SPLIT/_annotations.coco.json with the pictures beside; how many pictures there are.

    Pictures that prove are the split test, those that may be taught the split train. A defect whose place
    nobody has marked has a box about the whole picture, and the attribute "place" says "unknown". Frames that
    people do not agree on are left out.
    """
    rows: list[tuple[str, ExportedFrame]] = []
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {}
    categories: dict[str, int] = {}
    for frame in frames:
        if frame.reviewed.settled is None:
            continue
        split = SPLITS[frame.reviewed.frame.use]
        table = tables.setdefault(split, {"images": [], "annotations": []})
        copy_picture(frame, out / split / frame.name)
        rows.append((f"{split}/{frame.name}", frame))
        seq = frame.reviewed.frame.seq
        table["images"].append(
            {"id": seq, "file_name": frame.name, "width": frame.width, "height": frame.height}
        )
        if frame.reviewed.settled == DEFECT:
            category = categories.setdefault(frame.kind, len(categories) + 1)
            for mark in _marks(frame):
                n = len(table["annotations"]) + 1
                table["annotations"].append({"id": n, "image_id": seq, "category_id": category, **mark})
    named = [{"id": n, "name": kind, "supercategory": "defect"} for kind, n in categories.items()]
    for split, table in tables.items():
        write_json(
            out / split / TABLE, {"info": {"description": "saec export"}, **table, "categories": named}
        )
    write_labels(rows, out)
    return len(rows)


def _marks(frame: ExportedFrame) -> list[dict[str, Any]]:
    mask = frame.mask
    if mask is None or not mask.any():
        whole = [0, 0, frame.width, frame.height]
        area = frame.width * frame.height
        return [
            {
                "bbox": whole,
                "area": area,
                "iscrowd": 0,
                "segmentation": [],
                "attributes": {"place": "unknown"},
            }
        ]
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    return [_mark(pieces == piece) for piece in range(1, count)]


def _mark(mask: PlaceMask) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    box = [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]
    outlines = [[value for point in outline for value in point] for outline in mask_outlines(mask)]
    return {"bbox": box, "area": int(mask.sum()), "iscrowd": 0, "segmentation": outlines}

"""The pictures of a review: links to those of the spool, which its retention does not touch."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from PIL import Image as Pillow
from PIL.ExifTags import Base

from saec.station.storage.database.schema import sync_folder

FOLDER = "images"


def keep_picture(source: Path, folder: Path, seq: int) -> str:
    """Keep a picture of the spool for review; where the disk can link, it takes no room.

    Args:
        source: the picture in the spool.
        folder: the review's folder.
        seq: the frame's number, which names the picture.

    Returns:
        its path in the folder.

    Raises:
        FileNotFoundError: retention has removed the picture.
        OSError: it cannot be kept.
    """
    name = f"{FOLDER}/{seq}{source.suffix}"
    target = folder / name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.exists():
        return name
    try:
        os.link(source, target)
    except FileExistsError:
        return name
    except OSError as e:
        if e.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        partial = target.with_name(f"{target.name}.partial")
        shutil.copyfile(source, partial)
        partial.replace(target)
    sync_folder(target.parent)
    return name


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as a person sees it, turned as its file says.

    Raises:
        OSError: there is no such file, or it is none that can be opened.
    """
    with Pillow.open(path) as image:
        turned = image.getexif().get(Base.Orientation, 1) >= 5
        return (image.height, image.width) if turned else (image.width, image.height)

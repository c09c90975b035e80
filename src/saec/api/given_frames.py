"""What users give to judge many images: a folder, a data set, a pattern, paths, or images one by one."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2

from saec.api.given_images import Colour, check_order_is_known, given_pixels, is_path
from saec.api.given_settings import given_path
from saec.data.images.file_names import find_images
from saec.data.input_images import Inputs, Split, list_inputs
from saec.errors import DataError, ImageError
from saec.types import Image, Source


def are_files(given: object) -> bool:
    """Whether all frames are files that can be listed now: a path, or a list of paths."""
    return is_path(given) or (isinstance(given, list | tuple) and bool(given) and all(map(is_path, given)))


def listed_files(given: Any, *, split: Split, layout: str) -> Inputs:
    """The files of what ``are_files`` takes.

    Args:
        given: a folder, a data set, an image, a pattern such as "photos/*.png", or a list of paths.
        split: which part of a data set.
        layout: the data set's layout.

    Raises:
        DataError: nothing is there to judge.
    """
    if not is_path(given):
        return _plain_files([file for path in given for file in _images_at(Path(path))])
    if not given_path("images", given).exists() and glob.has_magic(os.fspath(given)):
        found = sorted(map(Path, glob.glob(os.fspath(given), recursive=True)))  # noqa: PTH207  it may be absolute
        files = [file for path in found for file in find_images(path)]
        if not files:
            raise DataError(f"no file matches the pattern {given}", "check the pattern and the folder")
        return _plain_files(files)
    return list_inputs(Path(given), split=split, layout=layout)


def written_frames(
    given: Iterable[Any], folder: Path, *, suffix: str, colour: Colour, bits: int
) -> Iterator[Source]:
    """Frames as files, one by one: paths stay where they are, images are written into the folder.

    Args:
        given: paths, arrays and Pillow images, in any order.
        folder: where images are written; there is one.
        suffix: the files' format, one without loss: ".png", or ".bmp", which is quicker and larger.
        colour: the order of arrays' channels.
        bits: significant bits of 16-bit Pillow images.

    Raises:
        ImageError: something that is no image, named by its place.
    """
    names = DistinctNames()
    for place, one in enumerate(given, 1):
        name = names.of(one, place)
        if is_path(one):
            check_order_is_known(colour, name)
            yield Source(id=name, path=str(Path(one).absolute()))
            continue
        path = folder / f"{name}{suffix}"
        _write(path, given_pixels(one, colour=colour, bits=bits, name=name))
        yield Source(id=name, path=str(path.absolute()))


class DistinctNames:
    """Names of a series' images: by their paths, or by their places. What comes again gets a number."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def of(self, given: Any, place: int) -> str:
        """What the image at that place is called; the first place is 1."""
        if not is_path(given):
            return f"frame-{place:06d}"
        return self.distinct(Path(given).as_posix().lstrip("/"))

    def distinct(self, name: str) -> str:
        """The name itself, or with the number of its time: "a.png", "a.png-2"."""
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else self.distinct(f"{name}-{times}")


def _images_at(path: Path) -> list[Path]:
    """The images of a folder, or the file itself; one that is missing gets a verdict that says so."""
    try:
        return find_images(path) if path.exists() else [path]
    except OSError:  # no file can have such a name
        return [path]


def _plain_files(files: list[Path]) -> Inputs:
    if not files:
        raise DataError("the folders hold no image to judge", "give files, or folders with images")
    absolute = [file.absolute() for file in files]
    root = Path(os.path.commonpath([file.parent for file in absolute]))
    names = DistinctNames()
    sources = [
        Source(id=names.distinct(file.relative_to(root).as_posix()), path=str(file)) for file in absolute
    ]
    return Inputs(root=str(root), layout="file", split="", sources=sources)


def _write(path: Path, image: Image) -> None:
    done, data = cv2.imencode(path.suffix, image[..., ::-1])
    if not done:
        raise ImageError(
            f"{path.stem} of {image.shape} cannot be written as {path.suffix}", "give a smaller image"
        )
    path.write_bytes(data.tobytes())

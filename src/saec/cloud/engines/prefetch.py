"""What keeps a device fed: work done ahead by threads, and images that are asked for again and again."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict

from saec.cloud.questions.image_patches import resized
from saec.types import Image

_KEPT = 64
"""Resized references that are kept."""


class Resized:
    """Images at other sizes; those that nobody can write to (a line's references) are remembered.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, tuple[int, int]], tuple[weakref.ref[Image], Image]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, image: Image, size: tuple[int, int]) -> Image:
        """The image at height x width pixels, see ``saec.cloud.questions.image_patches.resized``."""
        if image.flags.writeable:
            return resized(image, size)
        key = (id(image), size)
        with self._lock:
            source, found = self._kept.get(key, (None, None))
        # Another image may stand at the address of one that is gone.
        if source is not None and found is not None and source() is image:
            return found
        made = resized(image, size)
        with self._lock:
            self._kept[key] = weakref.ref(image), made
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

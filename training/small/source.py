"""Procedural groups of frames, rendered by worker processes into shared memory.

A group is one product: a good frame, and two specimens each without and with a defect. The pairs
(same specimen, with and without) differ in the defect alone, so that nothing else tells the labels.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import queue
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import cv2
import numpy as np
from architecture import SIDE
from numpy.typing import NDArray

from saec.data.procedural import FAMILIES, HELD_OUT, Product, Sample, draw_product
from saec.errors import DataError

FRAMES = 5
"""good, clean 1, defect 1, clean 2, defect 2"""
SLOTS = 192


@dataclass(frozen=True)
class Group:
    """One product's frames.

    Attributes:
        images: (FRAMES, SIDE, SIDE, 3) uint8.
        masks: (2, SIDE, SIDE) uint8, 1 where the defect is, of frames 2 and 4.
        answers: the two defects in the words that the model is to write.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    answers: tuple[str, str]


def training_families() -> list[str]:
    """What training draws from: every family that is not held out."""
    return sorted(set(FAMILIES) - set(HELD_OUT))


def draw_group(families: Sequence[str], rng: np.random.Generator) -> Group:
    """A group of a random product of one of the families."""
    family = families[int(rng.integers(len(families)))]
    product = draw_product(family, int(rng.integers(2**31)))
    good = product.render(int(rng.integers(2**31)), size=SIDE)
    first, second = (draw_defect(product, rng) for _ in range(2))
    images = np.stack([good.image, first.clean, first.image, second.clean, second.image])
    return Group(
        images, np.stack([first.mask, second.mask]).astype(np.uint8), (answer(first), answer(second))
    )


def draw_defect(product: Product, rng: np.random.Generator) -> Sample:
    """A defective frame of any kind and difficulty; places where nothing shows are drawn again."""
    while True:
        kind = product.kinds[int(rng.integers(len(product.kinds)))]
        try:
            return product.render(int(rng.integers(2**31)), kind, float(rng.uniform(0, 0.95)), SIDE)
        except DataError:
            continue


def answer(sample: Sample) -> str:
    """The JSON that the model is to write for a defect."""
    return json.dumps({"kind": sample.kind, "description": sample.description})


class Source:
    """Workers that render groups without end.

    Args:
        families: what to draw from.
        workers: number of processes.
        seed: of everything; with one worker the stream of groups is reproducible.
    """

    def __init__(self, families: Sequence[str], workers: int, seed: int) -> None:
        context = mp.get_context("spawn")
        self._images, self._image_view = _shared((SLOTS, FRAMES, SIDE, SIDE, 3))
        self._masks, self._mask_view = _shared((SLOTS, 2, SIDE, SIDE))
        self._free: Any = context.Queue()
        self._ready: Any = context.Queue()
        for slot in range(SLOTS):
            self._free.put(slot)
        names = (self._images.name, self._masks.name)
        self._processes = [
            context.Process(
                target=_work, args=(list(families), [seed, i], names, self._free, self._ready), daemon=True
            )
            for i in range(workers)
        ]
        for process in self._processes:
            process.start()

    def take(
        self, images: NDArray[np.uint8], masks: NDArray[np.uint8], wait: float = 0.5
    ) -> list[tuple[str, str]]:
        """Copy the groups that are ready into arrays, at most as many as these hold.

        Args:
            images: (n, FRAMES, SIDE, SIDE, 3).
            masks: (n, 2, SIDE, SIDE).
            wait: seconds to wait for the first.

        Returns:
            The answers of each group that was copied.
        """
        answers: list[tuple[str, str]] = []
        while len(answers) < len(images):
            try:
                slot, words = self._ready.get(timeout=wait) if not answers else self._ready.get_nowait()
            except queue.Empty:
                break
            images[len(answers)], masks[len(answers)] = self._image_view[slot], self._mask_view[slot]
            answers.append(words)
            self._free.put(slot)
        return answers

    def close(self) -> None:
        """Stop the workers and free the memory."""
        for process in self._processes:
            process.terminate()
            process.join()
        self._image_view = self._mask_view = np.empty(0, np.uint8)
        for memory in (self._images, self._masks):
            memory.close()
            memory.unlink()


def _shared(shape: tuple[int, ...]) -> tuple[SharedMemory, NDArray[np.uint8]]:
    memory = SharedMemory(create=True, size=int(np.prod(shape)))
    return memory, np.ndarray(shape, np.uint8, memory.buf)


def _work(families: list[str], seed: list[int], names: tuple[str, str], free: Any, ready: Any) -> None:
    cv2.setNumThreads(1)
    images, masks = (SharedMemory(name) for name in names)
    image_view = np.ndarray((SLOTS, FRAMES, SIDE, SIDE, 3), np.uint8, images.buf)
    mask_view = np.ndarray((SLOTS, 2, SIDE, SIDE), np.uint8, masks.buf)
    rng = np.random.default_rng(seed)
    while True:
        group = draw_group(families, rng)
        slot = free.get()
        image_view[slot], mask_view[slot] = group.images, group.masks
        ready.put((slot, group.answers))

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
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from architecture import SIDE
from numpy.typing import NDArray
from tokenizers import Tokenizer

from saec.cloud.questions.chat_template import END
from saec.data.procedural import (
    EXTRA_KINDS,
    FAMILIES,
    HELD_OUT,
    KINDS,
    OBJECTS,
    Product,
    RenderedFrame,
    draw_product,
)
from saec.errors import DataError

FRAMES = 5
"""good, clean 1, defect 1, clean 2, defect 2"""
TAIL = 64
"""Tokens of an answer, its end and the padding; longer ones are cut."""
IGNORE = -100
SLOTS = 80
ALL_KINDS = KINDS + EXTRA_KINDS

_WEIGHTS = {"misprint": 3.0, "misplaced part": 2.5, "burr": 1.7, "missing part": 1.5, "extra part": 0.6}
_WEIGHTS |= {"asymmetry": 0.6, "scratch": 1.7, "crack": 1.7, "cut": 1.5, "fibre": 1.5}
"""What is hard to learn is drawn more often; 1 for the others."""
_OBJECT = 1.5
"""Times as often as a texture."""
_VARIED, _VARIATION = 0.4, 0.7
"""So many of the groups vary more than a good line does, by up to this amount."""
_DIFFICULTY = (0.0, 0.55, 0.95)
"""Lowest, likeliest, highest."""

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int16]]
"""images (n, FRAMES, SIDE, SIDE, 3); masks (n, 2, SIDE, SIDE), 1 where the defect is, of frames 2 and 4;
notes (n, 2, 2 + TAIL): kind, tokens up to the end of the kind, and the ids of the words, ``IGNORE`` after
the end."""


@dataclass(frozen=True)
class Group:
    """One product's frames.

    Attributes:
        images: (FRAMES, SIDE, SIDE, 3) uint8.
        masks: (2, SIDE, SIDE) uint8, 1 where the defect is, of frames 2 and 4.
        samples: the two defects.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    samples: tuple[RenderedFrame, RenderedFrame]


def training_families() -> list[str]:
    """What training draws from: every family that is not held out."""
    return sorted(set(FAMILIES) - set(HELD_OUT))


def draw_group(families: Sequence[str], rng: np.random.Generator) -> Group:
    """A group of a random product of one of the families."""
    weights = np.array([_OBJECT if f in OBJECTS else 1.0 for f in families])
    family = families[int(rng.choice(len(families), p=weights / weights.sum()))]
    product = draw_product(family, int(rng.integers(2**31)))
    variation = float(rng.uniform(0, _VARIATION)) if rng.random() < _VARIED else 0.0
    good = product.render(int(rng.integers(2**31)), size=SIDE, variation=variation)
    first, second = (draw_defect(product, rng, variation) for _ in range(2))
    images = np.stack([good.image, first.clean, first.image, second.clean, second.image])
    return Group(images, np.stack([first.mask, second.mask]).astype(np.uint8), (first, second))


def draw_defect(product: Product, rng: np.random.Generator, variation: float) -> RenderedFrame:
    """A defective frame of any kind and difficulty; places where nothing shows are drawn again."""
    kinds = product.kinds + product.extra_kinds
    weights = np.array([_WEIGHTS.get(kind, 1.0) for kind in kinds])
    while True:
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        try:
            return product.render(
                int(rng.integers(2**31)), kind, float(rng.triangular(*_DIFFICULTY)), SIDE, variation
            )
        except DataError:
            continue


def answer(sample: RenderedFrame) -> str:
    """The JSON that the model is to write for a defect."""
    return json.dumps({"kind": sample.kind, "description": sample.description})


def note(sample: RenderedFrame, tokenizer: Tokenizer) -> NDArray[np.int16]:
    """What is to be said of a defect, as a row of the notes."""
    said = tokenizer.encode(answer(sample) + END, add_special_tokens=False)
    end = len(f'{{"kind": "{sample.kind}"')
    upto = sum(start < end for start, _ in said.offsets[:TAIL])
    row = np.full(2 + TAIL, IGNORE, np.int16)
    row[:2] = ALL_KINDS.index(sample.kind), upto
    row[2 : 2 + min(TAIL, len(said.ids))] = said.ids[:TAIL]
    return row


class Source:
    """Workers that render groups without end.

    Args:
        families: what to draw from.
        tokenizer: file of the tokenizer.
        workers: number of processes.
        seed: of everything; with one worker the stream of groups is reproducible.
    """

    def __init__(self, families: Sequence[str], tokenizer: Path, workers: int, seed: int) -> None:
        context = mp.get_context("spawn")
        self._memories = [SharedMemory(create=True, size=size) for size in _sizes()]
        self._views = _views(self._memories)
        self._free: Any = context.Queue()
        self._ready: Any = context.Queue()
        for slot in range(SLOTS):
            self._free.put(slot)
        names = [memory.name for memory in self._memories]
        self._processes = [
            context.Process(
                target=_work,
                args=(list(families), str(tokenizer), [seed, i], names, self._free, self._ready),
                daemon=True,
            )
            for i in range(workers)
        ]
        for process in self._processes:
            process.start()

    def take(self, arrays: Arrays, wait: float = 0.5) -> int:
        """Copy the groups that are ready into arrays, at most as many as these hold.

        Args:
            arrays: where they go.
            wait: seconds to wait for the first.

        Returns:
            How many were copied.
        """
        taken = 0
        while taken < len(arrays[0]):
            try:
                slot = self._ready.get(timeout=wait) if not taken else self._ready.get_nowait()
            except queue.Empty:
                break
            images, masks, notes = self._views
            arrays[0][taken], arrays[1][taken], arrays[2][taken] = images[slot], masks[slot], notes[slot]
            taken += 1
            self._free.put(slot)
        return taken

    def close(self) -> None:
        """Stop the workers and free the memory."""
        for process in self._processes:
            process.terminate()
            process.join()
        del self._views
        for memory in self._memories:
            memory.close()
            memory.unlink()


_SHAPES = (
    ((SLOTS, FRAMES, SIDE, SIDE, 3), np.uint8),
    ((SLOTS, 2, SIDE, SIDE), np.uint8),
    ((SLOTS, 2, 2 + TAIL), np.int16),
)


def _sizes() -> list[int]:
    return [int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in _SHAPES]


def _views(memories: Sequence[SharedMemory]) -> Arrays:
    images, masks, notes = (
        np.ndarray(shape, kind, memory.buf) for (shape, kind), memory in zip(_SHAPES, memories, strict=True)
    )
    return images, masks, notes


def _work(
    families: list[str], tokenizer: str, seed: list[int], names: list[str], free: Any, ready: Any
) -> None:
    cv2.setNumThreads(1)
    memories = [SharedMemory(name) for name in names]
    images, masks, notes = _views(memories)
    rng, words = np.random.default_rng(seed), Tokenizer.from_file(tokenizer)
    while True:
        group = draw_group(families, rng)
        slot = free.get()
        images[slot], masks[slot] = group.images, group.masks
        notes[slot] = [note(sample, words) for sample in group.samples]
        ready.put(slot)

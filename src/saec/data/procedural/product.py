"""Products and frames: ``draw_product`` fixes a product, ``Product.render`` gives one frame of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.families import FAMILIES
from saec.data.procedural.painting import sentences as words
from saec.data.procedural.painting.canvas import Canvas, View
from saec.data.procedural.painting.defects import Aim, Box, structural_defect, surface_defect
from saec.data.procedural.painting.design import Design, Piece
from saec.data.procedural.painting.noise import rng_of
from saec.data.procedural.painting.variation import Variation
from saec.data.procedural.painting.virtual_camera import Image, Light, VirtualCamera
from saec.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrame:
    """One frame of a product.

    Attributes:
        image: H x W x 3 RGB uint8.
        clean: the same frame without the defect; ``image`` itself when it is good.
        mask: H x W bool, where the two differ; empty when it is good.
        kind: "good" or one of ``KINDS`` and ``EXTRA_KINDS``.
        description: one sentence.
        difficulty: the difficulty asked for, 0..1; 0 when it is good.
        contrast: the measured contrast: mean absolute difference (grey levels, mean over channels) inside
            the mask, over the local standard deviation of the defect-free texture; 0 when it is good.
        box: x0, y0, x1, y1 around the mask (ends exclusive), or None.
        variation: the variation asked for, 0..1.
    """

    image: Image
    clean: Image
    mask: NDArray[np.bool_]
    kind: str
    description: str
    difficulty: float
    contrast: float
    box: Box | None
    variation: float


@dataclass(frozen=True)
class Product:
    """One product of a family: everything that its frames share.

    Pickles as (family, seed), so that it travels to worker processes.

    Attributes:
        family: name of the family.
        seed: the product's seed.
    """

    family: str
    seed: int

    @cached_property
    def design(self) -> Design:
        """Shape, colours and parts."""
        return FAMILIES[self.family](rng_of(self.family, "design", self.seed))

    @property
    def noun(self) -> str:
        """What it is called in descriptions."""
        return self.design.noun

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of defect that it can have."""
        return self.design.kinds

    @property
    def extra_kinds(self) -> tuple[str, ...]:
        """Further kinds that it has only when they are named."""
        return self.design.extra_kinds

    def render(
        self,
        seed: int,
        kind: str | None = None,
        difficulty: float = 0.0,
        size: int = 256,
        variation: float = 0.0,
        extent: float = 1.0,
    ) -> RenderedFrame:
        """One frame, with benign variation of place, turn, light, material and noise, and perhaps a defect.

        The same (family, product seed, frame seed, size, variation) shows the same specimen under the same
        light whatever the kind is: outside the mask the pixels are equal.

        Args:
            seed: the frame's seed, at least 0.
            kind: one of ``kinds`` or ``extra_kinds``, or None for a good frame.
            difficulty: 0 (plain) to 1 (at the limit of seeing); sets size and contrast.
            size: side in pixels, at least 64.
            variation: 0 (a line well kept) to 1 (light that drifts, dust, parts askew, poor focus).
            extent: length of a surface or rim defect, as a share of what the difficulty asks for: small ones
                of a strong contrast are drawn by it. Parts change as they do.

        Raises:
            DataError: the kind is none of this product's, seed, difficulty, size, variation or extent is out
                of range, or the defect shows nowhere on this product.
        """
        self._check(seed, kind, difficulty, size, variation, extent)
        aim = Aim.of(difficulty)
        aim = replace(aim, radius=aim.radius * extent)
        rng = rng_of(self.family, self.seed, "variation", seed)
        varied = Variation.draw(variation, rng)
        view, camera = self._view(seed, size, varied), self._camera(seed, size, varied)
        if variation > 0:
            camera.vary(varied, rng)
        canvas = self._painted(view, seed)
        clean = camera.shoot(canvas)
        if kind is None:
            mask = np.zeros((size, size), np.bool_)
            return RenderedFrame(
                clean, clean, mask, "good", words.good_sentence(self.noun), 0.0, 0.0, None, variation
            )
        rng = rng_of(self.family, self.seed, "defect", seed, kind)
        if self.design.befalls(kind):
            defect = structural_defect(
                lambda parts: camera.shoot(self._painted(view, seed, parts)),
                clean,
                self.design,
                kind,
                aim,
                rng,
            )
        else:
            defect = surface_defect(canvas, camera, clean, kind, aim, rng)
        text = words.defect_sentence(
            kind, self.noun, defect.part, clean, defect.image, defect.mask, defect.box
        )
        return RenderedFrame(
            defect.image, clean, defect.mask, kind, text, difficulty, defect.contrast, defect.box, variation
        )

    def __reduce__(self) -> tuple[type[Product], tuple[str, int]]:
        return Product, (self.family, self.seed)

    def _check(
        self, seed: int, kind: str | None, difficulty: float, size: int, variation: float, extent: float
    ) -> None:
        kinds = self.kinds + self.extra_kinds
        if kind is not None and kind not in kinds:
            raise DataError(
                f"a {self.noun} ({self.family}) has no {kind!r}", f"use one of {', '.join(kinds)}"
            )
        if seed < 0:
            raise DataError(f"seed {seed} is negative", "give a whole number from 0")
        if not 0.0 <= difficulty <= 1.0:
            raise DataError(f"difficulty {difficulty} is out of range", "give a number from 0 to 1")
        if not 0.0 <= variation <= 1.0:
            raise DataError(f"variation {variation} is out of range", "give a number from 0 to 1")
        if not 0.0 < extent <= 1.0:
            raise DataError(f"extent {extent} is out of range", "give a number above 0, up to 1")
        if size < 64:
            raise DataError(f"size {size} is too small", "give at least 64 pixels")

    def _view(self, seed: int, size: int, varied: Variation) -> View:
        d, rng = self.design, rng_of(self.family, self.seed, "view", seed)
        x, y = rng.uniform(-d.shift, d.shift, 2)
        turn = rng.uniform(-d.turn, d.turn) + varied.turn
        return View(size, turn, rng.uniform(*d.zoom), x + varied.x, y + varied.y)

    def _camera(self, seed: int, size: int, varied: Variation) -> VirtualCamera:
        """Lamp and lens are the product's; their small changes are the frame's."""
        own, rng = rng_of(self.family, "light", self.seed), rng_of(self.family, self.seed, "camera", seed)
        azimuth = own.uniform(0, 2 * math.pi) + rng.normal(0, 0.06)
        elevation = own.uniform(0.75, 1.15) + rng.normal(0, 0.02)
        warm, exposure = own.uniform(-0.05, 0.05) + rng.normal(0, 0.006), rng.uniform(0.95, 1.05)
        light = Light(
            azimuth + varied.swing,
            elevation,
            ambient=own.uniform(0.35, 0.55),
            tint=(exposure * (1 + warm), exposure, exposure * (1 - warm)),
            sharpness=self.design.gloss,
        )
        blur = own.uniform(0.3, 0.75) * size / 224
        return VirtualCamera(size, light, blur=blur, noise=own.uniform(0.8, 2.2), unevenness=0.05, rng=rng)

    def _painted(self, view: View, seed: int, parts: Sequence[Piece] | None = None) -> Canvas:
        canvas = Canvas(view, rng_of(self.family, self.seed, "material", seed))
        self.design.paint(canvas, self.design.parts if parts is None else parts)
        return canvas


def draw_product(family: str, seed: int) -> Product:
    """A product of a family; the same seed gives the same product.

    Raises:
        DataError: there is no such family, or the seed is negative.
    """
    if family not in FAMILIES:
        raise DataError(f"there is no family {family!r}", f"use one of {', '.join(FAMILIES)}")
    if seed < 0:
        raise DataError(f"seed {seed} is negative", "give a whole number from 0")
    return Product(family, seed)

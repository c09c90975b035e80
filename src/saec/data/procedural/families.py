"""The table of families, and which of them a trained model may never see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from saec.data.procedural.painting.design import Design
from saec.data.procedural.shapes import boards, long_parts, materials, patterns, round_parts

Family = Callable[[np.random.Generator], Design]

TEXTURES: dict[str, Family] = {
    "brushed-metal": materials.brushed_metal,
    "fabric": materials.fabric,
    "leather": materials.leather,
    "wood": materials.wood,
    "carpet": materials.carpet,
    "cast-surface": materials.cast_surface,
    "granite": materials.granite,
    "rubber-mat": materials.rubber_mat,
    "tiles": patterns.tiles,
    "printed-paper": patterns.printed_paper,
    "perforated-sheet": patterns.perforated_sheet,
    "wire-mesh": patterns.wire_mesh,
    "solar-cell": patterns.solar_cell,
}
"""Families whose product fills the frame."""

OBJECTS: dict[str, Family] = {
    "gear": round_parts.gear,
    "bottle-mouth": round_parts.bottle_mouth,
    "bearing": round_parts.bearing,
    "cookie": round_parts.cookie,
    "nut": long_parts.nut,
    "bolt": long_parts.bolt,
    "capsule": long_parts.capsule,
    "cable": long_parts.cable,
    "zipper": long_parts.zipper,
    "connector": long_parts.connector,
    "chip-package": long_parts.chip_package,
    "circuit-board": boards.circuit_board,
    "label": boards.label,
    "blister-pack": boards.blister_pack,
    "keypad": boards.keypad,
    "brush-head": boards.brush_head,
    "commutator": boards.commutator,
}
"""Families of assembled or countable things, most of them lying on a ground."""

FAMILIES: dict[str, Family] = TEXTURES | OBJECTS

HELD_OUT: tuple[str, ...] = ("leather", "tiles", "carpet", "nut", "cable", "zipper", "cookie", "blister-pack")
"""Families that no training of ours ever shows: what generalises is measured on them."""

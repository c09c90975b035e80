"""The table of families."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from saec.data.procedural import materials, round_parts
from saec.data.procedural.design import Design

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
}
"""Families whose product fills the frame."""

OBJECTS: dict[str, Family] = {
    "gear": round_parts.gear,
    "bottle-mouth": round_parts.bottle_mouth,
    "bearing": round_parts.bearing,
    "cookie": round_parts.cookie,
}
"""Families whose product lies on a ground."""

FAMILIES: dict[str, Family] = TEXTURES | OBJECTS

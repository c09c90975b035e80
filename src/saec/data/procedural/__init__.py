"""A generator of products with defects: textures and objects, exact masks, one sentence for each.

    >>> product = draw_product("gear", 7)
    >>> sample = product.render(0, kind="missing part", difficulty=0.3, size=224)
    >>> sample.description
    'One tooth is missing at the right side of the gear.'

Everything is a function of (family, product seed, frame seed, kind, difficulty, size, variation). One
machine gives the same bytes each time; a CPU with other vector instructions rounds a few pixels in 100,000
by one grey level.
Nothing here is taken from a picture: NumPy and OpenCV paint it all.

``shapes`` draws the families: ``materials``, ``patterns``, ``round_parts``, ``long_parts`` and ``boards``.
``painting`` is what they are painted with: ``design`` (parts, kinds), ``canvas``, ``virtual_camera`` (light,
lens), ``variation`` (what goods and defects alike suffer on a line that is kept less well), ``marks``,
``mark_placement`` and ``defects``, and ``sentences`` that describe them. ``dataset_writer`` writes a set.
"""

from saec.data.procedural.dataset_writer import WrittenDataset, write_dataset
from saec.data.procedural.families import FAMILIES, HELD_OUT, OBJECTS, TEXTURES
from saec.data.procedural.painting.design import EXTRA_KINDS, KINDS
from saec.data.procedural.product import Product, RenderedFrame, draw_product

__all__ = [
    "EXTRA_KINDS",
    "FAMILIES",
    "HELD_OUT",
    "KINDS",
    "OBJECTS",
    "TEXTURES",
    "Product",
    "RenderedFrame",
    "WrittenDataset",
    "draw_product",
    "write_dataset",
]

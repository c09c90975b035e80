"""Images from disk, data sets and their splits, checks, builders and drawn products.

Import from the modules; this package imports nothing.

- ``images``: decode a file, read a mask, limits on what is decoded.
- ``layouts``: how data sets lie on disk; ``dataset`` opens one, ``items`` is an image with its label.
- ``input_images``: what a command is given to judge; ``user_folders``: folders of goods or defects.
- ``parts``, ``folds``, ``copies``: the images of one part, or of one picture, stay together.
- ``holdout``, ``manifest``, ``sampling``: which image serves which role; drawing some of many.
- ``faults``, ``checks``: what `saec data check` finds.
- ``builders``: data sets made of others (`saec data ksdd2`, `holdout`, `sft`).
- ``procedural``: products and defects drawn by rule; ``synthetic_defects`` paints defects on photographs.
"""

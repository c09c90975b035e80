"""The data room: images from disk, data sets, parts, folds, manifests, checks and builders.

``images`` decodes, ``dataset`` reads layouts, ``parts`` and ``folds`` keep the images of one part
together, ``manifest`` tells which image served which role, ``check`` names faults, ``build_*`` make data
sets, and ``procedural`` draws products. Import from the modules: this package pulls nothing in.
"""

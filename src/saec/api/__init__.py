"""The library's face: what ``import saec`` gives, as a Python user needs it."""

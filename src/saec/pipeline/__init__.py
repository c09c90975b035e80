"""From frames to verdicts: the way of a frame (``inspect``), run folders (``running``), measuring lines
(``evaluate``), making and recalibrating them (``fitting``, ``calibrating``)."""

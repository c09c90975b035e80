"""When each stage of each frame was at work: what energy is shared out by. Written as it happens."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Stage = Literal["read", "decode", "complexity", "edge", "cloud", "explain"]

STAGES: tuple[Stage, ...] = ("read", "decode", "complexity", "edge", "cloud", "explain")
"""The stages that work; waiting costs nobody anything but time."""

SPAN = np.dtype([("seq", "<u4"), ("stage", "u1"), ("batch", "<u4"), ("begin", "<f8"), ("end", "<f8")])

Spans = NDArray[np.void]
"""An array of ``SPAN``: frame, stage, batch (0 for none), begin and end in seconds of perf_counter."""


class SpanLog:
    """Appends spans to a file; safe to use from several threads.

    Args:
        path: the file, which is begun anew.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._lock = threading.Lock()
        self._batches = 0

    def edge(self, seq: int, begun: float, end: float, ms: dict[str, float]) -> None:
        """A frame has its edge opinion.

        Args:
            begun: when its file was read; what is in ``ms`` up to the edge followed at once.
            end: when the edge had done.
        """
        spans, at = [], begun
        for stage in ("read", "decode", "complexity"):
            seconds = ms.get(stage, 0.0) / 1e3
            spans.append((seq, STAGES.index(stage), 0, at, at + seconds))
            at += seconds
        spans.append((seq, STAGES.index("edge"), 0, end - ms.get("edge", 0.0) / 1e3, end))
        self._write(spans)

    def cloud(self, begin: float, seqs: list[int], ms: list[dict[str, float]]) -> None:
        """A batch was asked about at ``begin``; each stage took the sum of its frames' shares."""
        with self._lock:
            self._batches += 1
            batch = self._batches
        judged, words = (sum(m.get(stage, 0.0) for m in ms) / 1e3 for stage in ("cloud", "explain"))
        spans = [(seq, STAGES.index("cloud"), batch, begin, begin + judged) for seq in seqs]
        for seq, m in zip(seqs, ms, strict=True):
            if "explain" in m:
                spans.append((seq, STAGES.index("explain"), batch, begin + judged, begin + judged + words))
        self._write(spans)

    def close(self) -> None:
        self._file.close()

    def _write(self, spans: list[tuple[int, int, int, float, float]]) -> None:
        data = np.array(spans, SPAN).tobytes()
        with self._lock:
            self._file.write(data)


def read_spans(path: Path) -> Spans:
    """The spans of a file that is closed."""
    return np.fromfile(path, SPAN)

"""Frames that wait for an answer, for tests of the page."""

from __future__ import annotations

from saec.station.review.review_pictures import keep_picture
from saec.station.review.review_records import ReviewFrame, Why
from saec.types import Explanation
from tests.station.page.page_fakes import PageBench

WHYS: tuple[Why, ...] = ("random", "gate", "disagreement", "value")


def add_review(bench: PageBench, count: int, line: str = "bottle") -> list[int]:
    """So many judged frames, each third a defect, that wait for an answer; their numbers."""
    found = []
    for n in range(count):
        label = int(n % 3 == 2)
        words = Explanation("hole", "A dark hole.", (10, 20, 90, 90)) if label and n % 2 else None
        id = bench.judge(line, label, kind="hole" if label else None, words=words)
        frame = bench.spool.frame(int(id.rpartition("-")[2]))
        assert frame is not None
        why, store = WHYS[n % len(WHYS)], bench.tools.review
        store.put(
            ReviewFrame(
                seq=frame.seq,
                frame=frame.id,
                line=line,
                sha256=frame.sha256,
                image=keep_picture(bench.data / frame.image, store.folder, frame.seq),
                part="",
                version="3",
                label=label,
                decided_by="edge",
                accepted=frame.accepted,
                why=why,
                probability=0.1 if why == "random" else None,
                worth=float(count - n),
                use="prove" if why == "random" else "teach",
            ),
        )
        found.append(frame.seq)
    return found

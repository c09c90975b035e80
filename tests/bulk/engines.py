"""Engines of one process: one that carries each row once, and one that loses, repeats and reorders."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from saec.bulk.bulk_engine import JUDGES, Stage, StartEngine
from saec.bulk.bulk_judges import BulkOrder
from saec.bulk.work_list import Page, read_page
from saec.errors import EndedError


@dataclass
class LossyEngine:
    """Draws what becomes of each page; a page is lost from some row on, as when its worker dies in it.

    Attributes:
        order: what workers are told.
        draw: decides; None loses nothing.
        poison: rows that hold such bytes end their worker each time.
        poisoned: the stages in which they do.
        dies_at: the driver dies at this answer, as if by SIGKILL.
        pages: sizes of the pages that were given out, by stage.
    """

    order: BulkOrder
    draw: random.Random | None = None
    poison: bytes = b""
    poisoned: tuple[Stage, ...] = ("edge", "cloud")
    dies_at: int | None = None
    pages: dict[str, list[int]] = field(default_factory=lambda: {"edge": [], "cloud": []})
    given: int = 0

    def workers(self, stage: Stage) -> int:
        return 2

    def answers(self, stage: Stage, work: Path, pages: Sequence[Page]) -> Generator[bytes, None, None]:
        judge = JUDGES[stage](self.order)
        found: list[list[bytes]] = []
        for page in pages:
            rows = read_page(work, page)
            self.pages[stage].append(len(rows))
            if self.poison and stage in self.poisoned and any(self.poison in row for row in rows):
                continue
            found += self._fates(list(judge(rows)))
        if self.draw is not None:
            self.draw.shuffle(found)
        for answers in found:
            for answer in answers:
                self.given += 1
                if self.given == self.dies_at:
                    raise KeyboardInterrupt
                yield answer

    def _fates(self, answers: list[bytes]) -> list[list[bytes]]:
        if self.draw is None:
            return [answers]
        fate = self.draw.choice(("whole", "whole", "lost", "twice", "half", "half, then whole"))
        half = answers[: len(answers) // 2]
        return {
            "whole": [answers],
            "lost": [],
            "twice": [answers, answers],
            "half": [half],
            "half, then whole": [half, answers],
        }[fate]


def starting(made: list[LossyEngine] | None = None, **fates: object) -> StartEngine:
    """Starts such an engine for an order; those that were made are appended to the list."""

    @contextmanager
    def start(order: BulkOrder) -> Iterator[LossyEngine]:
        engine = LossyEngine(order, **fates)  # type: ignore[arg-type]
        if made is not None:
            made.append(engine)
        yield engine

    return start


def dead_engine(order: BulkOrder) -> AbstractContextManager[LossyEngine]:
    """Cannot begin."""
    raise EndedError("Ray ended the run", "run it again with --resume")

"""What carries rows to workers and brings their answers: Ray, or a test's own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from saec.bulk.bulk_judges import BulkOrder, CloudJudge, EdgeJudge
from saec.bulk.work_list import Page

Stage = Literal["edge", "cloud"]

JUDGES: dict[Stage, Callable[[BulkOrder], EdgeJudge | CloudJudge]] = {"edge": EdgeJudge, "cloud": CloudJudge}
"""What a worker of each stage opens once."""


class BulkEngine(Protocol):
    """Carries rows to workers. It may lose rows and repeat answers; who calls it sees to both."""

    def workers(self, stage: Stage) -> int:
        """How many workers a stage has."""
        ...

    def answers(self, stage: Stage, work: Path, pages: Sequence[Page]) -> Generator[bytes, None, None]:
        """The answers to rows, as workers give them.

        Args:
            stage: who judges.
            work: the file of a ``WorkList``, on this machine.
            pages: the rows; a worker takes a page at a time.

        Raises:
            EndedError: the engine has ended, or cannot begin.
        """
        ...


StartEngine = Callable[[BulkOrder], AbstractContextManager[BulkEngine]]
"""Starts an engine for an order, and ends it."""

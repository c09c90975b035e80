"""Progress on standard error: a bar on a terminal, and elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from saec.types import VerdictRecord

T = TypeVar("T")

EVERY = 10.0
"""Seconds between two lines where there is no terminal: enough to see that it goes on, few in a log."""


class Lines:
    """Says how far the work is, at most once in ``EVERY`` seconds.

    Args:
        say: takes a line.
        clock: seconds; the first line comes ``EVERY`` seconds after the start.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: click.echo(line, err=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._clock = say, clock
        self._last = clock()

    def report(self, what: str, done: int, total: int | None, found: str = "") -> None:
        """Note what is being done and how many of how many are."""
        now = self._clock()
        if now - self._last < EVERY:
            return
        self._last = now
        of = "" if total is None else f" of {total}"
        self._say(f"{what}: {done}{of}{', ' if found else ''}{found}")


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """For functions that report (what, done, of how many)."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines().report
        return
    with Progress(console=console, transient=True) as progress:
        tasks: dict[str, object] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield report


@contextmanager
def frames_bar(total: int | None, label: str) -> Iterator[Callable[[VerdictRecord], None]]:
    """For functions that give each verdict as it is made; counts what was found."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}"),
    )
    counts = {"defect": 0, "cloud": 0, "error": 0}
    done, lines = 0, Lines()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total, found="")

        def advance(verdict: VerdictRecord) -> None:
            nonlocal done
            done += 1
            counts["defect"] += verdict.label == 1
            counts["cloud"] += verdict.route is not None and verdict.route.decision == "cloud"
            counts["error"] += verdict.state == "error"
            found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            if console.is_terminal:
                bar.update(task, advance=1, found=found)
            else:
                lines.report(f"{label}, frames", done, total, found)

        yield advance


def tracked(items: Iterable[T], total: int) -> Iterable[T]:
    """The same items; how many were taken is shown."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, total=total, console=console, transient=True)
        return
    lines = Lines()
    for done, item in enumerate(items, 1):
        yield item
        lines.report("images", done, total)

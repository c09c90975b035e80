"""What the commands that judge images share: the options of the cloud, progress, and Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from saec.config import CloudConfig, GateConfig

if TYPE_CHECKING:
    from saec.pipeline.loading import Cloud
    from saec.verdict import Verdict

F = TypeVar("F", bound=Callable[..., Any])
_CLOUD, _GATE = CloudConfig(), GateConfig()

FOLDER = click.Path(exists=True, path_type=Path)
SPLITS = click.Choice(["holdout", "train", "test", "val", "all"])


def cloud_options(function: F) -> F:
    """The cloud model and how it is loaded; ``open_cloud`` takes them."""
    options = (
        click.option(
            "--cloud",
            "model",
            default="none",
            show_default=True,
            metavar="none|small|PATH|NAME",
            help="Who is asked about what the edge is not sure of: nobody, the demonstration checkpoint that "
            "ships, a checkpoint's folder, or its hub name.",
        ),
        click.option(
            "--adapter", type=click.Path(path_type=Path), help="Folder of the cloud's LoRA adapter."
        ),
        click.option(
            "--references",
            type=click.IntRange(min=0),
            default=_CLOUD.references,
            show_default=True,
            help="Good images that the cloud is shown before each frame.",
        ),
        click.option(
            "--batch",
            type=click.IntRange(min=1),
            default=_CLOUD.batch,
            show_default=True,
            help="Frames that the cloud is asked about at once.",
        ),
        click.option("--cloud-side", type=click.IntRange(min=28), help="Side of the cloud's input, pixels."),
        click.option(
            "--dtype",
            type=click.Choice(["auto", "float32", "bfloat16"]),
            default=_CLOUD.dtype,
            show_default=True,
            help="The cloud's arithmetic.",
        ),
        click.option("--device", default=_CLOUD.device, show_default=True, help="auto, cpu, cuda or cuda:N."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def open_cloud(
    model: str,
    adapter: Path | None,
    references: int,
    batch: int,
    cloud_side: int | None,
    dtype: Any,
    device: str,
) -> Cloud | None:
    """The cloud of ``cloud_options``, not loaded yet; None for "none"."""
    if model == "none":
        return None
    from saec.pipeline.loading import Cloud

    return Cloud(
        CloudConfig(
            model=model,
            adapter=None if adapter is None else str(adapter),
            side=cloud_side,
            batch=batch,
            references=references,
            dtype=dtype,
            device=device,
        )
    )


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, so that what is under way is finished and written; the second
    ends the process at once. Every line that was written is whole either way."""
    stop = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        os.write(2, b"\nfinishing what is under way; Ctrl-C again ends at once\n")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress(total: int | None, label: str) -> Iterator[Callable[[Verdict], None]]:
    """A progress bar on stderr with counts; nothing where stderr is no terminal."""
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
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total, found="")

        def advance(verdict: Verdict) -> None:
            counts["defect"] += verdict.label == 1
            counts["cloud"] += verdict.route is not None and verdict.route.decision == "cloud"
            counts["error"] += verdict.state == "error"
            found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            bar.update(task, advance=1, found=found)

        yield advance


def command_line() -> str:
    """The command as it was given, for the run's record."""
    return shlex.join(["saec", *sys.argv[1:]])

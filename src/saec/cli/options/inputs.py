"""What the commands that judge images share: Ctrl-C, and the command as it was given."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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


def command_line() -> str:
    """The command as it was given, for the run's record."""
    return shlex.join(["saec", *sys.argv[1:]])

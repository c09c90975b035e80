"""A run that kills itself: ``python -m tests.killed_run LINE INPUT OUT SIGNAL NTH``.

At the NTH verdict it sends itself SIGNAL (KILL: at once; INT: twice, the second while the first is heeded).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from saec import cloud, edge
from saec.cli import main
from saec.runs import verdict_log as log
from saec.types import VerdictRecord
from tests.run_fakes import FakeCloud, FakeDetector


def run(line: str, data: str, out: str, name: str, nth: int) -> int:
    append, count = log.VerdictLog.append, 0

    def deadly(self: log.VerdictLog, verdict: VerdictRecord) -> None:
        nonlocal count
        append(self, verdict)
        count += 1
        if count == nth:
            os.kill(os.getpid(), getattr(signal, f"SIG{name}"))
            os.kill(os.getpid(), getattr(signal, f"SIG{name}"))

    log.VerdictLog.append = deadly  # type: ignore[method-assign]
    edge.open_detector = lambda profile: FakeDetector()
    cloud.open_engine = lambda config: FakeCloud()  # type: ignore[assignment, return-value]
    resume = ["--resume"] if (Path(out) / "run.json").exists() else []
    arguments = ["--line", line, "--out", out, "--cloud", "small", "--split", "all", "--batch", "3"]
    return main(["inspect", data, *arguments, *resume])


if __name__ == "__main__":
    line, data, out, name, nth = sys.argv[1:]
    sys.exit(run(line, data, out, name, int(nth)))

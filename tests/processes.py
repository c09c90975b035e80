"""The programs as processes of their own, as a user starts them, with a few words of Python run before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MAIN = "\nimport sys\nfrom saec.cli import main\nsys.exit(main(sys.argv[1:]))\n"


@dataclass
class Program:
    """A server that runs: its process, its address, and what it has logged so far."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path


def saec(
    *argv: str | Path, before: str = "", env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-c", before + _MAIN, *map(str, argv)],
        capture_output=True, text=True, timeout=600, check=False, env=os.environ | (env or {}), cwd=cwd,
    )  # fmt: skip


@contextmanager
def serving(
    *argv: str | Path, cwd: Path, before: str = "", env: dict[str, str] | None = None
) -> Iterator[Program]:
    """Start a station or a service; ask it to stop at the end, and wait until it has."""
    path = cwd / f"{argv[0]}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", before + _MAIN, *map(str, argv)],
            stdout=log, stderr=log, env=os.environ | (env or {}), cwd=cwd,
        )  # fmt: skip
    try:
        yield Program(process, _address(path, process), path)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()


def eventually(done: Callable[[], object], seconds: float = 60) -> None:
    """Look again and again until something holds."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if done():
            return
        tick.wait(0.02)
    raise AssertionError(f"not within {seconds} s")


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where it says that it listens."""
    found: list[str] = []

    def told() -> bool:
        lines = [line for line in log.read_text().splitlines() if '"listening"' in line]
        found.extend(json.loads(line)["address"] for line in lines)
        return bool(found) or process.poll() is not None

    eventually(told, 120)
    assert found, log.read_text()
    return found[0].rstrip("/")

"""A replay's process for tests: it waits while a file lies in the data folder, or fails."""

from __future__ import annotations

import sys
import time

import msgspec

from saec.station.page.page_program import read_start
from saec.station.page.search.replay_runs import ReplayAnswer, ReplayRow


def main() -> None:
    """Answer as the real one does."""
    settings, id = read_start(sys.stdin.buffer.readline()), sys.stdin.buffer.readline().decode().strip()
    if id == "fail":
        raise SystemExit(3)
    flag = settings.station.data / "waits"
    flag.touch()
    while flag.exists():
        time.sleep(0.02)
    sys.stdout.buffer.write(msgspec.json.encode(ReplayAnswer(rows=[ReplayRow("image", "a", "a", True)])))


if __name__ == "__main__":
    main()

"""A replay's process for tests: it waits while a file lies in the data folder, or fails."""

from __future__ import annotations

import sys
import time

import msgspec

from saec.station.page.search.replay_runs import ReplayAnswer, ReplayRow
from saec.station.setup.handed_settings import read_handed
from saec.station.setup.station_settings import StationSettings


def main() -> None:
    """Answer as the real one does."""
    settings = read_handed(sys.stdin.buffer.readline(), StationSettings)
    id = sys.stdin.buffer.readline().decode().strip()
    if id == "fail":
        raise SystemExit(3)
    flag = settings.station.data / "waits"
    flag.touch()
    while flag.exists():
        time.sleep(0.02)
    sys.stdout.buffer.write(msgspec.json.encode(ReplayAnswer(rows=[ReplayRow("image", "a", "a", True)])))


if __name__ == "__main__":
    main()

"""A replay's process: ``python -m saec.station.page.search.replay_program SECONDS``, begun by the page.

The first line of its standard input is the station's settings, the second the frame's id. It answers on its
standard output. Beyond SECONDS the system ends it, though nobody is left to do so.
"""

from __future__ import annotations

import os
import signal
import sys

import msgspec

from saec.errors import SaecError
from saec.station.maintenance.frame_replay import replay_frame
from saec.station.page.search.replay_runs import ReplayAnswer, ReplayRow
from saec.station.setup.handed_settings import read_handed
from saec.station.setup.station_settings import StationSettings

_POLITE = 5


def main() -> None:
    """Judge one frame again."""
    signal.alarm(int(sys.argv[1]))
    os.nice(_POLITE)
    lines = sys.stdin.buffer
    settings = read_handed(lines.readline(), StationSettings)
    id = lines.readline().decode().strip()
    told = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints is no part of the answer
    answer = msgspec.json.encode(replayed(settings, id))
    os.write(told, answer)


def replayed(settings: StationSettings, id: str) -> ReplayAnswer:
    """What there is to say of a frame that is judged again."""
    try:
        checks = replay_frame(settings, id)
    except SaecError as e:
        return ReplayAnswer(problem=e.what, remedy=e.remedy or "")
    return ReplayAnswer(rows=[ReplayRow(one.what, one.recorded, one.again, one.same) for one in checks])


if __name__ == "__main__":
    main()

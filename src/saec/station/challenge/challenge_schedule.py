"""When a run is due: by times of day, hours, or frames. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from saec.station.challenge.challenge_settings import ChallengeSettings


def due_since(settings: ChallengeSettings, last: float, now: float, frames: int) -> float | None:
    """Since when a run is due, seconds since the epoch; None where none is.

    Args:
        settings: the line's.
        last: when the last run began that had a result; without one, when the schedule began.
        now: seconds since the epoch.
        frames: frames of the line since then.
    """
    since = []
    if settings.at and (time := newest_time(settings.at, now)) > last:
        since.append(time)
    if settings.every_hours is not None and now - last >= settings.every_hours * 3600:
        since.append(last + settings.every_hours * 3600)
    if settings.every_frames is not None and frames >= settings.every_frames:
        since.append(now)
    return min(since, default=None)


def newest_time(times: Sequence[str], now: float) -> float:
    """The last of these times of day that has come, by the local clock; seconds since the epoch.

    Args:
        times: times of day, one at least, as "06:00". One that a change to summer time leaves out
            comes an hour later.
    """
    today = datetime.fromtimestamp(now).replace(second=0, microsecond=0)
    found = []
    for day in (today, today - timedelta(days=1)):
        for text in times:
            hour, minute = map(int, text.split(":"))
            found.append(day.replace(hour=hour, minute=minute).timestamp())
    return max(time for time in found if time <= now)

"""saec station rates: how well a line judges now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.errors import ConfigError
from saec.settings.setting_fields import Argument, Everyday, OpenShare

if TYPE_CHECKING:
    from saec.station.quality.line_quality import LineQuality

_NAMES = {
    "defects_among_passed": "defects among passed frames",
    "goods_among_rejected": "goods among rejected frames",
    "escape_rate": "missed defects of all defects (escape rate)",
    "overkill_rate": "false rejects of all goods (overkill rate)",
}
_STANDINGS = {"kept": "holds", "broken": "does not hold", "open": "may hold or not"}


class RatesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [rates]: which line and which time the rates are of.

    Attributes:
        line: The line's name.
        hours: Hours until now that count. Default: the present shift.
        version: Only frames that this version judged, such as 3.
        within: Distance between a rate and the ends of its interval for which further reviews are planned.
            Default: that of [quality].
    """

    line: Argument[str]
    hours: Everyday[float | None] = None
    version: Everyday[str | None] = None
    within: Everyday[OpenShare | None] = None


@settings_command(example=EXAMPLE)
def station_rates(rates: RatesSettings) -> None:
    """Say how well a line judges, from reviews.

    Only frames that were drawn at random count (docs/rates.md). The station may be running; nothing is
    changed.

    \b
    saec station rates --config station.toml leather --hours 24
    """
    path = named_file()
    settings = station_settings(path)
    if rates.line not in [entry.name for entry in settings.line]:
        names = ", ".join(entry.name for entry in settings.line)
        raise ConfigError(f"{path} has no product line named {rates.line}", f"it has {names}")
    from saec.station.quality.line_quality import QualityReader
    from saec.station.quality.shift_windows import shift_at
    from saec.station.storage.spool_reader import SpoolReader

    now = time.time()
    since = shift_at(now, settings.quality.shifts).since if rates.hours is None else now - 3600 * rates.hours
    data = settings.station.data
    reader = SpoolReader.beside(data)
    try:
        asked = QualityReader(data, reader, settings.quality)
        found = asked.quality(rates.line, since, now, version=rates.version, within=rates.within)
    finally:
        reader.close()
    for text in _sentences(found):
        click.echo(text)


def _sentences(found: LineQuality) -> list[str]:
    rates = found.rates
    begin, end = (time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) for at in (found.since, found.until))
    lines = [f"{found.line}, {begin} to {end}, {rates.confidence:.0%} intervals"]
    for name, side in (("passed", rates.passed), ("rejected", rates.rejected)):
        lines.append(
            f"{name}: {side.population} frames, {side.drawn} drawn, {side.reviewed} reviewed, "
            f"{side.waiting} waiting, {side.unsure} not sure, {side.lost} lost"
        )
        if side.unseen:
            lines.append(
                f"  {side.unseen} are of days that nobody reviewed, and are taken to be like the others"
            )
    for key, text in _NAMES.items():
        one = {
            "defects_among_passed": rates.defects_among_passed,
            "goods_among_rejected": rates.goods_among_rejected,
            "escape_rate": rates.escape_rate,
            "overkill_rate": rates.overkill_rate,
        }[key]
        value = "unknown" if one.value is None else f"{one.value:.2%}"
        lines.append(f"{text}: {value}, {one.low:.2%} to {one.high:.2%}")
        if (one.worst_low, one.worst_high) != (one.low, one.high):
            lines.append(
                f"  with the missing and unseen frames at worst {one.worst_low:.2%} to {one.worst_high:.2%}"
            )
    lines += [
        f"{_NAMES[rate]}: certified at most {one.bound:.2%} for the edge, which {_STANDINGS[one.standing]}"
        for rate, one in found.certified.items()
    ]
    return [*lines, *_reader_sentences(found), *_plan_sentences(found)]


def _reader_sentences(found: LineQuality) -> list[str]:
    readers = found.rates.readers
    if readers is None:
        return ["readers: no frame has two answers, so their errors are unknown and count as none"]
    return [
        f"readers: {text} in {one.value:.1%} of cases, {one.low:.1%} to {one.high:.1%}"
        for text, one in (
            ("they call a good a defect", readers.false_alarm),
            ("they miss a defect", readers.miss),
        )
    ]


def _plan_sentences(found: LineQuality) -> list[str]:
    near = f"to within {found.within:.2%}"
    lines = []
    for rate, plan in found.needed.items():
        if not plan.enough:
            lines.append(f"{_NAMES[rate]}: no number of reviews makes it known {near}")
        elif plan.passed or plan.rejected:
            lines.append(
                f"{_NAMES[rate]}: review {plan.passed} more passed and {plan.rejected} more rejected frames "
                f"to know it {near}"
            )
    return lines

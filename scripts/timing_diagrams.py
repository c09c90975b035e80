"""Draw docs/images/plc/*.svg: the signals of a handshake, from the state machines of both sides.

python scripts/timing_diagrams.py            names the diagrams that are out of date
python scripts/timing_diagrams.py --write    draws them all
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from saec.station.plc.handshake import HandshakeLimits
from saec.station.plc.signals import ResultLabel
from saec.station.simulated.dry_machine import DryMachine, DryTimes, SignalSample
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_program import PlcPart, PlcProgram, PlcTimes

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "plc"

_LEFT, _COLUMN, _ROW, _HIGH, _TOP = 150, 74, 30, 18, 56
"""Pixels: the names' column, a moment, a signal, its height, and the space above."""

_PLC, _STATION, _GREY = "#0b5394", "#38761d", "#666666"
_FONT = 'font-family="sans-serif" font-size="12"'

_PARTS = ("A-17", "B-42")
_LIMITS = HandshakeLimits(picture=0.06, deadline=0.1, acknowledge=0.1, release=0.05, heartbeat_range=65_536)
_TIMES = PlcTimes(interval=0.5, bounce=0.01, down=0.02)

_SEED = 0
"""Draws the restart that comes after the answer."""


class Scene(NamedTuple):
    """What a diagram shows.

    Attributes:
        title: a sentence.
        mistakes: what the PLC does wrong at each part.
        picture: seconds from Trigger to the picture; None for none.
        killed: the station is killed while it is busy.
    """

    title: str
    mistakes: MistakeShares = MistakeShares()
    picture: float | None = 0.010
    killed: bool = False


SCENES = {
    "handshake": Scene("A trigger and its result"),
    "fault": Scene("The camera gives no picture: a fault, code 1", picture=None),
    "lost-acknowledge": Scene("The PLC never acknowledges", MistakeShares(lost_acknowledge=1.0)),
    "double-trigger": Scene("Trigger falls and rises again while busy", MistakeShares(double_trigger=1.0)),
    "half-written": Scene(
        "Trigger rises before the part id is whole", MistakeShares(half_written=1.0), picture=0.03
    ),
    "plc-restart": Scene("The PLC is restarted before it acknowledges", MistakeShares(restart=1.0)),
    "station-restart": Scene("The station is restarted while it is busy", killed=True),
}


class _Signal(NamedTuple):
    """A row: a bit that is drawn as a line, or a value that is written."""

    name: str
    colour: str
    value: Callable[[SignalSample], bool | str]


_SIGNALS = (
    _Signal("Trigger", _PLC, lambda s: s.plc.trigger),
    _Signal("Acknowledge", _PLC, lambda s: s.plc.acknowledge),
    _Signal("Reset", _PLC, lambda s: s.plc.reset),
    _Signal("Part id", _PLC, lambda s: s.plc.part),
    _Signal("Ready", _STATION, lambda s: s.station.ready),
    _Signal("Busy", _STATION, lambda s: s.station.busy),
    _Signal("Result valid", _STATION, lambda s: s.station.result_valid),
    _Signal("Fault", _STATION, lambda s: s.station.fault),
    _Signal("Number", _STATION, lambda s: "" if s.station.result is None else f"{s.station.result.number}"),
    _Signal("Label", _STATION, lambda s: _label(s)),
    _Signal("Fault code", _STATION, lambda s: f"{int(s.station.code)}"),
    _Signal("PLC's state", _GREY, lambda s: f"{int(s.step)}"),
    _Signal("station's phase", _GREY, lambda s: s.phase),
)


def _label(sample: SignalSample) -> str:
    result = sample.station.result
    return "" if result is None or result.label is ResultLabel.NONE else result.label.name.lower()


def played(scene: Scene) -> list[SignalSample]:
    """The signals of a scene from the first Ready on, until Ready or Trigger comes again."""
    plc = PlcProgram(map(PlcPart, _PARTS), times=_TIMES, mistakes=scene.mistakes, seed=_SEED)
    times = DryTimes(picture=scene.picture)
    machine = DryMachine(plc, _LIMITS, times, lambda _: ResultLabel.DEFECT)
    killed = not scene.killed
    while machine.now < 0.45:
        machine.tick()
        if not killed and machine.samples[-1].station.busy:
            machine.kill_station()
            killed = True
    first = next(i for i, one in enumerate(machine.samples) if one.station.ready)
    return machine.samples[first:]


def drawn(scene: Scene) -> str:
    """The diagram of a scene as SVG."""
    samples = played(scene)
    width, height = _LEFT + _COLUMN * len(samples) + 10, _TOP + _ROW * len(_SIGNALS) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(scene.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(10, 20, scene.title, "black", size=15),
        _text(10, 42, "ms, not to scale", _GREY),
    ]
    for i, sample in enumerate(samples):
        x = _LEFT + _COLUMN * i
        parts.append(_text(x + 3, 42, f"{1e3 * (sample.at - samples[0].at):.0f}", _GREY))
        parts.append(_line(x, _TOP - 8, x, height - 10, "#dddddd"))
    for row, signal in enumerate(_SIGNALS):
        parts += _row(signal, samples, _TOP + _ROW * row)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(signal: _Signal, samples: Sequence[SignalSample], top: int) -> list[str]:
    values = [signal.value(sample) for sample in samples]
    name = _text(10, top + 14, signal.name, signal.colour)
    if isinstance(values[0], bool):
        return [name, _bits(values, top, signal.colour)]
    return [name, *_texts(values, top, signal.colour)]


def _bits(values: Sequence[bool | str], top: int, colour: str) -> str:
    points = []
    for i, value in enumerate(values):
        y = top if value else top + _HIGH
        points += [f"{_LEFT + _COLUMN * i},{y}", f"{_LEFT + _COLUMN * (i + 1)},{y}"]
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _texts(values: Sequence[bool | str], top: int, colour: str) -> list[str]:
    """A box for each stretch of one value."""
    parts, begin = [], 0
    for i in range(1, len(values) + 1):
        if i < len(values) and values[i] == values[begin]:
            continue
        x, width = _LEFT + _COLUMN * begin, _COLUMN * (i - begin)
        parts.append(
            f'<rect x="{x + 2}" y="{top}" width="{width - 4}" height="{_HIGH}" rx="4" fill="none" '
            f'stroke="{colour}"/>'
        )
        if values[begin]:
            parts.append(_text(x + 7, top + 13, f"{values[begin]}", colour))
        begin = i
    return parts


def _text(x: int, y: int, text: str, colour: str, size: int = 12) -> str:
    font = _FONT.replace('"12"', f'"{size}"')
    return f'<text x="{x}" y="{y}" fill="{colour}" {font}>{escape(text)}</text>'


def _line(x: int, y: int, to_x: int, to_y: int, colour: str) -> str:
    return f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{colour}"/>'


def out_of_date() -> list[str]:
    """Names of diagrams whose files are not what the state machines do."""
    files = {name: FOLDER / f"{name}.svg" for name in SCENES}
    return [
        name
        for name, file in files.items()
        if not file.is_file() or file.read_text("utf-8") != drawn(SCENES[name])
    ]


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, scene in SCENES.items():
            (FOLDER / f"{name}.svg").write_text(drawn(scene), encoding="utf-8")
    else:
        print("\n".join(out_of_date()) or "all diagrams are up to date")

"""Figures of the benchmark of spending: rates of each way, paired intervals and tables."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray
from spending_fusion import fused

from saec.cloud.questions.ensemble import mean_p, p_of
from saec.types import Spent

Array = NDArray[np.float64]

DEFECTS = ("small", "ordinary")
DRAWS = 4000


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud thinks of one frame at one spending, and what the edge saw of it.

    Attributes:
        group: "good", "small" or "ordinary", as its defect is.
        margins: log odds of a defect by each of its sights.
        risen: how far the edge's score has risen from the median good's (0) to the threshold (1).
        hit, unusual: the hottest place touches the defect; it stands out.
        encoded: bytes of the images as they would travel; None where they were not counted.
    """

    line: str
    way: str
    frame: str
    group: str
    p: float
    margins: list[float]
    risen: float
    length: int
    hit: bool
    unusual: bool
    spent: Spent
    encoded: int | None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """One way against goods and one kind of defects, means over lines; intervals are of 95 %.

    Attributes:
        auroc: with its interval over lines and frames.
        gain: AUROC less that of the base, on the same frames, with its interval over frames and that over
            lines and frames.
        accuracy: goods and defects weighing the same, at the threshold that is best on the other lines.
        escape, overkill: at P = 0.5.
    """

    auroc: float
    auroc_interval: tuple[float, float]
    gain: float
    gain_frames: tuple[float, float]
    gain_lines: tuple[float, float]
    accuracy: float
    escape: float
    overkill: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way: tokens and bytes per frame, and its rates by kind of defects.

    Attributes:
        found, missed: AUROC on the small defects that the hottest place touches, and on the others, over the
            frames of all lines.
        fused: the same of edge and cloud together; their gain is over the edge alone.
    """

    way: str
    frame: float
    references: float
    text: float
    kilobytes: float
    rates: dict[str, Rates]
    fused: dict[str, Rates]
    found: float
    missed: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is printed.

    Attributes:
        base: the way that the others are held against.
        frames: how many, by group.
        edge: the detector alone, by kind of defects; likewise
        hit: the share of defects that the hottest place touches,
        unusual: the share of frames of a group whose hottest place stands out, and
        length: the median length of a defect in pixels.
        rules: for each way with a crop and each of ``RULES``, AUROC and accuracy by kind of defects.
    """

    base: str
    lines: list[str]
    frames: dict[str, int]
    edge: dict[str, Rates]
    hit: dict[str, float]
    unusual: dict[str, float]
    length: dict[str, float]
    rows: list[Row]
    rules: dict[str, dict[str, dict[str, tuple[float, float]]]]


RULES: dict[str, Callable[[list[float]], float]] = {
    "noisy-or": lambda margins: p_of([n > 0 for n in range(len(margins))], [(0.0, z) for z in margins]),
    "mean": lambda margins: mean_p([(0.0, z) for z in margins]),
    "max": lambda margins: mean_p([(0.0, max(margins))]),
    "crop alone": lambda margins: mean_p([(0.0, margins[-1])]),
}
"""Ways to put whole and crop together that are held beside ours, the first."""


class _Draws:
    """Resampled weights of every line's goods and defects, the same for each way, so that ways are paired."""

    def __init__(self, counts: list[tuple[int, int]]) -> None:
        rng = np.random.default_rng(0)
        self.goods = [rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n for n, _ in counts]
        self.defects = [rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n for _, n in counts]
        lines = len(counts)
        self.lines = rng.multinomial(lines, np.full(lines, 1 / lines), DRAWS) / lines

    def areas(self, beats: list[Array]) -> Array:
        """(lines, draws) AUROC of each draw.

        Args:
            beats: of each line, goods x defects: 1 where the defect ranks above the good, half in a tie.
        """
        by_line = zip(self.goods, beats, self.defects, strict=True)
        return np.stack([np.einsum("dg,gk,dk->d", *weights) for weights in by_line])


def figures(opinions: list[list[Opinion]], ways: list[str], base: str) -> Figures:
    """Everything of the opinions on each line."""
    first = [[o for o in line if o.way == base] for line in opinions]
    edge = [[msgspec.structs.replace(o, p=o.risen) for o in line] for line in first]
    draws = {kind: _Draws([(_count(line, "good"), _count(line, kind)) for line in first]) for kind in DEFECTS}
    of_way = {way: [[o for o in line if o.way == way] for line in opinions] for way in ways}
    return Figures(
        base=base,
        lines=[line[0].line for line in first],
        frames={group: sum(_count(line, group) for line in first) for group in ("good", *DEFECTS)},
        edge={kind: _rates(edge, edge, kind, draws[kind]) for kind in DEFECTS},
        hit={k: float(np.mean([o.hit for o in _of(first, k)])) for k in DEFECTS},
        unusual={k: float(np.mean([o.unusual for o in _of(first, k)])) for k in ("good", *DEFECTS)},
        length={k: float(np.median([o.length for o in _of(first, k)])) for k in DEFECTS},
        rows=[_row(way, lines, of_way[base], edge, draws) for way, lines in of_way.items()],
        rules={
            way: {rule: _by_rule(lines, rule) for rule in RULES}
            for way, lines in of_way.items()
            if "+" in way
        },
    )


def _by_rule(lines: list[list[Opinion]], rule: str) -> dict[str, tuple[float, float]]:
    again = [[msgspec.structs.replace(o, p=RULES[rule](o.margins)) for o in line] for line in lines]
    return {
        kind: (
            float(np.mean([_beats(line, kind).mean() for line in again])),
            _accuracy(_values(again, "good"), _values(again, kind)),
        )
        for kind in DEFECTS
    }


def _of(lines: list[list[Opinion]], group: str) -> list[Opinion]:
    return [o for line in lines for o in line if o.group == group]


def _row(
    way: str,
    lines: list[list[Opinion]],
    base: list[list[Opinion]],
    edge: list[list[Opinion]],
    draws: dict[str, _Draws],
) -> Row:
    every = [o for line in lines for o in line]
    both = _fused(lines)
    return Row(
        way=way,
        frame=float(np.mean([o.spent.frame for o in every])),
        references=float(np.mean([o.spent.references for o in every])),
        text=float(np.mean([o.spent.text for o in every if o.spent.text is not None])),
        kilobytes=float(np.mean([o.encoded for o in every if o.encoded is not None])) / 1e3,
        rates={kind: _rates(lines, base, kind, draws[kind]) for kind in DEFECTS},
        fused={kind: _rates(both, edge, kind, draws[kind]) for kind in DEFECTS},
        found=_pooled(lines, hit=True),
        missed=_pooled(lines, hit=False),
    )


def _fused(lines: list[list[Opinion]]) -> list[list[Opinion]]:
    """The same opinions with P(defect) of edge and cloud together in place of the cloud's."""
    risen, cloud = ([np.array([getattr(o, of) for o in line]) for line in lines] for of in ("risen", "p"))
    together = fused(risen, cloud, [np.array([o.group != "good" for o in line]) for line in lines])
    return [
        [msgspec.structs.replace(o, p=float(p)) for o, p in zip(line, ps, strict=True)]
        for line, ps in zip(lines, together, strict=True)
    ]


def _pooled(lines: list[list[Opinion]], *, hit: bool) -> float:
    """AUROC of goods against the small defects that the hottest place touches, or does not; every defect is
    held against the goods of its own line."""
    areas = []
    for line in lines:
        good = np.array([o.p for o in line if o.group == "good"])
        areas += [
            float(((good < o.p) + 0.5 * (good == o.p)).mean())
            for o in line
            if o.group == "small" and o.hit is hit
        ]
    return float(np.mean(areas)) if areas else float("nan")


def _rates(lines: list[list[Opinion]], base: list[list[Opinion]], kind: str, draws: _Draws) -> Rates:
    beats, before = ([_beats(line, kind) for line in of] for of in (lines, base))
    areas = np.array([b.mean() for b in beats])
    drawn, drawn_before = draws.areas(beats), draws.areas(before)
    gains = drawn - drawn_before
    goods, defects = _values(lines, "good"), _values(lines, kind)
    return Rates(
        auroc=float(areas.mean()),
        auroc_interval=_interval((draws.lines * drawn.T).sum(axis=1)),
        gain=float(areas.mean() - np.mean([b.mean() for b in before])),
        gain_frames=_interval(gains.mean(axis=0)),
        gain_lines=_interval((draws.lines * gains.T).sum(axis=1)),
        accuracy=_accuracy(goods, defects),
        escape=float(np.mean([(d < 0.5).mean() for d in defects])),
        overkill=float(np.mean([(g >= 0.5).mean() for g in goods])),
    )


def _accuracy(goods: list[Array], defects: list[Array]) -> float:
    """Mean over lines, each at the threshold that has the highest mean on the others."""
    levels = np.unique(np.concatenate([*goods, *defects]))
    right = np.stack(
        [
            ((g[:, None] < levels).mean(axis=0) + (d[:, None] >= levels).mean(axis=0)) / 2
            for g, d in zip(goods, defects, strict=True)
        ]
    )
    others = right.sum(axis=0) - right
    return float(np.mean([line[np.argmax(rest)] for line, rest in zip(right, others, strict=True)]))


def _beats(line: list[Opinion], kind: str) -> Array:
    good, defect = (np.array([o.p for o in line if o.group == g]) for g in ("good", kind))
    above: Array = (defect > good[:, None]) + 0.5 * (defect == good[:, None])
    return above


def _values(lines: list[list[Opinion]], group: str) -> list[Array]:
    return [np.array([o.p for o in line if o.group == group]) for line in lines]


def _count(line: list[Opinion], group: str) -> int:
    return sum(o.group == group for o in line)


def _interval(samples: Array) -> tuple[float, float]:
    low, high = np.quantile(samples, (0.025, 0.975))
    return float(low), float(high)


def print_figures(found: Figures) -> None:
    """The tables as Markdown."""
    counts = ", ".join(f"{n} {group}" for group, n in found.frames.items())
    print(f"{len(found.lines)} lines ({', '.join(found.lines)}); frames: {counts}")
    for kind in DEFECTS:
        print(
            f"{kind} defects: {found.length[kind]:.0f} px long in the median; the hottest place touches "
            f"{100 * found.hit[kind]:.0f} % and stands out on {100 * found.unusual[kind]:.0f} % "
            f"(goods {100 * found.unusual['good']:.0f} %); the edge's own AUROC {found.edge[kind].auroc:.3f}"
        )
        print(
            "\n| shown | frame | references | text | kB | AUROC | over "
            f"{found.base} | over lines too | accuracy | escapes | overkill |\n|{'---|' * 11}"
        )
        for row in found.rows:
            r = row.rates[kind]
            gain = [f"{100 * low:+.1f} to {100 * high:+.1f}" for low, high in (r.gain_frames, r.gain_lines)]
            taken = (row.frame, row.references, row.text, row.kilobytes)
            print(
                f"| {row.way} | {' | '.join(f'{value:.0f}' for value in taken)} | {r.auroc:.3f} "
                f"| {100 * r.gain:+.1f} ({gain[0]}) | {gain[1]} | {100 * r.accuracy:.1f} "
                f"| {100 * r.escape:.0f} | {100 * r.overkill:.0f} |"
            )
        print()
    print("| small defects: AUROC where the hottest place is | on the defect | elsewhere |\n|---|---|---|")
    for row in found.rows:
        print(f"| {row.way} | {row.found:.3f} | {row.missed:.3f} |")
    print()
    print(f"| AUROC | {' | '.join(f'{k}: cloud | edge and cloud | over the edge' for k in DEFECTS)} |")
    print(f"|{'---|' * 7}")
    print(f"| edge alone | {' | '.join(f'| {_area(r)} | ' for r in found.edge.values())} |")
    for row in found.rows:
        cells = []
        for kind in DEFECTS:
            both = row.fused[kind]
            low, high = (100 * end for end in both.gain_lines)
            cells += [
                _area(row.rates[kind]),
                _area(both),
                f"{100 * both.gain:+.1f} ({low:+.1f} to {high:+.1f})",
            ]
        print(f"| {row.way} | {' | '.join(cells)} |")
    print()
    print(f"| whole and crop put together | {' | '.join(f'{k}: AUROC | accuracy' for k in DEFECTS)} |")
    print(f"|{'---|' * 5}")
    for way, rules in found.rules.items():
        for rule, rates in rules.items():
            cells = [f"{area:.3f} | {100 * accuracy:.1f}" for area, accuracy in rates.values()]
            print(f"| {way}, {rule} | {' | '.join(cells)} |")


def _area(rates: Rates) -> str:
    low, high = rates.auroc_interval
    return f"{rates.auroc:.3f} ({low:.3f} to {high:.3f})"

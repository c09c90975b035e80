"""What is gained by what is sent: accuracy against tokens of a frame, for wholes, crops and the scene's rule.

    python benchmarks/spending.py [--lines 12] [--json FILE] [--plot STEM]

Each line is a fresh product that no training has seen, in frames of 672 px, and a detector that is fitted on
its goods and finds the hottest place. The cloud judges the same frames at each spending: goods, small defects
(a seventh of the usual length, plain) and ordinary ones (any kind). Every opinion is the engine's own under
``--spend``, with one reference. Lines and opinions are kept in ``--work``; new weights are asked anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
from spending_figures import Opinion, figures, print_figures, write_plot
from spending_lines import Line, Shot, open_line

from saec.cloud import open_engine
from saec.cloud.asking import asks_of
from saec.cloud.checkpoint import find_checkpoint, read_card
from saec.cloud.pixels import fit_size, resized
from saec.cloud.planning import plan_of, prompt_of
from saec.cloud.remote import data_url
from saec.config import Card, CloudConfig, Spending
from saec.pipeline.loading import Cloud
from saec.verdict import CloudEngine, Image

FAMILIES = (
    *("brushed-metal", "granite", "fabric", "bearing", "circuit-board", "printed-paper", "wood", "connector"),
    *("leather", "carpet", "cookie", "tiles"),
)
"""Two thirds of families that the checkpoint was trained on; the last third it has never seen."""

_WEIGHED = 4
"""One frame in so many is encoded to count its bytes."""


@dataclass(frozen=True)
class Way:
    """One way of spending: its name in the table, and how the cloud is opened for it."""

    name: str
    config: CloudConfig


def ways_of(config: CloudConfig, sides: list[int], side: int) -> list[Way]:
    """Whole frames at each side; crops beside a small whole; the scene's rule.

    Args:
        config: of the cloud.
        sides: of whole frames.
        side: the model's own.
    """

    def way(name: str, at: int, spending: Spending) -> Way:
        return Way(name, msgspec.structs.replace(config, side=at, spending=spending))

    half = side // 2
    whole = [way(f"whole {s}", s, Spending()) for s in sides]
    crops = [
        way(f"whole {small} + crop {near}", side, Spending(rule="crop", small=small, near=near))
        for small, near in ((half, half), (half, side), (side, side))
    ]
    return [*whole, *crops, way("scene", side, Spending(rule="scene", small=half, near=side))]


def main() -> int:
    args = _arguments().parse_args()
    cv2.setNumThreads(1)
    config = CloudConfig(model=args.cloud, device=args.device, batch=args.batch)
    card = read_card(find_checkpoint(args.cloud))
    ways = ways_of(config, sorted({*args.sides, card.side}), card.side)
    engines = {way.name: open_engine(way.config) for way in ways}
    lines = [open_line(args.work, FAMILIES[n % len(FAMILIES)], n) for n in range(args.lines)]
    opinions = [_asked(line, ways, engines, card, args) for line in lines]
    found = figures(opinions, [way.name for way in ways], f"whole {card.side}")
    print_figures(found)
    if args.json is not None:
        key = Cloud(config).key
        args.json.write_text(json.dumps({"cloud": key, **msgspec.to_builtins(found)}, indent=1) + "\n")
    if args.plot is not None:
        write_plot(found, args.plot)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=12)
    parser.add_argument("--frames", type=int, default=12, help="goods, small and ordinary defects of each")
    parser.add_argument("--sides", type=int, nargs="+", default=[112, 168, 224, 336], help="of whole frames")
    parser.add_argument("--cloud", default="small", help="small, or a checkpoint's folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-spending"), help="what is kept")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    parser.add_argument("--plot", type=Path, help="write STEM.png and STEM.svg")
    return parser


def _asked(
    line: Line, ways: list[Way], engines: Mapping[str, CloudEngine], card: Card, args: argparse.Namespace
) -> list[Opinion]:
    """What the cloud thinks of a line's frames at each spending; read from ``--work`` where it is known."""
    weights = str(getattr(engines[ways[0].name], "weights_hash", ""))[:12]
    kept = args.work / "opinions" / weights / f"{line.name}-{args.frames}.json"
    known = msgspec.json.decode(kept.read_bytes(), type=list[Opinion]) if kept.is_file() else []
    missing = [way for way in ways if way.name not in {o.way for o in known}]
    if missing:
        shots = list(line.shots(args.frames))
        for way in missing:
            known += _judged(line, shots, way, engines[way.name], card)
            print(f"{line.name}: {way.name}", file=sys.stderr, flush=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgspec.json.encode(known))
    return [o for o in known if o.way in {way.name for way in ways}]


def _judged(line: Line, shots: list[Shot], way: Way, engine: CloudEngine, card: Card) -> list[Opinion]:
    found = []
    for n, (shot, opinion) in enumerate(zip(shots, engine.judge([s.query for s in shots]), strict=True)):
        assert opinion.spent is not None
        found.append(
            Opinion(
                line=line.name,
                way=way.name,
                frame=shot.query.frame.id,
                group=shot.group,
                p=opinion.p_defect,
                score=shot.score,
                length=shot.length,
                hit=shot.hit,
                spent=opinion.spent,
                encoded=_encoded(shot, way, card) if n % _WEIGHED == 0 else None,
            )
        )
    return found


def _encoded(shot: Shot, way: Way, card: Card) -> int:
    """Bytes of the images as a remote engine sends them: PNG in base64."""
    plan = plan_of(way.config, card, prompt_of(way.config, card))
    return sum(
        len(data_url(resized(image, _size(image, side, card))))
        for ask in asks_of(shot.query, plan)
        for image, side in ask.pictures()
    )


def _size(image: Image, side: int, card: Card) -> tuple[int, int]:
    height, width = image.shape[:2]
    return fit_size(height, width, side, card.unit, square=card.square)


if __name__ == "__main__":
    sys.exit(main())

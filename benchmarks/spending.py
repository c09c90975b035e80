"""What is gained by what is sent: accuracy against tokens of a frame, for wholes, crops and the scene's rule.

    python benchmarks/spending.py [--first 12] [--lines 12] [--json FILE] [--plot STEM]

Each line is a fresh product that no training has seen, in frames of 672 px, and a detector that is fitted on
its goods and finds the hottest place. The cloud judges the same frames at each spending: goods, small defects
(a seventh of the usual length, plain) and ordinary ones (any kind). Every opinion is what the engine gives
under ``--spend``, with one reference. Lines and opinions are kept in ``--work``; new weights are asked anew.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import msgspec
from spending_figures import Opinion, figures, print_figures
from spending_lines import Line, Shot, open_line
from spending_plot import write_plot

from saec.cloud import open_engine
from saec.cloud.checkpoints.checkpoint_folder import find_checkpoint, read_card
from saec.cloud.questions.ensemble import Ask, Plan, asks_of, p_of, spent
from saec.cloud.questions.image_patches import fit_size, resized
from saec.cloud.questions.plan import choose_prompt, plan_of
from saec.cloud.remote.engine import data_url
from saec.contracts import CloudEngine
from saec.decoding import decode
from saec.frame.judges import Cloud
from saec.settings import CloudConfig, ModelCard, Spending
from saec.types import CloudQuery, Frame, Image

FAMILIES = (
    *("brushed-metal", "granite", "fabric", "bearing", "circuit-board", "printed-paper", "wood", "connector"),
    *("leather", "carpet", "cookie", "tiles"),
)
"""Two thirds of families that the checkpoint was trained on; the last third it has never seen."""

_WEIGHED = 4
"""One frame in so many is encoded to count its bytes."""


@dataclass(frozen=True)
class Way:
    """One way of spending: its name in the table, and how questions become asks.

    Attributes:
        always: the hottest place is shown of every frame, and not only where it stands out.
    """

    name: str
    plan: Plan
    always: bool = False

    def asks(self, shot: Shot) -> list[Ask]:
        query = shot.query if self.always or shot.unusual else replace(shot.query, hottest=None)
        return asks_of(query, self.plan)


def ways_of(config: CloudConfig, card: ModelCard) -> list[Way]:
    """Whole frames, from half the model's own side to one and a half; crops of every frame; what ``--spend``
    does, at the model's own side and at the largest."""
    half, most, own, large = (
        round(part * card.side / card.unit) * card.unit for part in (0.5, 0.75, 1.0, 1.5)
    )

    def way(name: str, side: int, spending: Spending, *, always: bool = False) -> Way:
        asked = msgspec.structs.replace(config, side=side, spending=spending)
        return Way(name, plan_of(asked, card, choose_prompt(asked, card)), always)

    whole = [way(f"whole {side}", side, Spending()) for side in (half, most, own, large)]
    crops = [
        way(
            f"whole {small} + crop {near}",
            own,
            Spending(rule="crop", small_px=small, near_px=near),
            always=True,
        )
        for small, near in ((half, half), (half, own), (own, own))
    ]
    rules = [
        way(f"--spend {rule}, side {side}", side, Spending(rule=rule))
        for side in (own, large)
        for rule in (("crop", "scene") if side == own else ("scene",))
    ]
    return [*whole, *crops, *rules]


def main() -> int:
    args = _arguments().parse_args()
    cv2.setNumThreads(1)
    config = CloudConfig(model=args.cloud, device=args.device)
    card = read_card(find_checkpoint(args.cloud))
    cloud = Sighted(config, card)
    ways = ways_of(config, card)
    numbers = range(args.first, args.first + args.lines)
    lines = [open_line(args.work, FAMILIES[n % len(FAMILIES)], n) for n in numbers]
    opinions = [_asked(line, ways, cloud, args) for line in lines]
    found = figures(opinions, [way.name for way in ways], args.base or f"whole {card.side}")
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
    parser.add_argument("--first", type=int, default=0, help="number of the first line, hence its product")
    parser.add_argument("--base", help="the way that others are held against (the whole at the model's side)")
    parser.add_argument("--frames", type=int, default=10, help="goods, small and ordinary defects of each")
    parser.add_argument("--cloud", default="small", help="small, or a checkpoint's folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-spending"), help="what is kept")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    parser.add_argument("--plot", type=Path, help="write STEM.png and STEM.svg")
    return parser


def _asked(line: Line, ways: list[Way], cloud: Sighted, args: argparse.Namespace) -> list[Opinion]:
    """What the cloud thinks of a line's frames at each spending; read from ``--work`` where it is known."""
    kept = args.work / "opinions" / cloud.weights / f"{line.name}-{args.frames}.json"
    if kept.is_file():
        return decode(kept.read_bytes(), list[Opinion])
    found = []
    for n, shot in enumerate(line.shots(args.frames)):
        asked = {way.name: way.asks(shot) for way in ways}
        seen = cloud.margins([ask for asks in asked.values() for ask in asks])
        for way, asks in asked.items():
            p = p_of([ask.near for ask in asks], [(0.0, seen[_key(ask)]) for ask in asks])
            text = sum(cloud.words(len(ask.references)) for ask in asks)
            found.append(
                Opinion(
                    line=line.name,
                    way=way,
                    frame=shot.query.frame.id,
                    group=shot.group,
                    p=p,
                    margins=[seen[_key(ask)] for ask in asks],
                    risen=shot.risen,
                    length=shot.length,
                    hit=shot.hit,
                    unusual=shot.unusual,
                    spent=spent(asks, cloud.tokens, text, sent=0),
                    encoded=cloud.encoded(asks) if n % _WEIGHED == 0 else None,
                )
            )
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(msgspec.json.encode(found))
    print(f"{line.name}: asked", file=sys.stderr, flush=True)
    return found


def _key(ask: Ask) -> tuple[bool, int]:
    """Which asks about one frame are the same."""
    return ask.near, ask.side


class Sighted:
    """Answers asks one sight at a time, so that ways that share a sight of a frame share its answer.

    The engine itself puts the same numbers together (``tests/cloud/engines/test_spending.py``).
    """

    def __init__(self, config: CloudConfig, card: ModelCard) -> None:
        self._config, self._card = config, card
        self._engines: dict[int, CloudEngine] = {}
        self._text: dict[int, int] = {}
        self.weights = self._engine(card.side).weights_hash[:12]

    def _engine(self, side: int) -> CloudEngine:
        if side not in self._engines:
            self._engines[side] = open_engine(msgspec.structs.replace(self._config, side=side))
        return self._engines[side]

    def margins(self, asks: list[Ask]) -> dict[tuple[bool, int], float]:
        """Log odds of a defect of each different ask about one frame."""
        found = {}
        for key, ask in {_key(ask): ask for ask in asks}.items():
            (opinion,) = self._engine(ask.side).judge([CloudQuery(Frame("", ask.frame), ask.references)])
            p = min(max(opinion.p_defect, 1e-15), 1 - 1e-15)
            found[key] = math.log(p) - math.log1p(-p)
            assert opinion.spent is not None
            assert opinion.spent.text is not None
            self._text[len(ask.references)] = opinion.spent.text
        return found

    def words(self, references: int) -> int:
        """Tokens of the text of a question with so many references."""
        return self._text[references]

    def tokens(self, image: Image, side: int) -> int:
        height, width = self._size(image, side)
        return height * width // self._card.unit**2

    def encoded(self, asks: list[Ask]) -> int:
        """Bytes of the images as a remote engine sends them: PNG in base64."""
        return sum(
            len(data_url(resized(image, self._size(image, side))))
            for ask in asks
            for image, side in ask.pictures()
        )

    def _size(self, image: Image, side: int) -> tuple[int, int]:
        height, width = image.shape[:2]
        return fit_size(height, width, side, self._card.unit, square=self._card.square)


if __name__ == "__main__":
    sys.exit(main())

"""A checkpoint before and after `saec tune` on half of the test defects, judged on the other half.

    python benchmarks/tuning.py --root DATA --category bottle --out figures.json

The images that the figures rest on neither train nor choose the epoch; some of the training half do that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saec.cloud import open_engine
from saec.data.builders.instructions import build_sft
from saec.data.images.pixels import read_image
from saec.data.manifest import Manifest, ManifestEntry
from saec.schedule.statistics.auroc import auroc, auroc_interval
from saec.settings import CloudConfig, SftConfig
from saec.tune.samples import TrainingSample, read_samples
from saec.tune.tuning_run import tune
from saec.tune.tuning_settings import TuneConfig
from saec.types import DEFECT, GOOD, CloudQuery, Frame


def take(samples: list[TrainingSample], count: int, seed: int) -> list[TrainingSample]:
    """Half goods and half defects by chance; fewer of a class that has fewer."""
    taken = []
    for label in (GOOD, DEFECT):
        members = sorted((s for s in samples if s.label == label), key=lambda s: s.id)
        order = np.random.default_rng([seed, label]).permutation(len(members))
        taken += [members[int(i)] for i in order[: count // 2]]
    return taken


def write(path: Path, samples: list[TrainingSample]) -> None:
    lines = (msgspec.to_builtins(s, enc_hook=str) | {"image": str(s.image.resolve())} for s in samples)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def judged(
    samples: list[TrainingSample], goods: list[TrainingSample], config: TuneConfig, adapter: Path | None
) -> dict[str, Any]:
    """Figures at the engine's own settings, each image with the same good as reference."""
    name = None if adapter is None else str(adapter)
    engine = open_engine(CloudConfig(model=config.base, adapter=name, views=1, device=config.device))
    shown = tuple(read_image(s.image) for s in goods[: config.references])
    ps = [engine.judge([CloudQuery(Frame(s.id, read_image(s.image)), shown)])[0].p_defect for s in samples]
    good, defect = (
        np.array([p for p, s in zip(ps, samples, strict=True) if s.label == k]) for k in (GOOD, DEFECT)
    )
    area = auroc(good, defect)
    low, high = auroc_interval(area, len(good), len(defect))
    escape, overkill = float((defect < 0.5).mean()), float((good >= 0.5).mean())
    return {
        "auroc": round(area, 3),
        "interval": [round(low, 3), round(high, 3)],
        "balanced_accuracy": round(1 - (escape + overkill) / 2, 3),
        "escape_rate": round(escape, 3),
        "overkill_rate": round(overkill, 3),
        "goods": len(good),
        "defects": len(defect),
    }


def measure(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    (work / "root").mkdir()
    (work / "root" / args.category).symlink_to((args.root / args.category).resolve())
    sft = build_sft(work / "root", work / "sft", SftConfig(train_defect_share=0.5, seed=args.seed)).out
    pool = take(read_samples(sft / "train.jsonl"), args.train + args.choose, args.seed)
    held = take(read_samples(sft / "val.jsonl"), args.judge, args.seed)
    choose = take(pool, args.choose, args.seed + 1)
    train = [s for s in pool if s not in choose]
    (work / "data").mkdir()
    write(work / "data" / "train.jsonl", train)
    write(work / "data" / "val.jsonl", choose)
    roles = {s.sha256: ManifestEntry("holdout", s.id, s.label) for s in held}
    Manifest(roles=roles).write(work / "held.json")
    config = TuneConfig(
        base=args.base,
        epochs=args.epochs,
        accumulation=args.accumulation,
        learning_rate=args.rate,
        seed=args.seed,
    )
    card = tune(
        work / "data",
        work / "adapter",
        config,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        holdouts=[work / "held.json"],
        report=lambda what, done, total: print(f"{what} {done}/{total}", flush=True),
    )
    goods = [s for s in train if s.label == GOOD]
    return {
        "category": args.category,
        "trained_on": msgspec.to_builtins(card.train),
        "chosen_by": msgspec.to_builtins(card.val),
        "epochs": [msgspec.to_builtins(e) for e in (card.before, *card.epochs)],
        "kept": card.chosen.epoch,
        "speed": msgspec.to_builtins(card.speed),
        "before": judged(held, goods, config, None),
        "after": judged(held, goods, config, work / "adapter"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--category", required=True, help="folder of one data set below it")
    parser.add_argument("--base", default="small")
    parser.add_argument("--train", type=int, default=40, help="images to train on, half of them defects")
    parser.add_argument("--choose", type=int, default=12, help="images that choose the epoch")
    parser.add_argument("--judge", type=int, default=48, help="images that the figures rest on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--accumulation", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        figures = measure(args, Path(work))
    text = json.dumps(figures, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

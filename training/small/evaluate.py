"""Measure the small checkpoint on fresh procedural products; writes the figures of the data card.

Products come from seeds that training cannot draw (2**31 and above). What is measured goes through the
engine itself, with references (one, or --references) and with none. ``--bar`` prints what is asked of it at
one difficulty: accuracy, the right kind among true alarms, and that a batch labels as single frames are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from saec.cloud import open_engine
from saec.cloud.checkpoints.checkpoint_folder import find_checkpoint, read_card
from saec.data.procedural import FAMILIES, HELD_OUT, draw_product
from saec.errors import AnswerError, DataError
from saec.settings import CloudConfig
from saec.types import CloudQuery, Explanation, Frame, Image

FIRST_SEED = 2**31
DIFFICULTIES = (0.2, 0.5, 0.8)


@dataclass(frozen=True)
class Case:
    """One frame with its truth and good frames of the same product."""

    family: str
    kind: str
    difficulty: float
    image: Image
    references: tuple[Image, ...]

    @property
    def defect(self) -> bool:
        return self.kind != "good"


Job = tuple[str, int, int, Sequence[float], int]


def cases_of(job: Job) -> list[Case]:
    """A good and a defect per difficulty of one product.

    Args:
        job: family, seed, number of references, difficulties and side in pixels.
    """
    cv2.setNumThreads(1)
    family, seed, count, difficulties, size = job
    product = draw_product(family, seed)
    rng = np.random.default_rng(seed)
    references = tuple(product.render(n, size=size).image for n in (0, *range(21, 20 + count)))
    found = []
    for n, difficulty in enumerate(difficulties, start=1):
        good = product.render(n, size=size).image
        kind = product.kinds[int(rng.integers(len(product.kinds)))]
        try:
            bad = product.render(100 + n, kind, difficulty, size).image
        except DataError:
            continue  # this kind shows nowhere on this product; keep the classes balanced
        found += [
            Case(family, "good", 0.0, good, references),
            Case(family, kind, difficulty, bad, references),
        ]
    return found


def auroc(good: np.ndarray[Any, Any], bad: np.ndarray[Any, Any]) -> float:
    """Chance that a defect's P is above a good's (ties count half)."""
    return float((bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean())


def figures(cases: Sequence[Case], p: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Accuracy at P = 0.5 and AUROC."""
    truth = np.array([c.defect for c in cases])
    right = (p >= 0.5) == truth
    return {
        "n": len(cases),
        "accuracy": round(float(right.mean()), 4),
        "balanced_accuracy": round(float((right[truth].mean() + right[~truth].mean()) / 2), 4),
        "escape_rate": round(float(1 - right[truth].mean()), 4),
        "overkill_rate": round(float(1 - right[~truth].mean()), 4),
        "auroc": round(auroc(p[~truth], p[truth]), 4),
    }


def _stands_in(case: Case, *, held: bool, difficulties: Collection[float]) -> bool:
    return (case.family in HELD_OUT) == held and case.difficulty in difficulties


def _is_of_family(case: Case, *, family: str) -> bool:
    return case.family == family


def _is_of_kind(case: Case, *, kinds: Collection[str]) -> bool:
    return case.kind in kinds


def tables(cases: Sequence[Case], p: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Figures of all families, of those seen and held out, and by family, kind and difficulty.

    A kind or a difficulty is measured against all goods of the same families.
    """

    def of(keep: Callable[[Case], bool]) -> dict[str, Any]:
        chosen = [i for i, c in enumerate(cases) if keep(c)]
        return figures([cases[i] for i in chosen], p[chosen])

    kinds = sorted({c.kind for c in cases} - {"good"})
    return {
        "seen": of(lambda c: c.family not in HELD_OUT),
        "held_out": of(lambda c: c.family in HELD_OUT),
        "difficulty": {
            name: {
                str(d): of(partial(_stands_in, held=held, difficulties=(0.0, d)))
                for d in sorted({c.difficulty for c in cases if c.defect})
            }
            for name, held in (("seen", False), ("held_out", True))
        },
        "family": {f: of(partial(_is_of_family, family=f)) for f in sorted({c.family for c in cases})},
        "kind": {k: of(partial(_is_of_kind, kinds=("good", k))) for k in kinds},
    }


def words(engine: Any, cases: Sequence[Case], queries: Sequence[CloudQuery], batch: int) -> dict[str, Any]:
    """Share of defects whose explanation parses and names the right kind, seen and held out."""
    result = {}
    for name, held in (("seen", False), ("held_out", True)):
        chosen = [i for i, c in enumerate(cases) if c.defect and (c.family in HELD_OUT) == held]
        said = [
            answer
            for at in range(0, len(chosen), batch)
            for answer in _said(engine, queries, chosen[at : at + batch])
        ]
        valid = sum(answer is not None for answer in said)
        right = sum(a is not None and a.kind == cases[i].kind for a, i in zip(said, chosen, strict=True))
        result[name] = {
            "n": len(chosen),
            "valid_json": round(valid / len(chosen), 4),
            "kind_accuracy": round(right / len(chosen), 4),
        }
    return result


def bar(
    engine: Any, cases: Sequence[Case], queries: Sequence[CloudQuery], p: np.ndarray[Any, Any], args: Any
) -> dict[str, Any]:
    """What is asked of the checkpoint, of seen and of held-out families."""
    found: dict[str, Any] = {}
    for name, held in (("seen", False), ("held_out", True)):
        mine = [i for i, c in enumerate(cases) if (c.family in HELD_OUT) == held]
        alarms = [i for i in mine if cases[i].defect and p[i] >= 0.5]
        said = [
            answer
            for at in range(0, len(alarms), args.batch)
            for answer in _said(engine, queries, alarms[at : at + args.batch])
        ]
        right = sum(a is not None and a.kind == cases[i].kind for a, i in zip(said, alarms, strict=True))
        found[name] = {
            **figures([cases[i] for i in mine], p[mine]),
            "true_alarms": len(alarms),
            "kind_right": round(right / max(1, len(alarms)), 4),
        }
    step = max(1, len(cases) // max(1, args.singles))
    singly = list(range(0, len(cases), step))[: args.singles]
    same = sum((engine.judge([queries[i]])[0].p_defect >= 0.5) == (p[i] >= 0.5) for i in singly)
    return found | {"asked_singly": len(singly), "same_label": int(same)}


def _said(engine: Any, queries: Sequence[CloudQuery], which: Sequence[int]) -> list[Explanation | None]:
    """The explanations, None where one does not parse: it spoils the call, so ask again in halves."""
    try:
        return list(engine.explain([queries[i] for i in which]))
    except AnswerError:
        half = len(which) // 2
        return _said(engine, queries, which[:half]) + _said(engine, queries, which[half:]) if half else [None]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="small")
    parser.add_argument("--products", type=int, default=20, help="per family")
    parser.add_argument("--worded", type=int, default=2, help="products per family that are put into words")
    parser.add_argument("--difficulty", type=float, help="of all defects (default: 0.2, 0.5 and 0.8 in turn)")
    parser.add_argument("--references", type=int, default=1, help="good frames that are shown, from 1")
    parser.add_argument("--views", type=int, help="flips and turns that are averaged (default: the card's)")
    parser.add_argument(
        "--bar", action="store_true", help="at one difficulty (default: 0.5), the words of all true alarms"
    )
    parser.add_argument("--singles", type=int, default=300, help="frames that --bar also asks about singly")
    parser.add_argument("--size", type=int, help="side of the frames in pixels (default: the checkpoint's)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    if args.bar and args.difficulty is None:
        args.difficulty = 0.5
    difficulties = DIFFICULTIES if args.difficulty is None else (args.difficulty,) * len(DIFFICULTIES)
    size = args.size or read_card(find_checkpoint(args.model)).side
    jobs = [
        (f, FIRST_SEED + i, args.references, difficulties, size)
        for i in range(args.products)
        for f in sorted(FAMILIES)
    ]
    with mp.get_context("spawn").Pool(args.workers) as pool:
        groups = pool.map(cases_of, jobs, chunksize=4)
    cases = [c for group in groups for c in group]
    few = sum(map(len, groups[: args.worded * len(FAMILIES)]))
    frames = [Frame(f"{i}", c.image) for i, c in enumerate(cases)]
    paired = [CloudQuery(f, c.references) for f, c in zip(frames, cases, strict=True)]
    engine = open_engine(
        CloudConfig(
            model=args.model,
            batch=args.batch,
            references=args.references,
            views=args.views,
            dtype="float32",
            device=args.device,
        )
    )
    report: dict[str, Any] = {}
    shown = "one_reference" if args.references == 1 else f"{args.references}_references"
    asked = (
        [(shown, paired)]
        if args.bar
        else [(shown, paired), ("no_reference", [CloudQuery(f) for f in frames])]
    )
    for name, queries in asked:
        p = np.array([o.p_defect for o in engine.judge(queries)])
        report[name] = tables(cases, p)
        if args.bar and queries is paired:
            report["bar"] = bar(engine, cases, paired, p, args)
            print(json.dumps(report["bar"], indent=1), flush=True)
    if few and not args.bar:
        report["words"] = words(engine, cases[:few], paired[:few], args.batch)
    text = json.dumps({**report, "weights": engine.weights_hash}, indent=1)
    print(json.dumps({k: {g: v[g] for g in ("seen", "held_out")} for k, v in report.items()}, indent=1))
    print(json.dumps({k: v["auroc"] for k, v in report[shown]["kind"].items()}))
    if args.json:
        args.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

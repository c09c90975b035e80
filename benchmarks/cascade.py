"""Does the cascade beat its edge? Edge alone, cloud alone and both, on products that no training has seen.

    python benchmarks/cascade.py [--lines 12] [--json FILE]     procedural lines of held-out families
    python benchmarks/cascade.py --sets DATASET ... [--json FILE]     your own data sets

Procedural lines are drawn in a fixed order, fitted by ``saec fit``, and kept when their edge AUROC on the
test images lies in the band; the cloud is asked only then, so it has no part in the choice. Everything is
kept in ``--work``: a run that was interrupted goes on, and new weights of the cloud are asked anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from cascade_measure import (
    ASKED,
    THRESHOLDS,
    LineData,
    Outcome,
    accuracy,
    best_answers,
    gains,
    half_calibrates,
    interval,
    outcome,
)
from cascade_opinions import Judged, cloud_opinions, edge_opinions, fit
from numpy.typing import NDArray

from saec.data.procedural import HELD_OUT, write_dataset
from saec.errors import LineError
from saec.frame.judges import Cloud
from saec.profile import LineProfile
from saec.schedule.statistics.auroc import auroc
from saec.settings import CloudConfig, DrawingConfig
from saec.types import DEFECT, GOOD

FIRST_SEED = 2**31 + 1_000_000
"""Training draws products below 2^31, the checkpoint's card those from 2^31 on; these are neither's."""

SIZE = 224
N_TRAIN, N_TRAIN_DEFECT, N_GOOD, N_DEFECT = 60, 30, 60, 60


def main(argv: list[str] | None = None) -> int:
    args = _arguments().parse_args(argv)
    cloud = Cloud(CloudConfig(model=args.cloud))
    answer: dict[str, Any] = {"cloud": cloud.key, "share": args.share}
    if args.sets:
        answer["sets"] = [_set(path, cloud, args) for path in args.sets]
    else:
        answer |= _procedural(cloud, args)
    if args.json:
        args.json.write_text(json.dumps(answer, indent=1) + "\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=12, help="lines to keep")
    parser.add_argument("--most", type=int, default=48, help="lines to draw at most")
    parser.add_argument(
        "--difficulty",
        type=float,
        nargs="+",
        default=[0.5, 0.75],
        help="of the defects: of the first product of each family, of the second, and so on by turns",
    )
    parser.add_argument("--auroc", type=float, nargs=2, default=[0.80, 0.97], help="band of the edge's AUROC")
    parser.add_argument(
        "--share", type=float, default=0.30, help="share of frames that the cloud is asked about"
    )
    parser.add_argument("--cloud", default="small", help="small, a path, or a hub name")
    parser.add_argument("--sets", type=Path, nargs="+", help="data sets with train goods and labelled tests")
    parser.add_argument("--splits", type=int, default=10, help="of --sets: random halves of the test defects")
    parser.add_argument(
        "--side", type=int, help="of --sets: side of the edge's input; the default of saec fit"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-cascade"), help="what is kept")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    return parser


# --- procedural lines


def _procedural(cloud: Cloud, args: argparse.Namespace) -> dict[str, Any]:
    kept: list[tuple[Path, list[Judged]]] = []
    left_out: list[dict[str, Any]] = []
    drawn = 0
    while len(kept) < args.lines and drawn < args.most:
        folder = _draw(drawn, args)
        drawn += 1
        try:
            judged = _edge(folder)
        except LineError as e:
            left_out.append({"line": folder.name, "edge_auroc": None, "why": e.what})
            continue
        area = auroc(*(_test_scores(judged, label) for label in (GOOD, DEFECT)))
        inside = args.auroc[0] <= area <= args.auroc[1]
        print(f"{folder.name}: edge AUROC {area:.3f}, {'kept' if inside else 'left out'}", flush=True)
        if inside:
            kept.append((folder, judged))
        else:
            left_out.append({"line": folder.name, "edge_auroc": area, "why": "edge AUROC out of the band"})
    lines = []
    for folder, judged in kept:  # only now is the cloud asked: the choice is made
        profile = LineProfile.open(folder / "line")
        lines.append(LineData.of(folder.name, cloud_opinions(judged, profile, cloud, folder)))
        print(f"{folder.name}: asked", flush=True)
    refused = sum(line["edge_auroc"] is None for line in left_out)
    print(f"\n{drawn} lines drawn, {len(left_out) - refused} left out by their edge AUROC alone, ", end="")
    print(f"{refused} refused by saec fit\n")
    return {"drawn": drawn, "left_out": left_out, **_report(lines, args.share)}


def _draw(number: int, args: argparse.Namespace) -> Path:
    """Images of line ``number``: the families take turns, then the next product of each."""
    turn, at = divmod(number, len(HELD_OUT))
    family, seed, difficulty = HELD_OUT[at], FIRST_SEED + turn, args.difficulty[turn % len(args.difficulty)]
    folder: Path = args.work / f"{number:03d}-{family}-{seed}-d{difficulty:g}"
    images = folder / "images"
    if not images.is_dir():
        write_dataset(
            images,
            family,
            DrawingConfig(
                seed=seed,
                n_train=N_TRAIN,
                n_train_defect=N_TRAIN_DEFECT,
                n_good=N_GOOD,
                n_defect=N_DEFECT,
                difficulty=difficulty,
                size_px=SIZE,
            ),
        )
    return folder


def _edge(folder: Path) -> list[Judged]:
    profile = fit(folder / "images", folder / "line", SIZE)
    return edge_opinions(folder / "images", profile, folder / "edge.json")


def _test_scores(judged: list[Judged], label: int) -> list[float]:
    return [j.score for j in judged if j.role == "test" and j.truth == label]


def _report(lines: list[LineData], share: float) -> dict[str, Any]:
    """Print the table of lines and that of the means; return both."""
    rows = [_line_row(line, share) for line in lines]
    titles = ("line", "edge AUROC", "cloud AUROC", "cloud alone", "edge, own", "edge, .5", "cascade", "gain")
    print(f"| {' | '.join(titles)} | asked | trust |")
    print(f"|{'---|' * (len(titles) + 2)}")
    for r in rows:
        cells = [f"{100 * r[k]:.1f}" for k in ("cloud_accuracy", "edge_goods", "edge_even", "cascade")]
        gain = 100 * (r["cascade"] - max(r["edge_goods"], r["edge_even"]))
        print(
            f"| {r['line']} | {r['edge_auroc']:.3f} | {r['cloud_auroc']:.3f} | {' | '.join(cells)} "
            f"| {gain:+.1f} | {100 * r['asked']:.0f} % | {r['trust']} |"
        )
    best = 100 * float(np.mean([r["best"] for r in rows]))
    print(f"\nwith the truth for the frames nearest the threshold, on every line: {best:.1f}")
    means = [_mean_row(lines, t, how, share) for t in THRESHOLDS for how in ASKED]
    means += [_against_own(lines, share, how) for how in ASKED]
    means += [_against_better(lines, share, how) for how in ASKED]
    print("\n| threshold | asked | share | edge | cascade | gain | 95 %, frames | 95 %, lines and frames |")
    print("|---|---|---|---|---|---|---|---|")
    for m in means:
        ends = [f"{100 * m[k][0]:+.1f} .. {100 * m[k][1]:+.1f}" for k in ("frames", "lines")]
        print(
            f"| {m['threshold']} | {m['how']} | {100 * m['share']:.0f} % | {100 * m['edge']:.1f} "
            f"| {100 * m['cascade']:.1f} | {100 * m['gain']:+.1f} | {ends[0]} | {ends[1]} |"
        )
    return {"lines": rows, "means": means}


def _line_row(line: LineData, share: float) -> dict[str, Any]:
    own, even = (outcome(line, t, "ranked", share) for t in THRESHOLDS)
    return {
        "line": line.name,
        "edge_auroc": line.edge_auroc,
        "edge_auroc_known": auroc(line.known.edge_good, line.known.edge_defect),
        "cloud_auroc": line.cloud_auroc,
        "cloud_accuracy": accuracy(line.cloud_labels, line.truth),
        "edge_goods": accuracy(own.edge, line.truth),
        "edge_even": accuracy(even.edge, line.truth),
        "cascade": accuracy(even.cascade, line.truth),
        "best": accuracy(best_answers(line, share), line.truth),
        "asked": float(even.asked.mean()),
        "trust": even.trust.mode,
        "cloud_weight": even.trust.cloud_weight,
        "edge_weight": even.trust.edge_weight,
    }


def _mean_row(lines: list[LineData], threshold: Any, how: Any, share: float) -> dict[str, Any]:
    """Cascade against edge at the same threshold."""
    outcomes = [outcome(line, threshold, how, share) for line in lines]
    return _row(threshold, how, lines, [o.edge for o in outcomes], outcomes)


def _against_better(lines: list[LineData], share: float, how: Any) -> dict[str, Any]:
    """The cascade at P(defect) = .5 against the edge at whichever threshold is better on each line's test.

    No user could choose so, as it takes the test's truth: it is the strictest edge that there is.
    """
    outcomes = [outcome(line, "even", how, share) for line in lines]
    edges = [_better_edge(line, how, share) for line in lines]
    return _row("even; edge: better on each test", how, lines, edges, outcomes)


def _against_own(lines: list[LineData], share: float, how: Any) -> dict[str, Any]:
    """The cascade at P(defect) = .5 against the edge at the line's own threshold."""
    outcomes = [outcome(line, "even", how, share) for line in lines]
    edges = [outcome(line, "goods", how, share).edge for line in lines]
    return _row("even; edge: goods", how, lines, edges, outcomes)


def _better_edge(line: LineData, how: Any, share: float) -> NDArray[np.int64]:
    both = [outcome(line, threshold, how, share).edge for threshold in THRESHOLDS]
    return max(both, key=lambda labels: accuracy(labels, line.truth))


def _row(
    threshold: str, how: str, lines: list[LineData], edges: list[NDArray[np.int64]], outcomes: list[Outcome]
) -> dict[str, Any]:
    before = float(np.mean([accuracy(e, x.truth) for e, x in zip(edges, lines, strict=True)]))
    after = float(np.mean([accuracy(o.cascade, x.truth) for o, x in zip(outcomes, lines, strict=True)]))
    pairs = [gains(x.truth, e, o.cascade) for x, e, o in zip(lines, edges, outcomes, strict=True)]
    return {
        "threshold": threshold,
        "how": how,
        "share": float(np.mean([o.asked.mean() for o in outcomes])),
        "edge": before,
        "cascade": after,
        "gain": after - before,
        "frames": interval(pairs, over_lines=False),
        "lines": interval(pairs, over_lines=True),
    }


# --- data sets of the user


def _set(path: Path, cloud: Cloud, args: argparse.Namespace) -> dict[str, Any]:
    """Defects of the train split calibrate; where there are none, random halves of the test's, by turns."""
    folder = args.work / "sets" / path.name
    profile = fit(path, folder / "line", args.side)
    judged = edge_opinions(path, profile, folder / "edge.json")
    judged = cloud_opinions(judged, profile, cloud, folder)
    if any(j.role == "calibration" and j.truth == DEFECT for j in judged):
        lines = [LineData.of(path.name, judged)]
    else:
        lines = [LineData.of(path.name, half_calibrates(judged, seed)) for seed in range(args.splits)]
    whole = LineData.of(path.name, judged)
    raw = {
        "auroc": whole.cloud_auroc,
        "auroc_known": auroc(lines[0].known.cloud_good, lines[0].known.cloud_defect),
        "overkill": float((whole.test.cloud_good >= 0.5).mean()),
        "escape": float((whole.test.cloud_defect < 0.5).mean()),
        "accuracy": float((whole.cloud_labels == whole.truth).mean()),
    }
    print(
        f"\n{path.name}: edge AUROC {whole.edge_auroc:.3f}; cloud alone {_percent(raw)}; {len(lines)} splits"
    )
    rows = [_set_row(lines, t, how, args.share) for t in THRESHOLDS for how in ASKED]
    print("| threshold | asked | share | fused | edge | cascade | gain, mean | gain, worst split |")
    print("|---|---|---|---|---|---|---|---|")
    for r in rows:
        figures = [f"{100 * r[k]:.1f}" for k in ("edge", "cascade")]
        print(
            f"| {r['threshold']} | {r['how']} | {100 * r['share']:.0f} % | {r['fused']} of {len(lines)} "
            f"| {' | '.join(figures)} | {100 * r['gain']:+.2f} | {100 * r['worst']:+.2f} |"
        )
    return {
        "set": path.name,
        "edge_auroc": whole.edge_auroc,
        "cloud": raw,
        "splits": len(lines),
        "rows": rows,
    }


def _set_row(lines: list[LineData], threshold: Any, how: Any, share: float) -> dict[str, Any]:
    """Plain accuracy on the judged images, over the splits."""
    outcomes = [outcome(line, threshold, how, share) for line in lines]
    edge = np.array([(o.edge == x.truth).mean() for o, x in zip(outcomes, lines, strict=True)])
    both = np.array([(o.cascade == x.truth).mean() for o, x in zip(outcomes, lines, strict=True)])
    return {
        "threshold": threshold,
        "how": how,
        "share": float(np.mean([o.asked.mean() for o in outcomes])),
        "fused": sum(o.trust.mode == "fused" for o in outcomes),
        "edge": float(edge.mean()),
        "cascade": float(both.mean()),
        "gain": float((both - edge).mean()),
        "worst": float((both - edge).min()),
    }


def _percent(raw: dict[str, float]) -> str:
    rates = ", ".join(f"{k} {100 * raw[k]:.1f} %" for k in ("accuracy", "escape", "overkill"))
    return f"AUROC {raw['auroc']:.3f}, {rates}"


if __name__ == "__main__":
    sys.exit(main())

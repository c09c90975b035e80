"""What a run through the library costs in processor time, against the command line's, in pairs of one go.

    python benchmarks/library.py                         # against this tree's own command line
    python benchmarks/library.py --before ../before      # against that of another tree, as of an older commit

Both judge the same images with the same line, each in a process of its own, one after the other and in
changing order. Processor time is the process's own, user and system, its start included. Verdicts are
compared frame by frame. The library runs twice: into a run folder, as the command line does, and without one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAIRS, FRAMES, SIZE = 10, 200, 256

COMMAND = "import sys; from saec.cli import main; sys.exit(main(sys.argv[1:]))"
KEPT = """
import sys, saec
for verdict in saec.Line.open(sys.argv[1]).inspect_many(sys.argv[2], out=sys.argv[3]):
    pass
"""
UNKEPT = """
import json, sys, saec
found = [
    {"id": v.id, "label": v.label, "score": v.score, "p_defect": v.p_defect}
    for v in saec.Line.open(sys.argv[1]).inspect_many(sys.argv[2])
]
with open(sys.argv[3], "w") as file:
    file.writelines(json.dumps(one) + "\\n" for one in found)
"""
Answers = dict[str, tuple[object, ...]]


def run(tree: Path, code: str, *args: str) -> float:
    """Processor seconds of a Python process with that tree's package."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said)
    return usage.ru_utime + usage.ru_stime


def answers(log: Path) -> Answers:
    """Label, score and P(defect) of each frame."""
    found = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return {one["id"]: (one["label"], one["score"], one["p_defect"]) for one in found}


def drawn(folder: Path) -> tuple[Path, Path]:
    """A line and its images."""
    import saec
    from saec.data.procedural import write_dataset
    from saec.settings import DrawingConfig

    half = FRAMES // 2
    data = folder / "keypad"
    write_dataset(
        data,
        "keypad",
        DrawingConfig(seed=7, n_train=40, n_train_defect=12, n_good=half, n_defect=half, size_px=SIZE),
    )
    return saec.fit(data, out=folder / "line").folder, data


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--before", type=Path, default=ROOT, help="the tree whose command line is compared with"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--line", type=Path, help="default: one that is fitted on drawn keypads")
    parser.add_argument("--data", type=Path, help="what is judged")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line, data = (args.line, args.data) if args.line else drawn(folder)
        spent = measure(args.before, line, data, args.pairs, folder)
    base = statistics.median(spent["command"])
    print(f"processor seconds, medians of {args.pairs} interleaved runs; command line {base:.2f}")
    for way in ("kept", "unkept"):
        ratios = sorted(a / b for a, b in zip(spent[way], spent["command"], strict=True))
        total = sum(spent[way]) / sum(spent["command"])
        print(
            f"library, {way:6}: {statistics.median(spent[way]):.2f} s; ratio of pairs: median "
            f"{statistics.median(ratios):.3f}, {ratios[0]:.3f} to {ratios[-1]:.3f}; of sums {total:.3f}"
        )


def measure(before: Path, line: Path, data: Path, pairs: int, folder: Path) -> dict[str, list[float]]:
    """Processor seconds of each way; ends the program where two ways differ in an answer."""
    spent: dict[str, list[float]] = {"command": [], "kept": [], "unkept": []}
    for pair in range(pairs):
        out = {way: folder / f"{way}-{pair}" for way in spent}
        calls = {
            "command": lambda o=out["command"]: run(
                before, COMMAND, "inspect", str(data), "--line", str(line), "--out", str(o)
            ),
            "kept": lambda o=out["kept"]: run(ROOT, KEPT, str(line), str(data), str(o)),
            "unkept": lambda o=out["unkept"]: run(ROOT, UNKEPT, str(line), str(data), str(o)),
        }
        order = list(spent) if pair % 2 else list(spent)[::-1]
        for way in order:
            spent[way].append(calls[way]())
        expected = answers(out["command"] / "verdicts.jsonl")
        if answers(out["kept"] / "verdicts.jsonl") != expected or answers(out["unkept"]) != expected:
            raise SystemExit("the library's answers are not the command line's")
        if not pair:
            print(f"{len(expected)} frames: label, score and P(defect) are the same in all three ways")
    return spent


if __name__ == "__main__":
    main()

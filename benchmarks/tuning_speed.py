"""Images per second and memory of `saec tune`, for weights of chance in the shape of a checkpoint.

    python benchmarks/tuning_speed.py --shape FOLDER [--processes 2]

FOLDER holds config.json, tokenizer and preprocessor_config.json; what the weights are changes neither figure.
With --processes each row is also timed in so many processes, one for each GPU, at the same images a step.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from cloud_work import write_weights

SIDE = 1024
"""Pixels of the PNG files that are trained on."""

ROWS = {
    "LoRA": [],
    "LoRA, recomputing": ["--recompute"],
    "4-bit": ["--dtype", "4bit"],
    "4-bit, recomputing": ["--dtype", "4bit", "--recompute"],
}


def write_data(out: Path, samples: int) -> None:
    """Instruction data of noise: as many train images as are to be timed, and two that choose."""
    from saec.data.builders.instructions import build_sft
    from saec.settings import SftConfig

    rng = np.random.default_rng(0)
    root = out / "raw"
    for folder, count in (("train/good", samples // 2), ("test/good", 1), ("test/bad", samples)):
        (root / "noise" / folder).mkdir(parents=True)
        for i in range(count):
            coarse = rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
            image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(root / "noise" / folder / f"{i:04d}.png"), image)
    build_sft(root, out / "sft", SftConfig(train_defect_share=0.5))
    val = (out / "sft" / "val.jsonl").read_text().splitlines()
    kept = {json.loads(line)["label"]: line for line in val}
    (out / "sft" / "val.jsonl").write_text("\n".join(kept.values()) + "\n")


def timed(work: Path, name: str, options: list[str], processes: int = 1) -> str:
    """One row of the table, from processes of its own."""
    out = work / name.replace(", ", "-")
    shutil.rmtree(out, ignore_errors=True)
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [
        sys.executable,
        *(launch if processes > 1 else []),
        "-m",
        "saec",
        "tune",
        "--data",
        str(work / "sft"),
        "--base",
        str(work / "base"),
    ]
    subprocess.run([*command, "--out", str(out), "--epochs", "1", *options], check=True, stdout=sys.stderr)
    speed = json.loads((out / "saec_adapter.json").read_text())["speed"]
    peak = speed["peak_gpu_bytes"]
    memory = "-" if peak is None else f"{peak / 2**30:.1f}"
    return f"| {name} | {speed['samples'] / speed['seconds']:.2f} | {memory} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=320)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-tuning"))
    parser.add_argument("--processes", type=int, default=1, help="processes of one row more")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), help="names of the rows to time")
    parser.add_argument("options", nargs="*", help="further options of `saec tune`, after --")
    args = parser.parse_args()
    if not (args.work / "base" / "config.json").is_file():
        write_weights(args.shape, args.work / "base", args.device)
    if not (args.work / "sft").is_dir():
        write_data(args.work, args.samples)
    print("| | images/s | peak GPU memory of one, GiB |", "|---|---|---|", sep="\n", flush=True)
    for name in args.rows:
        options = [*ROWS[name], "--device", args.device, *args.options]
        print(timed(args.work, name, options), flush=True)
        if args.processes > 1:
            print(timed(args.work, f"{name}, {args.processes} GPUs", options, args.processes), flush=True)


if __name__ == "__main__":
    main()

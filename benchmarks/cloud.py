"""The cloud engine on a GPU: the seed's loop against ours, from files, and where the time goes.

    python benchmarks/cloud.py --shape FOLDER

FOLDER holds config.json, tokenizer and preprocessor_config.json of Qwen2.5-VL-7B; the weights are of chance,
and no figure depends on them. Parts: ``ladder`` names what each step from the seed's loop to ours brings, end
to end from PNG files of 1024 x 1024 pixels; ``arrays`` compares both at one size from decoded images;
``grid`` has batch, side and references; ``latency`` one frame at an idle engine; ``check`` the difference to
transformers' pass; ``fp8`` and ``four`` the same in eight and in four bits. ``--two`` compares one process
with two on two GPUs.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cloud_plain import PlainLoop, batch_windows, decode
from cloud_work import Row, in_turn, matrix_rate, operations, settle, timed, write_files, write_weights

from saec.cloud import open_engine
from saec.cloud.fast.model import FastModel
from saec.cloud.questions.chat_template import scoring_text
from saec.cloud.questions.image_patches import Preprocessing, resized
from saec.data.images.pixels import read_image
from saec.prompts import PROMPTS
from saec.reading_ahead import ahead
from saec.settings import CloudConfig
from saec.types import CloudQuery, Frame, Image

SIDE, SEED_SIDE, BATCH = 448, 512, 24
ARITHMETIC = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Bench:
    """The loaded engine, the files and the rates of the device.

    Args:
        args: of the command line.
        dtype: arithmetic of the engine.
    """

    def __init__(self, args: argparse.Namespace, dtype: str = "bfloat16") -> None:
        self.args, self.dtype = args, dtype
        self.folder = args.work / "weights"
        if not self.folder.exists():
            write_weights(args.shape, self.folder, args.device)
            gc.collect()
            torch.cuda.empty_cache()
        self.paths = write_files(args.work / "files", args.files)
        begin = time.perf_counter()
        self.engine = self.open(dtype)
        self.base = float("nan")
        self.shown: list[Image] = []
        self.sized: dict[int, list[Image]] = {}
        print(f"loaded {dtype} in {time.perf_counter() - begin:.0f} s", flush=True)

    def open(self, dtype: str, **settings: Any) -> Any:
        wanted = {"batch": BATCH, "side": SIDE, "references": 1, "prompt": self.args.prompt} | settings
        return open_engine(
            CloudConfig(model=str(self.folder), dtype=dtype, device=self.args.device, **wanted)  # type: ignore[arg-type]
        )

    def references(self, count: int) -> tuple[Image, ...]:
        """The first images, which nobody writes to: what is made of them is kept."""
        while len(self.shown) < count:
            self.shown.append(read_image(self.paths[len(self.shown)]))
            self.shown[-1].flags.writeable = False
        return tuple(self.shown[:count])

    def from_files(self, engine: Any, count: int) -> Iterator[Any]:
        """Opinions on files, decoded by threads, without a reference as in the seed's loop."""
        with ThreadPoolExecutor(self.args.threads, "decode") as pool:
            images = ahead(pool, read_image, in_turn(self.paths, count), 4 * BATCH)
            yield from engine.judge_each(CloudQuery(Frame("f", image)) for image in images)

    def from_arrays(self, engine: Any, side: int, count: int, references: int) -> Iterator[Any]:
        """Opinions on images that are at their size already."""
        if side not in self.sized:
            self.sized[side] = [resized(read_image(path), (side, side)) for path in self.paths[:16]]
        shown = self.references(references)
        images = in_turn(self.sized[side], count)
        yield from engine.judge_each(CloudQuery(Frame("f", image), shown) for image in images)

    def end_to_end(self, name: str, run: Any, *, base: bool = False) -> None:
        """Measure, and print a line of ``END_TO_END``, with how many times the base it is."""
        row = timed(run, self.args.gpu)
        if base:
            self.base = row.frames
        line(name, row, f" {row.frames / self.base:.2f} |")

    def settle(self, run: Any) -> float:
        """Seconds of a warm-up run."""
        begin = time.perf_counter()
        for _ in run:
            pass
        settle()
        return time.perf_counter() - begin


def line(name: str, row: Row, extra: str = "") -> None:
    joules = "unknown" if row.joules is None else f"{row.joules:.1f}"
    print(f"| {name} | {row.frames:.1f} | {joules} | {row.memory:.1f} |{extra}", flush=True)


def plain(bench: Bench, *, full: bool) -> PlainLoop:
    how = Preprocessing.read(bench.folder)
    return PlainLoop(bench.engine.core, how, bench.args.prompt, full_logits=full)


def ladder(bench: Bench) -> None:
    """The steps from the seed's loop to ours, each on top of the one before."""
    threads, measure = bench.args.threads, bench.end_to_end
    seeds_loop(bench)
    loop, lean = plain(bench, full=True), plain(bench, full=False)
    few = bench.paths[: 2 * BATCH]
    more = list(in_turn(few, 4 * BATCH))
    measure("+ decode by threads", lambda: loop.files(more, SEED_SIDE, BATCH, threads))
    measure("+ side 448", lambda: loop.files(more, SIDE, BATCH, threads))
    undo = batch_windows(bench.engine.core.model, 64)
    lean.files(few[:BATCH], SIDE, BATCH, threads)
    measure("+ windows at once, last logits", lambda: lean.files(more, SIDE, BATCH, threads))
    undo()
    core = bench.engine.core
    compiled = core.fast
    core.fast = FastModel(core.model, core._preprocessing, ARITHMETIC[bench.dtype])
    bench.settle(bench.from_files(bench.engine, 2 * BATCH))
    measure("+ prefix computed once, our pass", lambda: bench.from_files(bench.engine, 12 * BATCH))
    core.fast = compiled
    seconds = bench.settle(bench.from_files(bench.engine, 4 * BATCH))
    print(f"(compiled and warm after {seconds:.0f} s)")
    measure("+ compiled", lambda: bench.from_files(bench.engine, bench.args.count))


END_TO_END = (
    "\n| end to end from files | frames/s | J/frame | GiB | times the seed's loop |\n" + 5 * "|---" + "|"
)


def seeds_loop(bench: Bench) -> None:
    """The line of the seed's loop, with which others are compared, and that on quickly written files."""
    few = bench.paths[: 3 * BATCH]
    quick = write_files(bench.args.work / "quick", 3 * BATCH, quick=True)
    print(f"one thread reads and resizes a file in {reading_ms(few):.0f} ms")
    print(f"one that OpenCV wrote in {reading_ms(quick):.0f} ms\n{END_TO_END}")
    loop = plain(bench, full=True)
    loop.files(few[:BATCH], SEED_SIDE, BATCH, bench.args.threads)

    def run(paths: list[Path]) -> list[float]:
        return loop.files(list(in_turn(paths, 6 * BATCH)), SEED_SIDE, BATCH, 1)

    bench.end_to_end("the seed's loop", lambda: run(few), base=True)
    bench.end_to_end("the seed's loop, files as OpenCV writes them", lambda: run(quick))


def reading_ms(paths: list[Path]) -> float:
    """Milliseconds in which one thread reads and resizes a file as the seed's loop does."""
    begin = time.perf_counter()
    for path in paths[:BATCH]:
        decode(path, SEED_SIDE)
    return 1000 * (time.perf_counter() - begin) / len(paths[:BATCH])


def arrays(bench: Bench) -> None:
    """Both loops at the same side from decoded images."""
    loop = plain(bench, full=True)
    images = [resized(read_image(path), (SIDE, SIDE)) for path in bench.paths[:BATCH]]
    print("\n| from decoded images, 448 | frames/s | J/frame | GiB |\n|---|---|---|---|")
    loop.arrays(iter(images), BATCH)
    slow = timed(lambda: loop.arrays(in_turn(images, 4 * BATCH), BATCH), bench.args.gpu)
    line("the seed's loop", slow)
    bench.settle(bench.from_arrays(bench.engine, SIDE, 4 * BATCH, 0))
    ours = timed(lambda: bench.from_arrays(bench.engine, SIDE, bench.args.count, 0), bench.args.gpu)
    line("ours", ours)


def grid(bench: Bench) -> None:
    """Batch, side and references, each alone away from 24, 448 and 1."""
    rate = matrix_rate(torch.device(bench.args.device))
    eight = matrix_rate(torch.device(bench.args.device), fp8=True)
    print(f"\nproducts of random values: bfloat16 {rate / 1e12:.0f}, float8 {eight / 1e12:.0f} TFLOP/s")
    print(
        "\n| batch, side, references | frames/s | J/frame | GiB | of the arithmetic limit |\n"
        + 5 * "|---"
        + "|"
    )
    cases = [(b, SIDE, 1) for b in (1, 8, 24, 64)]
    cases += [(BATCH, s, 1) for s in (224, 672)] + [(BATCH, SIDE, r) for r in (0, 4)]
    for batch, side, references in cases:
        engine = bench.engine.asked_with(batch=batch, side=side, references=references)
        bench.settle(bench.from_arrays(engine, side, 4 * batch, references))
        count = max(6 * batch, round(bench.args.seconds * bench.args.expected * (SIDE / side) ** 2))
        row = timed(lambda: bench.from_arrays(engine, side, count, references), bench.args.gpu)  # noqa: B023
        suffix, prefix = positions(bench, side, references)
        needed = operations(bench.engine.core.model.config, side, suffix, prefix)
        line(f"{batch}, {side}, {references}", row, f" {100 * needed * row.frames / rate:.0f} % |")


def positions(bench: Bench, side: int, references: int) -> tuple[int, int]:
    """Tokens from the frame's first on, and before it."""
    core, blank = bench.engine.core, np.zeros((side, side, 3), np.uint8)
    talk = core.prepare(scoring_text(PROMPTS[bench.args.prompt], references), [blank] * (references + 1))
    image = core.model.config.image_token_id
    shown = (side // core.unit) ** 2
    behind = talk.ids[::-1].index(image) + shown
    return behind, len(talk.ids) - behind


def short(bench: Bench) -> None:
    """The two ends of the ladder and eight bits, end to end from files."""
    seeds_loop(bench)
    bench.settle(bench.from_files(bench.engine, 4 * BATCH))
    bench.end_to_end("ours, bfloat16", lambda: bench.from_files(bench.engine, bench.args.count))
    fp8(bench)


def latency(bench: Bench) -> None:
    """One frame at an idle engine, from a decoded image of 1024 x 1024 pixels to its opinion."""
    engine = bench.engine.asked_with(batch=1, side=SIDE, references=1)
    shown, images = bench.references(1), [read_image(path) for path in bench.paths[:8]]
    times = []
    for n in range(220):
        begin = time.perf_counter()
        engine.judge([CloudQuery(Frame("f", images[n % len(images)]), shown)])
        times.append(time.perf_counter() - begin)
    p50, p99 = 1000 * np.quantile(times[20:], [0.5, 0.99])
    print(f"\none frame at an idle engine: p50 {p50:.1f} ms, p99 {p99:.1f} ms of 200")


def two(args: argparse.Namespace) -> None:
    """The throughput of one process on one GPU, then of two processes on two."""

    def start(gpu: int) -> subprocess.Popen[str]:
        threads = max(1, (os.cpu_count() or 2) // 2 - 1)
        command = [sys.executable, __file__, "--only", "throughput", "--work", str(args.work)]
        command += ["--shape", str(args.shape), "--gpu", str(gpu), "--threads", str(threads)]
        command += ["--count", str(args.count), "--prompt", args.prompt]
        command += ["--device", args.device, "--dtype", args.dtype, "--files", str(args.files)]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": str(gpu)}
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def rates(processes: list[subprocess.Popen[str]]) -> list[float]:
        """Frames a second of each; all begin when the last one is ready."""
        for process in processes:
            while process.stdout.readline().strip() != READY:  # type: ignore[union-attr]
                if process.poll() is not None:
                    raise SystemExit(f"a process ended with {process.returncode} before it was ready")
        for process in processes:
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        return [float(json.loads(p.communicate()[0].splitlines()[-1])["frames"]) for p in processes]

    (one,) = rates([start(0)])
    both = rates([start(0), start(1)])
    print(f"\none process {one:.1f}, two {both[0]:.1f} + {both[1]:.1f} frames/s: {sum(both) / one:.2f} times")


READY = "ready"


def throughput(args: argparse.Namespace) -> None:
    """One process of ``--two``: it measures when a line comes in."""
    bench = Bench(args, args.dtype)
    bench.settle(bench.from_files(bench.engine, 4 * BATCH))
    print(READY, flush=True)
    sys.stdin.readline()
    row = timed(lambda: bench.from_files(bench.engine, args.count), args.gpu)
    print(json.dumps({"frames": row.frames, "joules": row.joules, "memory": row.memory}))


def parse() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--shape", type=Path, required=True)
    p.add_argument("--work", type=Path, default=Path("runs/benchmark-cloud"))
    p.add_argument("--parts", default="check,ladder,arrays,latency,grid,fp8,four")
    p.add_argument("--only", choices=["throughput"])
    p.add_argument("--two", action="store_true", help="one process against two on two GPUs")
    p.add_argument("--dtype", default="bfloat16")
    p.add_argument("--prompt", default="v3")
    p.add_argument("--files", type=int, default=96)
    p.add_argument("--count", type=int, default=1200, help="frames of a long measurement")
    p.add_argument("--seconds", type=float, default=10.0, help="of one cell of the grid, about")
    p.add_argument("--expected", type=float, default=100.0, help="frames a second that are expected at 448")
    p.add_argument("--threads", type=int, default=min(16, os.cpu_count() or 1))
    p.add_argument("--gpu", type=int, default=0, help="NVML's number")
    p.add_argument("--device", default="cuda")
    return p.parse_args()


def main() -> int:
    args = parse()
    if args.only:
        throughput(args)
        return 0
    if args.two:
        two(args)
        return 0
    bench = Bench(args, args.dtype)
    print(
        f"{torch.cuda.get_device_name() if args.device == 'cuda' else 'CPU'}, torch {torch.__version__}, "
        f"{args.threads} threads, prompt {args.prompt}"
    )
    failed = 0
    for name in args.parts.split(","):
        try:
            PARTS[name](bench)
        except Exception:  # the other parts are worth their time all the same
            traceback.print_exc()
            failed = 1
    return failed


def check(bench: Bench) -> None:
    """The difference to transformers' pass, and what that pass differs from itself at another batch size."""
    from saec.cloud.fast.self_check import Agreement, compare

    parts = [compare(bench.engine.core, SIDE, BATCH, seed=n) for n in range(4)]
    whole = Agreement(
        ours=np.concatenate([part.ours for part in parts]),
        plain=np.concatenate([part.plain for part in parts]),
        alone=np.concatenate([part.alone for part in parts]),
        exact=max(part.exact for part in parts),
        rounded=max(part.rounded for part in parts),
    )
    print("\n" + whole.text())


def fp8(bench: Bench) -> None:
    """The same weights with both towers' products in eight bits."""
    core, before = bench.engine.core, bench.engine.core.fast
    core.fast = FastModel(
        core.model,
        core._preprocessing,
        ARITHMETIC[bench.dtype],
        fp8=True,
        compiled=bench.args.device == "cuda",
    )
    print(END_TO_END)
    seconds = bench.settle(bench.from_files(bench.engine, 4 * BATCH))
    bench.end_to_end("eight bits", lambda: bench.from_files(bench.engine, bench.args.count))
    row = timed(lambda: bench.from_arrays(bench.engine, SIDE, bench.args.count, 0), bench.args.gpu)
    line("eight bits, from decoded images", row, " |")
    print(f"(compiled and warm after {seconds:.0f} s)")
    check(bench)
    latency(bench)
    core.fast = before


def four(bench: Bench) -> None:
    """The language model's weights in four bits, unpacked layer by layer for each batch; the last part."""
    del bench.engine
    gc.collect()
    torch.cuda.empty_cache()
    bench.engine = bench.open("4bit")
    print(END_TO_END)
    bench.settle(bench.from_files(bench.engine, 4 * BATCH))
    bench.end_to_end("four bits", lambda: bench.from_files(bench.engine, bench.args.count))


PARTS = {
    "check": check,
    "ladder": ladder,
    "arrays": arrays,
    "latency": latency,
    "grid": grid,
    "short": short,
    "fp8": fp8,
    "four": four,
}


if __name__ == "__main__":
    raise SystemExit(main())

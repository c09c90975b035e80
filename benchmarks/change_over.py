"""A line changes its recipe all the time: is each frame judged by its own, and what does a change take?

    python benchmarks/change_over.py --frames 10000 --recipes 20

Twenty recipes, each a version, a region and a threshold of its own, judge the same few pictures, first each
alone. Then several threads hand frames to one station as fast as it takes them, while the recipe is changed
every few frames, mostly without waiting until the line is ready. Room is for some of the versions only. A
third of the frames brings the recipe of a trigger. In between the station is stopped with frames that wait,
and started anew. At the end each verdict is held against what its recipe gave alone.

``--memory`` measures instead what an opened version takes, beside what the station reckons for it.
"""

from __future__ import annotations

import argparse
import gc
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import msgspec
import numpy as np
import psutil

from saec.data.dataset import open_dataset
from saec.data.procedural import draw_product
from saec.edge.training.detector_fit import patch_fit
from saec.frame.assessment import EncodedFrame, decode_frame
from saec.lines.line_fit import fit_line
from saec.profile import LineProfile
from saec.settings import FitConfig, GateConfig
from saec.station.line.edge_thread import assess_guarded
from saec.station.line.opened_version import open_version, version_bytes, version_key
from saec.station.line.version_store import VersionStore
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import FrameGuardSettings, LineSettings, StationSettings
from saec.station.station import Station
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.types import Source
from saec.web.program.logs import configure_logs

SIDE, WIDE = 128, 192
FAMILIES = ("gear", "nut", "bolt", "bearing")
PICTURES = 24
NO_GUARD = FrameGuardSettings(dark=0, bright=255, blur=0, empty=0)


@dataclass
class Bench:
    """A folder with the lines, the recipes and the pictures.

    Attributes:
        alone: score and label of each picture by each recipe alone, by the recipe's number.
    """

    root: Path
    recipes: list[RecipeSettings] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    alone: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    def settings(self, warm_mb: int) -> StationSettings:
        line = LineSettings(
            name="cell", profile=self.root / "v0", deadline_s=5.0, guard=NO_GUARD, cloud=False
        )
        return StationSettings(
            station=StationSection(data=self.root / "data", listen="127.0.0.1:0", warm_mb=warm_mb),
            line=[line],
            recipe=self.recipes,
            spool=SpoolLimits(free_gb=0),
        )


def fitted(root: Path, side: int, family: str) -> Path:
    """A line profile of a drawn product, at its own size."""
    data, out = root / f"{family}-{side}", root / f"{family}-{side}-line"
    product = draw_product(family, 3)
    for folder, count, first in (("train/good", 14, 0), ("train/defect", 4, 50)):
        (data / folder).mkdir(parents=True)
        for i in range(count):
            kind = None if folder.endswith("good") else product.kinds[i % len(product.kinds)]
            image = product.render(first + i, kind=kind, difficulty=0.0, size=side).image
            cv2.imwrite(str(data / folder / f"{i:03d}.png"), image[..., ::-1])
    config = FitConfig(side_px=side, memory_patches=512, folds=4, threads=1, overkill_rate=0.1)
    fit_line(
        open_dataset(data),
        out,
        patch_fit(),
        config=config,
        gate=GateConfig(),
        created="2026-01-01T00:00:00+00:00",
    )
    return out


def prepared(root: Path, recipes: int, families: list[str]) -> Bench:
    """Fit the products, and make a version for each recipe."""
    bench, rng = Bench(root), random.Random(1)
    lines = [fitted(root, SIDE, family) for family in families]
    versions = VersionStore(root / "data" / "lines" / "cell")
    shutil.copytree(lines[0], root / "v0")
    for n in range(recipes):
        copy = root / f"made-{n}"
        shutil.copytree(lines[n % len(lines)], copy)
        profile = LineProfile.open(copy)
        profile.recalibrated(msgspec.structs.replace(profile.calibration, prevalence=0.01 + n / 1000))
        number = versions.add(copy)
        left = rng.choice([0, 16, 32, WIDE - SIDE])
        bench.recipes.append(
            RecipeSettings(
                number=100 + n,
                name=f"product {n}",
                line="cell",
                version=number,
                region=(left, 0, left + SIDE, SIDE),
            )
        )
    for i in range(PICTURES):
        product = draw_product(families[i % len(families)], 3)
        kind = product.kinds[i % len(product.kinds)] if i % 3 == 0 else None
        image = np.zeros((SIDE, WIDE, 3), np.uint8)
        left = i % 4 * 16
        image[:, left : left + SIDE] = product.render(200 + i, kind=kind, difficulty=0.3, size=SIDE).image
        bench.pictures.append(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    judge_alone(bench, versions)
    for n, recipe in enumerate(bench.recipes):  # thresholds among the scores, so that labels differ
        scores = sorted(score for score, _ in bench.alone[recipe.number])
        at = PICTURES // 4 + n * PICTURES // (2 * recipes)
        bench.recipes[n] = msgspec.structs.replace(recipe, threshold=(scores[at - 1] + scores[at]) / 2)
    judge_alone(bench, versions)
    return bench


def judge_alone(bench: Bench, versions: VersionStore) -> None:
    """Each picture by each recipe, which is opened alone."""
    line = bench.settings(1).line[0]
    for recipe in bench.recipes:
        key = version_key(recipe, 1)
        version = open_version(versions.profile(key.number), key, line, ())
        found = []
        for data in bench.pictures:
            encoded = EncodedFrame(Source(id="a", path="a"), data, "", 0.0, 0.0, {})
            _, seen = assess_guarded(decode_frame(encoded, bits=version.judges.bits), version)
            found.append((float(seen.opinion.score), int(seen.opinion.label)))
        bench.alone[recipe.number] = found
        del version
        gc.collect()


class Load:
    """Threads that hand frames over while the recipe changes; and what was handed over.

    Attributes:
        taken: by the frame's seq its picture, and the recipes in force before and after it was taken.
        changes: seconds of each change until the line was ready, with whether its version was open.
    """

    def __init__(self, bench: Bench, every: int) -> None:
        self.bench, self.every, self.rng = bench, every, random.Random(7)
        self.taken: dict[int, tuple[int, set[int | None]]] = {}
        self.changes: dict[bool, list[float]] = {True: [], False: []}
        self.chosen, self._lock = 0, threading.Lock()

    def hand_over(self, station: Station, n: int) -> None:
        """One frame, without a trigger or with one's recipe."""
        picture, triggered = n % PICTURES, n % 3 == 0
        before = station.recipes.in_force("cell")
        now = time.time()
        frame = NewFrame(
            line="cell",
            source="bench",
            key=f"bench/{n}",
            suffix=".png",
            captured=now,
            recipe=before if triggered else None,
        )
        seq = station.accept(frame, self.bench.pictures[picture]).seq
        in_force = {before} if triggered else {before, station.recipes.in_force("cell")}
        with self._lock:
            self.taken[seq] = picture, in_force

    def feed(self, station: Station, frames: range, ahead: int, threads: int) -> None:
        """Hand frames over, and change the recipe meanwhile."""
        with ThreadPoolExecutor(threads) as pool:
            for first in range(frames.start, frames.stop, self.every):
                burst = range(first, min(first + self.every, frames.stop))
                handed = pool.map(lambda n: self.hand_over(station, n), burst)
                self.change(station, wait=first // self.every % 4 == 0)
                list(handed)
                while station.spool.depth()["accepted"] > ahead:
                    time.sleep(0.01)

    def change(self, station: Station, *, wait: bool) -> None:
        recipe = self.rng.choice(self.bench.recipes)
        if recipe.number == station.recipes.in_force("cell"):
            return
        warm = station.warm.is_open("cell", version_key(recipe, 1))
        begun = time.perf_counter()
        self.chosen += 1
        station.recipes.choose("cell", recipe.number, "plc:bench")
        while wait and not station.recipes.ready("cell"):
            time.sleep(0.0005)
        if wait:
            self.changes[warm].append(time.perf_counter() - begun)


def finished(station: Station) -> None:
    while station.spool.depth()["accepted"]:
        time.sleep(0.02)


def wrong_frames(station: Station, load: Load) -> Iterator[str]:
    """Each frame that was judged by another recipe than its own, or otherwise than by it alone."""
    numbers = {recipe.number: recipe.version for recipe in load.bench.recipes}
    for seq, (picture, allowed) in load.taken.items():
        frame, verdict = station.spool.frame(seq), station.spool.verdicts(seq).get("final")
        if frame is None or verdict is None:
            yield f"{seq}: no verdict"
        elif verdict.recipe not in allowed or verdict.recipe is None:
            yield f"{frame.id}: recipe {verdict.recipe}, and in force were {allowed}"
        elif frame.version != str(numbers[verdict.recipe]):
            yield f"{frame.id}: version {frame.version} for recipe {verdict.recipe}"
        else:
            score, label = load.bench.alone[verdict.recipe][picture]
            if (
                verdict.label != label
                or verdict.score is None
                or abs(verdict.score - score) > 1e-5 * abs(score)
            ):
                yield f"{frame.id}: {verdict.label} at {verdict.score}, alone {label} at {score}"


def times(values: list[float]) -> str:
    if not values:
        return "none"
    found = sorted(values)
    p50, p99 = found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]
    return f"{len(found)} times, median {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f} ms"


def run(args: argparse.Namespace, root: Path) -> int:
    families = list(FAMILIES)
    begun = time.perf_counter()
    bench = prepared(root, args.recipes, families)
    size = version_bytes(LineProfile.open(root / "v0")) / 2**20
    warm_mb = max(1, round(size * args.open))
    labels = {number: sum(label for _, label in found) for number, found in bench.alone.items()}
    print(
        f"prepared in {time.perf_counter() - begun:.0f} s; defects by recipe alone: {sorted(labels.values())}"
    )
    load, process = Load(bench, args.every), psutil.Process()
    rss, half, parked = process.memory_info().rss, args.frames // 2, 0
    begun, most, took, wrong, quiet = time.perf_counter(), 0, 0.0, list[str](), load
    for part in (range(half), range(half, args.frames)):
        station = Station(bench.settings(warm_mb))
        station.start()
        if not load.taken:
            station.recipes.choose("cell", bench.recipes[0].number, "plc:bench")
        load.feed(station, part, args.ahead, args.threads)
        if part.stop == half:
            parked = station.spool.depth()["accepted"]
        else:
            finished(station)
            took = time.perf_counter() - begun
            wrong, quiet = list(wrong_frames(station, load)), Load(bench, 1)
            for _ in range(60):
                quiet.change(station, wait=True)
        most = max(most, station.warm.most_seen)
        told = station.warm.status()
        station.stop()
    print(f"{len(load.taken)} frames over {args.recipes} recipes in {took:.0f} s, {load.chosen} changes")
    print(f"judged by another recipe than their own, or otherwise than by it alone: {len(wrong)}")
    print(f"waited over the restart: {parked} frames")
    for what, one in (("under load", load), ("at rest", quiet)):
        print(f"change {what} to an open version: {times(one.changes[True])}")
        print(f"change {what} to one that is not: {times(one.changes[False])}")
    grown = (process.memory_info().rss - rss) / 2**20
    print(f"open versions: at most {most / 2**20:.1f} MB by reckoning, of {warm_mb} MB")
    print(f"closed {told['closed']} times in the second half; the process grew by {grown:.0f} MB in all")
    print(*wrong[:5], sep="\n")
    return bool(wrong)


def memory(root: Path) -> int:
    """What an opened version takes, at three sizes."""
    process = psutil.Process()
    for side in (128, 256, 448):
        profile = LineProfile.open(fitted(root, side, "gear"))
        line = LineSettings(name="cell", profile=profile.folder, guard=NO_GUARD)
        keys = [version_key(None, 1)] * 9
        kept = [open_version(profile, keys[0], line, ())]
        before, begun = process.memory_info().rss, time.perf_counter()
        kept += [open_version(profile, key, line, ()) for key in keys[1:]]
        took = (time.perf_counter() - begun) / 8
        measured = (process.memory_info().rss - before) / 8 / 2**20
        reckoned = version_bytes(profile) / 2**20
        told = f"{measured:.1f} MB measured, {reckoned:.1f} MB reckoned, {1e3 * took:.0f} ms to open"
        print(f"{side} px: {told}")
        kept.clear()
        gc.collect()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--recipes", type=int, default=20)
    parser.add_argument("--every", type=int, default=20, help="frames between two changes")
    parser.add_argument("--open", type=int, default=8, help="versions that there is room for")
    parser.add_argument("--threads", type=int, default=4, help="threads that hand frames over")
    parser.add_argument("--ahead", type=int, default=200, help="frames that may wait")
    parser.add_argument("--memory", action="store_true", help="measure what an opened version takes")
    args = parser.parse_args()
    configure_logs("error")
    with tempfile.TemporaryDirectory() as root:
        return memory(Path(root)) if args.memory else run(args, Path(root))


if __name__ == "__main__":
    sys.exit(main())

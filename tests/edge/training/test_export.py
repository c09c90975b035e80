"""The exported graph and the fitted detector are one; the parity gate would tell if they were not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime as runtime
import pytest
import torch

from saec.data.procedural import draw_product
from saec.edge.graph import CAPS, compile_graph, other_arithmetic
from saec.edge.training.feature_graph import Features
from saec.edge.training.graph_export import (
    check_parity,
    rounding_of,
    save_onnx,
    save_openvino,
)
from saec.edge.training.patch_fit import PatchFit, fit_patch
from saec.edge.training.patch_network import PatchNet
from saec.errors import ExtraError, ModelError, ParityError

pytestmark = pytest.mark.numeric

HEIGHT, WIDTH = 96, 128
NET_SEED = 3


def frame(seed: int, kind: str | None = None) -> np.ndarray:
    image = draw_product("gear", NET_SEED).render(seed, kind=kind, difficulty=0.0, size=128).image
    return np.ascontiguousarray(image[16 : 16 + HEIGHT])


class Small(torch.nn.Module):
    """In place of the backbone (whose own parity the fit's gate measures): two strided convolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fine = torch.nn.Conv2d(3, 6, 8, stride=8)
        self.coarse = torch.nn.Conv2d(6, 10, 2, stride=2)

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fine = self.fine(((frames - 127.0) / 128.0).permute(0, 3, 1, 2)).relu()
        return fine, self.coarse(fine)


@pytest.fixture(scope="module")
def features() -> Features:
    return Features(Small()).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def fitted(features: Features) -> PatchFit:
    def run(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return features(torch.from_numpy(image)[None])[0].numpy()

    inside = np.ones((HEIGHT // 8, WIDTH // 8), bool)
    inside[:, -3:] = False
    return fit_patch(
        (frame(i) for i in range(12)),
        np.arange(12) % 3,
        run,
        lambda distances, scale: PatchNet(features, distances, scale),
        memory=64,
        seed=0,
        inside=inside,
    )


Judged = list[tuple[np.ndarray, float, np.ndarray]]
"""Image, score and map of each frame."""


@pytest.fixture(scope="module")
def judged(fitted: PatchFit) -> Judged:
    """Frames, with score and map of the torch module."""
    kinds = draw_product("gear", NET_SEED).kinds
    images = [frame(i) for i in range(3)] + [frame(20 + i, kinds[i]) for i in range(3)]
    with torch.inference_mode():
        outputs = [fitted.net(torch.from_numpy(image)[None]) for image in images]
    return [(i, float(s[0]), m[0].numpy()) for i, (s, m) in zip(images, outputs, strict=True)]


@pytest.fixture(scope="module")
def saved(fitted: PatchFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "detector.xml"
    save_openvino(fitted.net, HEIGHT, WIDTH, path)
    return path


def same(net: PatchNet, image: np.ndarray, out: list[np.ndarray], score: float, heat: np.ndarray) -> None:
    """Assert that a graph's score and map differ from the module's by what rounding explains."""
    allowed, of_map = rounding_of(net, image)
    assert allowed <= of_map < 0.02
    assert float(out[0][0]) == pytest.approx(score, rel=0, abs=allowed)
    np.testing.assert_allclose(out[1][0], heat, rtol=0, atol=of_map)


def test_openvino_gives_what_torch_gives(saved: Path, fitted: PatchFit, judged: Judged) -> None:
    graph = compile_graph(saved, "f32", 1)
    assert tuple(graph.input(0).shape) == (1, HEIGHT, WIDTH, 3)
    assert graph.input(0).get_element_type().get_type_name() == "u8"
    for image, score, heat in judged:
        out = graph(image[None])
        same(fitted.net, image, out, score, heat)


def test_weights_stay_float32(saved: Path, fitted: PatchFit) -> None:
    fixed = {id(t): t.nbytes for t in fitted.net.state_dict().values() if t.is_floating_point()}
    assert saved.with_suffix(".bin").stat().st_size > 0.9 * sum(fixed.values())


def test_one_net_gives_one_file(saved: Path, fitted: PatchFit, tmp_path: Path) -> None:
    save_openvino(fitted.net, HEIGHT, WIDTH, tmp_path / "again.xml")
    assert (tmp_path / "again.xml").read_bytes() == saved.read_bytes()
    assert (tmp_path / "again.bin").read_bytes() == saved.with_suffix(".bin").read_bytes()


def test_onnx_gives_what_torch_gives(fitted: PatchFit, judged: Judged, tmp_path: Path) -> None:
    save_onnx(fitted.net, HEIGHT, WIDTH, tmp_path / "detector.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["detector.onnx"]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(tmp_path / "detector.onnx", options)
    for image, score, heat in judged:
        out = session.run(["score", "map"], {"frames": image[None]})
        same(fitted.net, image, out, score, heat)


def test_onnx_without_its_packages_says_which(
    fitted: PatchFit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ExtraError, match=r"onnxscript is not installed .*saec\[onnx\]"):
        save_onnx(fitted.net, HEIGHT, WIDTH, tmp_path / "detector.onnx")


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_precision_and_threads_are_pinned(features: Features, precision: str, saved: Path) -> None:
    try:
        graph = compile_graph(saved, precision, 1)
    except ModelError:  # held below what the CPU has, it may lack what it computes bf16 with
        assert precision == "bf16"
        assert any(os.environ.get(name) for name in CAPS)
        return
    asked = graph.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    assert asked == precision or (precision == "bf16" and asked == "f32")  # a CPU without bf16
    assert graph.get_property("INFERENCE_NUM_THREADS") == 1
    told = " ".join(other_arithmetic(graph, precision))
    assert (
        told == "" if asked == precision else "this CPU cannot compute in bf16, so the fit used f32" in told
    )


def test_arithmetic_that_the_cpu_lacks_is_told(saved: Path) -> None:
    graph = compile_graph(saved, "f32", 1)
    assert other_arithmetic(graph, "f32") == []
    assert "cannot compute in bf16" in other_arithmetic(graph, "bf16")[0]


def test_parity_counts_and_measures(fitted: PatchFit, judged: Judged) -> None:
    table = {image.tobytes(): score for image, score, _ in judged}
    exact = check_parity(fitted.net, lambda f: table[f.tobytes()], [i for i, _, _ in judged], threshold=3.0)
    assert (exact.images, exact.threshold) == (6, 3.0)
    assert exact.largest <= max(rounding_of(fitted.net, image)[0] for image, _, _ in judged)
    shifted = check_parity(fitted.net, lambda f: table[f.tobytes()] + 0.5, (i for i, _, _ in judged), -1e6)
    assert shifted.largest == pytest.approx(0.5, abs=1e-2)


@pytest.mark.parametrize("shift", [-0.2, 0.2])
def test_parity_fails_where_one_label_differs(fitted: PatchFit, judged: Judged, shift: float) -> None:
    scores = sorted(score for _, score, _ in judged)
    gaps = np.diff(scores)
    at = int(gaps.argmax())  # one score lies just on the other side of the threshold, no other does
    assert gaps[at] > 0.3
    threshold = scores[at] + 0.1 if shift > 0 else scores[at + 1] - 0.1
    table = {image.tobytes(): score for image, score, _ in judged}
    with pytest.raises(
        ParityError, match="another label than the fitted detector on 1 of 6 calibration images"
    ) as caught:
        check_parity(fitted.net, lambda f: table[f.tobytes()] + shift, [i for i, _, _ in judged], threshold)
    assert caught.value.remedy


@pytest.mark.parametrize("shift", [-2e-4, 2e-4])
def test_a_threshold_within_rounding_of_a_score_is_moved_out_of_its_way(
    fitted: PatchFit, judged: Judged, shift: float
) -> None:
    table = {image.tobytes(): score for image, score, _ in judged}
    with torch.inference_mode():
        exact = [float(fitted.net(torch.from_numpy(image)[None])[0]) for image, _, _ in judged]
    threshold = exact[2] + shift / 2
    told = [score + shift for score in exact]
    for (image, _, _), score in zip(judged, told, strict=True):
        table[image.tobytes()] = score
    found = check_parity(fitted.net, lambda f: table[f.tobytes()], [i for i, _, _ in judged], threshold)
    assert found.threshold != threshold
    assert abs(found.threshold - threshold) < 1e-3
    assert [s >= found.threshold for s in exact] == [s >= found.threshold for s in told]


class Bright(Small):
    """Its features are large, and the goods hardly differ in them: rounding is much beside their spread."""

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fine, coarse = super().forward(frames)
        return fine + 4000.0, coarse + 4000.0


def test_what_rounding_explains_of_goods_that_are_nearly_the_same_is_no_error() -> None:
    features = Features(Bright()).eval().requires_grad_(False)

    def run(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return features(torch.from_numpy(image)[None])[0].numpy()

    finish = lambda distances, scale: PatchNet(features, distances, scale)  # noqa: E731
    goods = [frame(i) for i in range(12)]
    net = fit_patch(goods, np.arange(12) % 3, run, finish, memory=64, seed=0).net
    with torch.inference_mode():
        score = float(net(torch.from_numpy(goods[0])[None])[0])
    explained, _ = rounding_of(net, goods[0])
    assert explained > 0.01
    threshold = score + explained / 4
    moved = check_parity(net, lambda f: score + explained / 2, goods[:1], threshold)
    assert moved.threshold != threshold
    with pytest.raises(ParityError):
        check_parity(net, lambda f: score + 20 * explained, goods[:1], score + 10 * explained)

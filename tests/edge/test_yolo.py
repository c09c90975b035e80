"""The classifier's confidence as an edge detector: rule, score, formats, line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from openvino import opset13 as ops

from saec.edge.classifier import classifier_input, compile_classifier, load_classifier
from saec.edge.graph import GRAPH
from saec.edge.learning.fit_contract import FitStart, TrainFrame
from saec.edge.training.detector_fit import yolo_fit
from saec.edge.yolo import (
    THRESHOLD,
    Confidence,
    YoloDetector,
    YoloRule,
    confidence,
    fit_rule,
    rule_score,
)
from saec.errors import DataError, ExtraError, ImageError, ModelError
from saec.profile import Calibration, Gate, LineProfile, LineRecord
from saec.rounding import apart
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD, Image

pytestmark = pytest.mark.numeric

CLASSES = 5
WEIGHTS = np.random.default_rng(1).normal(0, 6, (3, CLASSES)).astype(np.float32)


def _classifier(
    path: Path, layout: str = "NCHW", side: int | None = 32, softmax: bool = True, kind: type = np.float32
) -> Path:
    """A classifier of mean colours, saved as OpenVINO IR; ``side`` None leaves its size open."""
    extent = -1 if side is None else side
    shape = [-1, 3, extent, extent] if layout == "NCHW" else [1, extent, extent, 3]
    image = ops.parameter(shape, kind, name="images")
    spatial = [2, 3] if layout == "NCHW" else [1, 2]
    mean = ops.reduce_mean(ops.convert(image, "f32"), np.array(spatial), keep_dims=False)
    scores = ops.matmul(mean, ops.constant(WEIGHTS), False, False)
    result = ops.softmax(scores, 1) if softmax else scores
    ov.save_model(ov.Model([result], [image], "tiny"), path, compress_to_fp16=False)
    return path


def _expected(image: Image) -> np.ndarray:
    logits = (image.reshape(-1, 3).mean(0) / 255.0) @ WEIGHTS
    odds = np.exp(logits - logits.max())
    return np.asarray(odds / odds.sum())


def _apart(side: int, largest: float = 1.0) -> float:
    """Largest difference of a probability: of two logits, each a sum over colours of means over pixels."""
    return 2 * apart(side * side + 3 + 4, largest * float(np.abs(WEIGHTS).sum(0).max()))


def _images(n: int, seed: int = 0, size: tuple[int, int] = (40, 32)) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [np.full((*size, 3), rng.integers(0, 256, 3), np.uint8) for _ in range(n)]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("side", [32, None])
def test_every_layout_and_ending_gives_the_same_probabilities(
    tmp_path: Path, layout: str, softmax: bool, side: int | None
) -> None:
    path = _classifier(tmp_path / "c.xml", layout, side, softmax)
    model = load_classifier(path, side=48)
    assert list(model.input().get_shape()) == [1, side or 48, side or 48, 3]
    infer = compile_classifier(model, precision="f32", threads=1)
    for image in _images(5):
        prepared = classifier_input(image, side or 48, side or 48)
        found = infer(prepared[None])[0][0]
        np.testing.assert_allclose(found, _expected(image), rtol=0, atol=_apart(side or 48))


def test_an_input_of_bytes_is_not_scaled(tmp_path: Path) -> None:
    model = load_classifier(_classifier(tmp_path / "c.xml", kind=np.uint8, softmax=False))
    infer = compile_classifier(model, precision="f32", threads=1)
    (image,) = _images(1)
    logits = image[0, 0].astype(float) @ WEIGHTS
    odds = np.exp(logits - logits.max())
    found = infer(classifier_input(image, 32, 32)[None])[0][0]
    np.testing.assert_allclose(found, odds / odds.sum(), rtol=0, atol=_apart(32, 255.0))


def test_reads_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install onnx")
    h = onnx.helper
    nodes = [
        h.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        h.make_node("Flatten", ["pooled"], ["flat"]),
        h.make_node("MatMul", ["flat", "w"], ["logits"]),
        h.make_node("Softmax", ["logits"], ["output0"], axis=1),
    ]
    graph = h.make_graph(
        nodes,
        "tiny",
        [h.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["batch", 3, 24, 24])],
        [h.make_tensor_value_info("output0", onnx.TensorProto.FLOAT, ["batch", CLASSES])],
        [onnx.numpy_helper.from_array(WEIGHTS, "w")],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "c.onnx")
    infer = compile_classifier(load_classifier(tmp_path / "c.onnx"), precision="f32", threads=1)
    (image,) = _images(1)
    found = infer(classifier_input(image, 24, 24)[None])[0][0]
    np.testing.assert_allclose(found, _expected(image), rtol=0, atol=_apart(24))


def test_a_detection_model_is_named_as_no_classifier(tmp_path: Path) -> None:
    image = ops.parameter([1, 3, 32, 32], np.float32)
    boxes = ops.reshape(ops.reduce_mean(image, np.array([1]), True), np.array([1, 8, 128]), False)
    ov.save_model(ov.Model([boxes], [image], "boxes"), tmp_path / "d.xml")
    with pytest.raises(ModelError, match="not an image classifier") as caught:
        load_classifier(tmp_path / "d.xml")
    assert "[1,8,128]" in str(caught.value)
    assert "YOLO11-cls" in caught.value.remedy


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_classifier(tmp_path / "none.onnx")
    (tmp_path / "x.bin").write_bytes(b"1")
    with pytest.raises(ModelError, match="not a model file"):
        load_classifier(tmp_path / "x.bin")
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be read"):
        load_classifier(tmp_path / "x.onnx")


def test_a_pt_without_ultralytics_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (tmp_path / "x.pt").write_bytes(b"\x80\x02.")
    with pytest.raises(ExtraError, match="ultralytics") as caught:
        load_classifier(tmp_path / "x.pt")
    assert "saec[yolo]" in caught.value.remedy


def test_preparation_keeps_the_centre_and_the_aspect() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = 255
    np.testing.assert_array_equal(classifier_input(image, 100, 100), image[:, 100:200])
    assert classifier_input(image, 50, 50)[:, 2:-2].min() == 255
    assert classifier_input(image.transpose(1, 0, 2), 50, 50)[2:-2].min() == 255
    assert classifier_input(image, 100, 100, roi=(0, 0, 90, 90)).max() == 0


@given(st.tuples(*[st.integers(1, 90)] * 4))
@settings(max_examples=60, deadline=None)
def test_preparation_gives_the_size_asked_for_any_frame(sizes: tuple[int, int, int, int]) -> None:
    h, w, height, width = sizes
    assert classifier_input(np.zeros((h, w, 3), np.uint8), height, width).shape == (height, width, 3)


def test_a_roi_outside_the_frame_is_an_error() -> None:
    with pytest.raises(ImageError, match="outside a frame of 20 x 10"):
        classifier_input(np.zeros((10, 20, 3), np.uint8), 8, 8, roi=(0, 0, 21, 10))


def test_confidence_at_its_ends() -> None:
    assert confidence(np.full(8, 1 / 8)) == Confidence(1 / 8, 0.0, 1.0)
    assert confidence(np.eye(8)[2]) == Confidence(1.0, 1.0, 0.0)
    seen = confidence(np.array([0.6, 0.3, 0.1]))
    assert seen.margin == pytest.approx(0.3)
    assert seen.ent == pytest.approx(
        -(0.6 * math.log(0.6) + 0.3 * math.log(0.3) + 0.1 * math.log(0.1)) / math.log(3)
    )


@pytest.mark.parametrize("values", [[np.nan, 1.0], [-0.1, 1.1], [0.0, 0.0], [1.0], [np.inf, 0.0]])
def test_what_is_no_distribution_is_an_error(values: list[float]) -> None:
    with pytest.raises(ModelError, match="not a probability distribution"):
        confidence(np.array(values))


unit = st.floats(0, 1)


@given(
    arrays(np.float32, 12, elements=st.floats(0, 1, width=32)).filter(lambda p: p.sum() > 0),
    unit,
    unit,
    unit,
    st.floats(1e-3, 1),
)
@example(np.ones(12, np.float32), 0.0, 2.2e-309, 1.0, 1.0)
def test_the_score_reaches_the_threshold_exactly_when_the_rule_says_defect(
    p: np.ndarray, t1: float, t2: float, t3: float, spread: float
) -> None:
    seen = confidence(p)
    params = {"smax": t1, "margin": t2, "ent": t3} | {
        f"{n}_spread": spread for n in ("smax", "margin", "ent")
    }
    for threshold in (params, params | {"smax": seen.smax, "margin": seen.margin, "ent": seen.ent}):
        good = (
            seen.smax >= threshold["smax"]
            and seen.margin >= threshold["margin"]
            and seen.ent <= threshold["ent"]
        )
        assert (rule_score(seen, threshold) >= THRESHOLD) == (not good)


def test_thresholds_are_the_quantiles_of_goods_unless_given() -> None:
    goods = [Confidence(i / 100, i / 200, i / 400) for i in range(101)]
    params = fit_rule(goods, YoloRule(margin=0.07))
    assert params["smax"] == pytest.approx(0.2)
    assert params["margin"] == 0.07
    assert params["ent"] == pytest.approx(0.2)
    assert params["smax_spread"] == pytest.approx(0.5)
    assert all(v > 0 for k, v in fit_rule(goods[:1] * 3, YoloRule()).items() if k.endswith("spread"))


def _line(tmp_path: Path, goods: list[Image], rule: YoloRule | None = None) -> tuple[LineProfile, np.ndarray]:
    folder = tmp_path / "line"
    folder.mkdir()
    begin = FitStart((32, 32), FitConfig(threads=1), folder)
    learner = yolo_fit(_classifier(tmp_path / "c.xml"), rule or YoloRule())(begin)
    for number, image in enumerate(goods):
        learner.add(TrainFrame(str(number), image, GOOD, str(number)))
    fit = learner.finish()
    assert fit.threshold is not None
    calibration = Calibration(
        version=1,
        created="2026-01-01T00:00:00",
        overkill=0.05,
        threshold=fit.threshold,
        gate=Gate(low=0.0, high=1.0, basis="goods"),
    )
    line = LineRecord(
        name="l",
        created="2026-01-01T00:00:00",
        saec="0",
        dataset="d",
        preparation=fit.preparation,
        detector=fit.detector,
        calibration=1,
    )
    LineProfile.create(folder, line, calibration)
    return LineProfile.open(folder), np.array(list(fit.goods.values()))


def test_the_line_scores_as_the_fit_and_labels_as_the_rule(tmp_path: Path) -> None:
    goods = _images(12)
    profile, scores = _line(tmp_path, goods)
    detector = YoloDetector(profile)
    opinions = detector.inspect(goods)
    np.testing.assert_allclose([o.score for o in opinions], scores, rtol=0, atol=1e-9)
    params = profile.line.detector.params
    for image, opinion in zip(goods, opinions, strict=True):
        seen = detector.confidence(image)
        good = seen.smax >= params["smax"] and seen.margin >= params["margin"] and seen.ent <= params["ent"]
        assert opinion.label == (GOOD if good else DEFECT)
        assert opinion.map is None
    assert {o.label for o in opinions} == {GOOD, DEFECT}
    assert [detector.inspect([i])[0].score for i in goods] == [o.score for o in opinions]


def test_given_thresholds_decide(tmp_path: Path) -> None:
    goods = _images(6)
    profile, _ = _line(tmp_path, goods, YoloRule(smax=0.0, margin=0.0, ent=1.0))
    assert [o.label for o in YoloDetector(profile).inspect(goods)] == [GOOD] * 6


def test_the_profile_is_hashed_and_holds_graph_and_rule_alone(tmp_path: Path) -> None:
    profile, _ = _line(tmp_path, _images(4))
    assert set(profile.line.detector.files) == {GRAPH, "detector.bin"}
    assert profile.line.detector.kind == "yolo"
    assert (profile.line.preparation.height, profile.line.preparation.width) == (32, 32)


def test_one_good_image_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 good images"):
        _line(tmp_path, _images(1))

"""The head is one function: by NumPy, in OpenVINO and in ONNX, in batches and one by one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
from onnx import helper
from openvino import opset13

from saec.edge.graph import GRAPH, compile_graph
from saec.edge.learning.head.detector_graph import FEATURES, features_of, head_alone, save_graph, with_head
from saec.edge.learning.head.detector_head import PatchModel, head
from saec.edge.learning.head.onnx_file import INPUT, replace_head
from saec.edge.learning.head.tensor_ops import Array, NumpyOps
from saec.errors import LineError
from saec.rounding import apart
from tests.edge.learning.head.random_heads import CHANNELS, HEIGHT, WIDTH, random_features, random_head

CASES = [(learned, region) for learned in (False, True) for region in (False, True)]


def bound(values: Array) -> float:
    """What float32 may move: sums of all features and patches, through a root of a difference."""
    return float(np.sqrt(apart(4096, 1.0)) * (1.0 + np.abs(values).max()))


def feature_graph() -> ov.Model:
    """A graph whose features are the frame's own pixels, each channel by another factor."""
    frame = opset13.parameter([1, HEIGHT, WIDTH, CHANNELS], ov.Type.u8)
    moved = opset13.transpose(opset13.convert(frame, "f32"), np.array([0, 3, 1, 2]))
    return ov.Model([opset13.result(opset13.multiply(moved, np.full(1, 0.02, np.float32)))], [frame])


def frame(seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (1, HEIGHT, WIDTH, CHANNELS), np.uint8)


def features_in(picture: Array) -> Array:
    return (picture.transpose(0, 3, 1, 2) * np.float32(0.02)).astype(np.float32)


@pytest.mark.parametrize(("learned", "region"), CASES)
def test_a_batch_gives_what_single_frames_give(learned: bool, region: bool) -> None:
    model, features = random_head(learned=learned, region=region), random_features(1, 5)
    together = head(NumpyOps(), features, model, 5)
    for at, one in enumerate(features):
        alone = head(NumpyOps(), one[None], model)
        assert abs(alone.score[0] - together.score[at]) <= bound(alone.score)
        assert np.abs(alone.map[0] - together.map[at]).max() <= bound(alone.map)


@pytest.mark.parametrize(("learned", "region"), CASES)
def test_the_graph_is_the_head(learned: bool, region: bool, tmp_path: Path) -> None:
    model = random_head(learned=learned, region=region)
    save_graph(with_head(feature_graph(), model), tmp_path)
    graph = compile_graph(tmp_path / GRAPH, "f32", 1)
    names = ["score", "map", "kinds"] if learned else ["score", "map"]
    assert [next(iter(output.get_names())) for output in graph.outputs] == names
    alone = compile_graph(head_alone(model, (1, CHANNELS, HEIGHT, WIDTH)), "f32", 1)
    for seed in range(4):
        features = features_in(frame(seed))
        reference = head(NumpyOps(), features, model)
        for score, anomaly in ((graph(frame(seed))[i] for i in (0, 1)), (alone(features)[i] for i in (0, 1))):
            assert abs(score[0] - reference.score[0]) <= bound(reference.score)
            assert np.abs(anomaly - reference.map).max() <= bound(reference.map)
        if reference.kinds is not None:
            assert np.abs(graph(frame(seed))[2] - reference.kinds).max() <= bound(reference.kinds)


@pytest.mark.parametrize(("learned", "region"), CASES)
def test_onnx_is_the_head_and_takes_another(learned: bool, region: bool, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [INPUT], ["real"], name="real", to=onnx.TensorProto.FLOAT),
            helper.make_node("Transpose", ["real"], ["moved"], name="moved", perm=[0, 3, 1, 2]),
            helper.make_node("Mul", ["moved", "factor"], [FEATURES], name="scaled"),
        ],
        "features",
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, (1, HEIGHT, WIDTH, CHANNELS))],
        [helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, (1, CHANNELS, HEIGHT, WIDTH))],
        [onnx.numpy_helper.from_array(np.full(1, 0.02, np.float32), "factor")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    for seed in (1, 2):  # the second takes the place of the first
        model = random_head(seed, learned=learned, region=region)
        replace_head(path, model, path)
        onnx.checker.check_model(str(path))
        session = onnxruntime.InferenceSession(path)
        score, anomaly, *kinds = session.run(None, {INPUT: frame(seed)})
        reference = head(NumpyOps(), features_in(frame(seed)), model)
        assert abs(score[0] - reference.score[0]) <= bound(reference.score)
        assert np.abs(anomaly - reference.map).max() <= bound(reference.map)
        if reference.kinds is not None:
            assert np.abs(kinds[0] - reference.kinds).max() <= bound(reference.kinds)
    assert len(onnx.load(path).graph.output) == (3 if learned else 2)


def test_the_features_come_out_of_a_saved_graph(tmp_path: Path) -> None:
    save_graph(with_head(feature_graph(), random_head()), tmp_path)
    features = compile_graph(features_of(tmp_path / GRAPH), "f32", 1)
    assert (features(frame(1))[0] == features_in(frame(1))).all()
    again = with_head(features_of(tmp_path / GRAPH), random_head())
    (tmp_path / "again").mkdir()
    save_graph(again, tmp_path / "again")
    for name in (GRAPH, "detector.bin"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_graph_without_features_is_named(tmp_path: Path) -> None:
    save_graph(feature_graph(), tmp_path)
    with pytest.raises(LineError, match="can be taught"):
        features_of(tmp_path / GRAPH)
    with pytest.raises(LineError, match="cannot be read"):
        features_of(tmp_path / "nowhere.xml")


@pytest.mark.parametrize("region", [False, True])
def test_what_defects_taught_only_adds(region: bool) -> None:
    model, features = random_head(region=region), random_features(3, 40)
    with_it, without = (
        head(NumpyOps(), features, model, 40),
        head(NumpyOps(), features, PatchModel(model.goods), 40),
    )
    assert (with_it.score >= without.score).all()
    assert (with_it.map >= without.map).all()
    assert (with_it.score > without.score).any()


@pytest.mark.parametrize("half", [0, 1])
def test_a_half_without_weight_is_left_out(half: int) -> None:
    model, features = random_head(), random_features(4)
    assert model.defects is not None
    gain = np.array([2.0, 1.0], np.float32)
    gain[half] = 0
    silent = dataclasses.replace(model.defects, gain=gain, hot_offset=-1e9 if half == 0 else 0.3)
    one = head(NumpyOps(), features, dataclasses.replace(model, defects=silent))
    assert np.isfinite(one.map).all()
    assert one.score[0] <= head(NumpyOps(), features, model).score[0] or half == 1


def test_outside_the_region_nothing_is_shown() -> None:
    model = random_head(region=True)
    anomaly = head(NumpyOps(), random_features(5), model).map[0]
    assert model.goods.inside is not None
    outside = np.ones(anomaly.size, np.bool_)
    outside[model.goods.inside] = False
    assert not anomaly.ravel()[outside].any()
    assert anomaly.ravel()[model.goods.inside].any()

"""``saec models convert``: what goes where, and that no pickle runs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from saec.cli import main
from saec.edge import model_conversion as module
from saec.edge.model_conversion import convert_model
from saec.errors import ModelError

torch = pytest.importorskip("torch", reason="needs torch: sh scripts/torch.sh VENV")


def _graph(path: Path) -> Path:
    x = ops.parameter([1, 3], np.float32)
    ov.save_model(ov.Model([ops.add(x, ops.constant(np.float32(2)))], [x], "plus"), path)
    return path


def test_a_graph_becomes_openvino_with_the_same_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _graph(tmp_path / "g.xml")
    assert main(["models", "convert", str(source), "--out", str(tmp_path / "out")]) == 0
    made = tmp_path / "out" / "g.xml"
    assert str(made) in capsys.readouterr().out
    answer = ov.Core().compile_model(made, "CPU")(np.array([[1, 2, 3]], np.float32))[0]
    np.testing.assert_array_equal(answer, [[3, 4, 5]])


def test_a_graph_is_not_written_over_itself(tmp_path: Path) -> None:
    source = _graph(tmp_path / "g.xml")
    with pytest.raises(ModelError, match="give another --out"):
        convert_model(source, tmp_path, "openvino")


def test_tensors_become_safetensors_tied_or_nested(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"state_dict": {"a": weight, "tied": weight, "t": weight.T}}, tmp_path / "m.bin")
    assert main(["models", "convert", str(tmp_path / "m.bin"), "--out", str(tmp_path / "o")]) == 0
    loaded = load_file(tmp_path / "o" / "m.safetensors")
    assert set(loaded) == {"a", "tied", "t"}
    assert torch.equal(loaded["t"], weight.T)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


def test_a_pickle_that_holds_code_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Bomb()}, "m.pth")
    with pytest.raises(ModelError, match="not a file of tensors alone"):
        convert_model(Path("m.pth"), Path("o"), "safetensors")
    assert not Path("exploded").exists()


@pytest.mark.parametrize("content", [{"a": 1}, {}, [torch.zeros(1)]])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(ModelError, match="no weights"):
        convert_model(tmp_path / "m.pth", tmp_path, "safetensors")


@pytest.mark.parametrize(
    ("name", "target"), [("m.onnx", "safetensors"), ("m.onnx", "onnx"), ("m.bin", "openvino"), ("m", "onnx")]
)
def test_ways_that_do_not_exist_are_named(tmp_path: Path, name: str, target: module.Target) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=f"no conversion from .* to {target}"):
        convert_model(tmp_path / name, tmp_path / "o", target)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        convert_model(tmp_path / "m.onnx", tmp_path, "openvino")
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot be read"):
        convert_model(tmp_path / "m.onnx", tmp_path / "o", "openvino")


def _ultralytics(folder: Path, body: str) -> dict[str, str]:
    """A package of that name which stands in for the real one, in the process that opens the .pt."""
    (folder / "ultralytics").mkdir(parents=True)
    (folder / "ultralytics" / "__init__.py").write_text(body)
    return {"PYTHONPATH": str(folder)}


GOOD = """
import os, pathlib
assert os.environ["YOLO_AUTOINSTALL"] == "false" and os.environ["YOLO_OFFLINE"] == "true"
settings = {}
class YOLO:
    task = "classify"
    def __init__(self, path):
        self.path = pathlib.Path(path)
    def export(self, format, imgsz=None, **_):
        assert format == "onnx"
        words = b"graph of " + self.path.read_bytes() + str(imgsz or "").encode()
        self.path.with_suffix(".onnx").write_bytes(words)
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())


@pytest.mark.usefixtures("installed")
def test_a_pt_is_exported_in_ultralytics_own_process_beside_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in _ultralytics(tmp_path / "site", GOOD).items():
        monkeypatch.setenv(key, value)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "best.pt").write_bytes(b"weights")
    (made,) = convert_model(tmp_path / "in" / "best.pt", tmp_path / "o", "onnx")
    assert made == tmp_path / "o" / "best.onnx"
    assert made.read_bytes() == b"graph of weights"
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["best.pt"]
    sized = module.export_ultralytics(tmp_path / "in" / "best.pt", tmp_path, side=448)
    assert sized.read_bytes() == b"graph of weights448"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (GOOD.replace("classify", "detect"), "task 'detect', not 'classify'"),
        ("raise RuntimeError('no such layer')", "no such layer"),
        (GOOD.replace("write_bytes", "with_name"), "cannot export"),
    ],
)
def test_a_failed_export_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    for key, value in _ultralytics(tmp_path / "site", body).items():
        monkeypatch.setenv(key, value)
    (tmp_path / "best.pt").write_bytes(b"weights")
    with pytest.raises(ModelError, match=words):
        convert_model(tmp_path / "best.pt", tmp_path / "o", "openvino")


@pytest.mark.usefixtures("installed")
def test_this_process_never_opens_the_pt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        seen.append(command)
        Path(command[3]).with_suffix(".onnx").write_bytes(b"graph")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("opened the pickle here"))
    (tmp_path / "best.pt").write_bytes(b"\x80\x02.")
    convert_model(tmp_path / "best.pt", tmp_path / "o", "onnx")
    assert len(seen) == 1

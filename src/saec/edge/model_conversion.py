"""Model files from one format to another, once, so that what runs later reads no pickle.

A pickle can run any code when it is opened. Ultralytics' own .pt is opened in ultralytics' own process
alone; other PyTorch files with ``weights_only=True``, which reads tensors and nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from saec.edge.graph import core
from saec.errors import ExtraError, ModelError
from saec.silence import CHILD

Target = Literal["openvino", "onnx", "safetensors"]
GRAPHS = (".xml", ".onnx", ".tflite")
CHECKPOINTS = (".bin", ".pth", ".ckpt")

_EXPORT = f"""{CHILD}
from ultralytics import YOLO, settings
settings.update({{"sync": False}})  # no report on the use of the library
model = YOLO(sys.argv[1])
if model.task != "classify":
    sys.exit(f"a model of task '{{model.task}}', not 'classify'")
size = {{"imgsz": int(sys.argv[2])}} if len(sys.argv) > 2 else {{}}
model.export(format="onnx", dynamic=False, simplify=False, **size)
"""


def default_target(source: Path) -> Target:
    """Where a file goes when nobody says: checkpoints to safetensors, the rest to OpenVINO."""
    return "safetensors" if source.suffix.lower() in CHECKPOINTS else "openvino"


def convert_model(source: Path, folder: Path, target: Target) -> list[Path]:
    """Convert one model file.

    Args:
        source: ultralytics' .pt (to openvino or onnx), .onnx, .tflite or .xml (to openvino), or a PyTorch
            file of tensors (to safetensors).
        folder: where the result goes; made when missing.
        target: format of the result.

    Returns:
        The files that were written.

    Raises:
        ModelError: no such file, or no way from this format to that one.
        ExtraError: a .pt without ultralytics.
    """
    if not source.is_file():
        raise ModelError(f"{source} does not exist", "give the path of a model file")
    suffix = source.suffix.lower()
    folder.mkdir(parents=True, exist_ok=True)
    if target == "safetensors" and suffix in (*CHECKPOINTS, ".pt"):
        return [_to_safetensors(source, folder / f"{source.stem}.safetensors")]
    if target == "onnx" and suffix == ".pt":
        return [export_ultralytics(source, folder)]
    if target == "openvino" and suffix in GRAPHS:
        return _to_openvino(source, folder / f"{source.stem}.xml")
    if target == "openvino" and suffix == ".pt":
        with tempfile.TemporaryDirectory() as scratch:
            return _to_openvino(export_ultralytics(source, Path(scratch)), folder / f"{source.stem}.xml")
    raise ModelError(
        f"{source}: no conversion from {suffix or 'a file without suffix'} to {target}",
        "`saec models convert --help` lists the conversions",
    )


def export_ultralytics(weights: Path, folder: Path, *, side: int | None = None) -> Path:
    """Export ultralytics' .pt classifier to ONNX, in a process of its own that opens the pickle.

    Args:
        weights: the .pt; it stays as it is.
        folder: where ``STEM.onnx`` goes.
        side: input size in pixels; None takes the one that it was trained at.

    Raises:
        ExtraError: ultralytics is not installed.
        ModelError: it is not a classification model, or the export failed.
    """
    if importlib.util.find_spec("ultralytics") is None:
        raise ExtraError("ultralytics", "yolo")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / weights.name  # ultralytics writes beside its input
        shutil.copyfile(weights, copy)
        # It shall fetch nothing by itself, not ask for a newer version, and leave the home folder alone.
        quiet = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": scratch}
        run = subprocess.run(
            [sys.executable, "-c", _EXPORT, str(copy), *([] if side is None else [str(side)])],
            cwd=scratch,
            env=os.environ | quiet,
            capture_output=True,
            text=True,
        )
        made = copy.with_suffix(".onnx")
        if run.returncode or not made.is_file():
            words = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:] or ["no output"]
            raise ModelError(
                f"ultralytics cannot export {weights}: {words[0]}", "give a YOLO classification model"
            )
        return Path(shutil.copyfile(made, folder / made.name))


def _to_openvino(source: Path, target: Path) -> list[Path]:
    import openvino as ov

    if source.resolve() == target.resolve():
        raise ModelError(f"the result would replace {source}", "give another --out")
    try:
        model = core().read_model(source)
    except RuntimeError as e:
        raise ModelError(
            f"{source} cannot be read: {str(e).strip().splitlines()[-1]}", "export the model again"
        ) from e
    ov.save_model(model, target, compress_to_fp16=False)
    return [target, target.with_suffix(".bin")]


def _to_safetensors(source: Path, target: Path) -> Path:
    try:
        import torch
        from safetensors.torch import save_file
    except ModuleNotFoundError:
        raise ExtraError("torch", "fit") from None
    try:
        content: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as e:  # any damage to the file, or a forbidden object, ends here
        raise ModelError(
            f"{source} is not a file of tensors alone: {str(e).strip().splitlines()[0]}",
            "ask its maker for safetensors; files that hold code are never opened",
        ) from e
    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if not tensors or not all(isinstance(v, torch.Tensor) for v in tensors.values()):
        raise ModelError(
            f"{source} holds no weights (no state_dict)", "save model.state_dict() and convert that file"
        )
    # A copy of each: tied weights share memory, which safetensors does not store.
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, target)
    return target

"""For all tests: one thread for every numerical library, no deadlines, and one small line, fitted once."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.run_fakes import FakeCloud, Frames

# Before any of them is loaded: on shared cores their threads wait for each other longer than they compute.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

if importlib.util.find_spec("triton") is not None:
    import torch

    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = (
            "1"  # Triton reads it when a kernel is defined, so before saec is loaded
        )

CAP = "ONEDNN_MAX_CPU_ISA"

if os.environ.get(CAP) in ("SSE41", "AVX"):
    # For torch alone: OpenVINO, whose oneDNN reads it at the first graph, cannot compile below AVX2.
    held = os.environ.pop(CAP)
    import openvino as ov
    from openvino import opset13

    from saec.edge.graph import compile_graph

    data = opset13.parameter([1, 4], ov.Type.f32)
    product = opset13.matmul(data, opset13.constant([[1.0] * 4] * 4, ov.Type.f32), False, False)
    compile_graph(ov.Model([product], [data]), "f32", 1)
    os.environ[CAP] = held

settings.register_profile("saec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("saec")

SIDE = 128


@pytest.fixture(scope="session")
def gears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of gears: 14 train goods, 4 train defects, 4 goods and 4 plain defects to test on."""
    import cv2

    from saec.data.procedural import draw_product

    root = tmp_path_factory.mktemp("data") / "gears"
    product = draw_product("gear", 3)
    for folder, count, first in (
        ("train/good", 14, 0),
        ("train/defect", 4, 50),
        ("test/good", 4, 100),
        ("test/defect", 4, 150),
    ):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            kind = None if folder.endswith("good") else product.kinds[i % len(product.kinds)]
            image = product.render(first + i, kind=kind, difficulty=0.0, size=SIDE).image
            assert cv2.imwrite(str(root / folder / f"{i:03d}.png"), image[..., ::-1])
    return root


@pytest.fixture(scope="session")
def gear_line(gears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The line profile of the gears: the default detector with its real backbone, at 128 px."""
    from saec.data.dataset import open_dataset
    from saec.edge.training.detector_fit import patch_fit
    from saec.lines.line_fit import fit_line
    from saec.settings import FitConfig, GateConfig

    out = tmp_path_factory.mktemp("lines") / "gears"
    config = FitConfig(side_px=SIDE, memory_patches=512, folds=4, threads=1, overkill_rate=0.1)
    fit_line(
        open_dataset(gears),
        out,
        patch_fit(),
        config=config,
        gate=GateConfig(),
        created="2026-01-01T00:00:00+00:00",
    )
    return out


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    from tests.run_fakes import Frames

    return Frames(tmp_path / "frames")


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    """Every line is judged by a ``FakeDetector`` and every cloud is this fake."""
    from saec import cloud, edge
    from tests.run_fakes import FakeCloud, FakeDetector

    engine = FakeCloud()
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(), raising=False)
    monkeypatch.setattr(cloud, "open_engine", lambda config: engine)
    return engine

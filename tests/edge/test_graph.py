"""One core for the process: a graph that another thread drops takes nothing away from who compiled it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13

from saec.edge import graph
from saec.errors import ConfigError, ModelError

pytestmark = pytest.mark.numeric

CHILD = """
import gc, os, signal, sys, threading
from saec.edge.graph import compile_graph

heeded = []
signal.signal(signal.SIGTERM, lambda *_: heeded.append("heeded"))
held = [compile_graph(sys.argv[1], "f32", 1)]

def drop():
    held.clear()
    gc.collect()

other = threading.Thread(target=drop)
other.start()
other.join()
os.kill(os.getpid(), signal.SIGTERM)
print(*heeded)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    data = opset13.parameter([1, 3], ov.Type.f32)
    ov.save_model(
        ov.Model([opset13.multiply(data, opset13.constant(2.0, ov.Type.f32))], [data]), tmp_path / "m.xml"
    )
    return tmp_path / "m.xml"


def test_a_signal_is_heeded_after_another_thread_has_dropped_the_graph(model: Path) -> None:
    """Without the one core this dies of SIGSEGV on a CPU with AMX."""
    child = subprocess.run([sys.executable, "-c", CHILD, model], capture_output=True, text=True, timeout=120)
    assert (child.returncode, child.stdout.strip()) == (0, "heeded"), child.stderr


def test_all_graphs_of_a_process_are_of_one_core(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    real = ov.Core

    def counted() -> object:
        made.append(real())
        return made[-1]

    monkeypatch.setattr(ov, "Core", counted)
    monkeypatch.setattr(graph, "_cores", [])
    threads = [threading.Thread(target=graph.compile_graph, args=(str(model), "f32", 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_device_that_is_not_there_is_refused_with_those_that_are(model: Path) -> None:
    found = graph.devices()
    assert "CPU" in found
    for device in {"GPU", "GPU.7", "NPU", "AUTO", "HETERO:CPU", ""} - set(found):
        if any(name.startswith(f"{device}.") for name in found):
            continue
        with pytest.raises(ConfigError, match=f"finds no device {device} on this machine") as caught:
            graph.compile_graph(str(model), "f32", 1, device)
        assert all(name in caught.value.what for name in found)


def test_every_device_of_this_machine_gives_what_the_cpu_gives(model: Path) -> None:
    expected = [[2.0, 4.0, 6.0]]
    for device in graph.devices():
        made = graph.compile_graph(str(model), "f32", 1, device)(np.array([[1, 2, 3]], np.float32))[0]
        np.testing.assert_allclose(made, expected, rtol=1e-2)


HELD = """
import sys
from saec.edge.graph import compile_graph
from saec.errors import ModelError
try:
    compile_graph(sys.argv[1], "f32", 1)
except ModelError as e:
    assert "while ONEDNN_MAX_CPU_ISA=SSE41 holds back" in e.what, e
    assert e.remedy == "unset ONEDNN_MAX_CPU_ISA", e
"""


def test_a_cpu_that_is_held_back_is_named_where_openvino_cannot_follow(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it can is the CPU's affair; a bare error of its compiler is never what a user sees."""
    held = os.environ | {"ONEDNN_MAX_CPU_ISA": "SSE41"}
    child = subprocess.run([sys.executable, "-c", HELD, model], capture_output=True, text=True, env=held)
    assert child.returncode == 0, child.stderr
    monkeypatch.setattr(graph, "_cores", [])

    class Failing:
        def compile_model(self, *_: object) -> None:
            raise RuntimeError("bad combination")

    monkeypatch.setattr(graph, "core", Failing)
    for name in graph.CAPS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="bad combination"):
        graph.compile_graph(str(model), "f32", 1)
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX")
    with pytest.raises(ModelError, match="DNNL_MAX_CPU_ISA=AVX") as caught:
        graph.compile_graph(str(model), "f32", 1)
    assert caught.value.remedy == "unset DNNL_MAX_CPU_ISA"

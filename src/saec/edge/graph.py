"""Compile an OpenVINO graph for the line's device: precision and threads are pinned, and no default's."""

from __future__ import annotations

import os
import threading
from typing import Any, Final, Literal

from saec.errors import ConfigError, ModelError
from saec.settings import FitConfig, Precision

CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that hold oneDNN to older instructions, torch's and OpenVINO's alike. OpenVINO's own kernels do
not heed them: it mixes both, and may then fail to compile."""

GRAPH = "detector.xml"
"""The graph's file in a line profile, of either detector; its weights lie beside it as .bin."""

CPU = FitConfig().device
"""The device that every machine has."""

_making = threading.Lock()
_cores: list[Any] = []


SLIGHT = 1e-3
"""By how much of itself (of 1 where it is less) a score may differ between two executions of one detector."""


def core() -> Any:
    """The process's one ``openvino.Core``, made at its first use and never given up.

    The CPU plugin of a core gives the thread that first compiles with it another stack for signals (where the
    CPU has AMX), and takes that stack out of memory with its last graph. If another thread drops that graph,
    as a station's does that learns who its cloud is, the first thread keeps the address of what has gone, and
    its next signal, such as SIGTERM, ends the process with SIGSEGV.
    """
    import openvino as ov

    with _making:
        if not _cores:
            _cores.append(ov.Core())
        return _cores[0]


OPENVINO_TYPES: Final[dict[Precision, Literal["f32", "bf16", "int8"]]] = {
    "float32": "f32",
    "bfloat16": "bf16",
    "int8": "int8",
}
"""OpenVINO's names of the arithmetic that the settings name."""

_BESIDE: Final = {"int8": "f32"}
"""What a graph computes in where its own quantisers do not say int8."""


def compile_graph(model: Any, precision: str, threads: int, device: str = CPU) -> Any:
    """Compile a model, or the file of one, for a device.

    Args:
        model: an ``openvino.Model`` or the path of one.
        precision: "f32", "bf16", or "int8" for a graph that has quantisers; OpenVINO's own default depends on
            the device. An NPU has but one.
        threads: upper bound on a CPU; never more than it has.
        device: "CPU", "GPU", "GPU.1", "NPU": one of ``openvino.Core.available_devices``.

    Raises:
        ConfigError: there is no such device.
        ModelError: it cannot run the model, or the environment holds the CPU back.
    """
    options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, **_arithmetic(precision, device)}
    if device == CPU:
        options["INFERENCE_NUM_THREADS"] = min(threads, os.cpu_count() or 1)
    return compiled(model, options, device)


def compile_streams(model: Any, precision: str, threads: int, device: str = CPU) -> Any:
    """Compile a model for many frames at once: a CPU gives each frame one thread. See ``compile_graph``."""
    options = {"PERFORMANCE_HINT": "THROUGHPUT", **_arithmetic(precision, device)}
    if device == CPU:
        count = min(threads, os.cpu_count() or 1)
        options |= {"NUM_STREAMS": count, "INFERENCE_NUM_THREADS": count}
    return compiled(model, options, device)


def _arithmetic(precision: str, device: str) -> dict[str, Any]:
    """What tells a device in which precision to compute; an NPU has but one."""
    return {} if device.startswith("NPU") else {"INFERENCE_PRECISION_HINT": _BESIDE.get(precision, precision)}


def compiled(model: Any, options: dict[str, Any], device: str = CPU) -> Any:
    """``compile_model`` for a device.

    Raises:
        ConfigError: there is no such device.
        ModelError: it cannot run the model; or the environment holds the CPU back, and OpenVINO cannot
            follow.
    """
    if device != CPU:
        check_device(device)
    try:
        return core().compile_model(model, device, options)
    except RuntimeError as e:
        if device != CPU:
            said = (str(e).strip().splitlines() or [""])[-1].strip()
            raise ModelError(
                f"the device {device} cannot run the detector: {said}",
                "update its driver, or take another device, such as CPU",
            ) from e
        held = {name: value for name in CAPS if (value := os.environ.get(name))}
        if not held:
            raise
        said = " ".join(f"{name}={value}" for name, value in held.items())
        raise ModelError(
            f"{said} disables CPU instructions that OpenVINO needs to compile",
            f"unset {' and '.join(held)}",
        ) from e


def check_device(device: str) -> None:
    """Refuse a device that OpenVINO does not find on this machine; AUTO and the like are none.

    Raises:
        ConfigError: it lists those that are there.
    """
    found = devices()
    if device in found or any(name.startswith(f"{device}.") for name in found):
        return
    raise ConfigError(
        f"OpenVINO finds no device {device} on this machine; it finds {', '.join(found)}",
        f"choose one of these, or install the driver of {device} (docs/edge.md#another-device)",
    )


def devices() -> list[str]:
    """The devices that OpenVINO finds on this machine, such as CPU, GPU.0, GPU.1 and NPU."""
    names: list[str] = core().available_devices
    return names


def other_arithmetic(graph: Any, precision: str) -> list[str]:
    """A sentence where a compiled graph computes otherwise than asked, as a CPU without bf16 makes it."""
    used = graph.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if used == _BESIDE.get(precision, precision):
        return []
    return [
        f"warning: this device cannot compute in {precision}, so the fit used {used}; "
        "fit again on a device like the line's, or with dtype float32"
    ]

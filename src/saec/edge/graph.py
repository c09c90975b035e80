"""Compile an OpenVINO graph for the line's CPU: precision and threads are pinned, never left to a default."""

from __future__ import annotations

import os
import threading
from typing import Any, Final, Literal

from saec.errors import ModelError
from saec.settings import Precision

CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that hold oneDNN to older instructions, torch's and OpenVINO's alike. OpenVINO's own kernels do
not heed them: it mixes both, and may then fail to compile."""

GRAPH = "detector.xml"
"""The graph's file in a line profile, of either detector; its weights lie beside it as .bin."""

_making = threading.Lock()
_cores: list[Any] = []


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


OPENVINO_TYPES: Final[dict[Precision, Literal["f32", "bf16"]]] = {"float32": "f32", "bfloat16": "bf16"}
"""OpenVINO's names of the arithmetic that the settings name."""


def compile_graph(model: Any, precision: str, threads: int) -> Any:
    """Compile a model, or the file of one, for the CPU.

    Args:
        model: an ``openvino.Model`` or the path of one.
        precision: "f32" or "bf16"; OpenVINO's own default depends on the CPU.
        threads: upper bound; never more than the CPU has.
    """
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": min(threads, os.cpu_count() or 1),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    return compiled(model, options)


def compiled(model: Any, options: dict[str, Any]) -> Any:
    """``compile_model`` for the CPU.

    Raises:
        ModelError: the environment holds the CPU back, and OpenVINO cannot follow.
    """
    try:
        return core().compile_model(model, "CPU", options)
    except RuntimeError as e:
        held = {name: value for name in CAPS if (value := os.environ.get(name))}
        if not held:
            raise
        said = " ".join(f"{name}={value}" for name, value in held.items())
        raise ModelError(
            f"{said} disables CPU instructions that OpenVINO needs to compile",
            f"unset {' and '.join(held)}",
        ) from e


def other_arithmetic(graph: Any, precision: str) -> list[str]:
    """A sentence where a compiled graph computes otherwise than asked, as a CPU without bf16 makes it."""
    used = graph.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if used == precision:
        return []
    return [
        f"warning: this CPU cannot compute in {precision}, so the fit used {used}; "
        "fit again on a CPU like the line's, or with dtype float32"
    ]

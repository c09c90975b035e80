"""The GPU's own counters, or the reason why there are none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from saec.errors import ConfigError


class Gpu(ABC):
    """One GPU, as far as a meter needs it.

    Attributes:
        name: the driver's name of it; "" where there is none.
        notes: what of it cannot be measured and why.
    """

    name: str = ""
    notes: tuple[str, ...] = ()

    @abstractmethod
    def energy_j(self) -> float | None:
        """Joules since some moment in the past, of the whole device; None when not measured."""

    @abstractmethod
    def utilisation(self) -> float | None:
        """Per cent of the last moment (a sixth of a second to one second) in which a kernel ran."""

    def close(self) -> None:
        """Give the driver's handle back; harmless when there is none."""
        return


class NullGpu(Gpu):
    """No GPU, or none that can be read.

    Args:
        reason: goes into the notes of every reading.
    """

    def __init__(self, reason: str) -> None:
        self.notes = (f"GPU not measured: {reason}",)

    def energy_j(self) -> float | None:
        return None

    def utilisation(self) -> float | None:
        return None


class NvmlGpu(Gpu):
    """A GPU read through NVML.

    Energy is NVML's total energy counter (millijoules since the driver was loaded, Volta and newer; it moves
    about every 100 ms), not mean power times time: NVML's power is itself an average over a second.

    Args:
        nvml: the pynvml module, initialised.
        index: the GPU's place in NVML's order, which ``CUDA_VISIBLE_DEVICES`` does not change.
    """

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self.name = str(nvml.nvmlDeviceGetName(self._handle))
        self._has_energy = self._answers(nvml.nvmlDeviceGetTotalEnergyConsumption)
        self._has_utilisation = self._answers(nvml.nvmlDeviceGetUtilizationRates)
        lacks = {"energy counter": self._has_energy, "utilisation": self._has_utilisation}
        self.notes = tuple(f"{self.name} has no {what}" for what, there in lacks.items() if not there)

    def energy_j(self) -> float | None:
        if not self._has_energy:
            return None
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3

    def utilisation(self) -> float | None:
        if not self._has_utilisation:
            return None
        return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _answers(self, query: Any) -> bool:
        try:
            query(self._handle)
        except self._nvml.NVMLError_NotSupported:
            return False
        return True


def open_gpu(index: int | None) -> Gpu:
    """The GPU of that number, or a ``NullGpu`` that says why there is none.

    Args:
        index: NVML's number of the GPU; None measures none.

    Raises:
        ConfigError: there are GPUs, but none of that number.
    """
    if index is None:
        return NullGpu("no GPU was chosen")
    try:
        import pynvml
    except ImportError:
        return NullGpu("nvidia-ml-py is not installed (pip install 'saec[gpu]')")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as e:
        return NullGpu(f"no NVIDIA driver here ({e})")
    count = int(pynvml.nvmlDeviceGetCount())
    if 0 <= index < count:
        return NvmlGpu(pynvml, index)
    pynvml.nvmlShutdown()
    if count == 0:
        return NullGpu("the NVIDIA driver sees no GPU")
    raise ConfigError(f"there is no GPU {index}", f"give a number from 0 to {count - 1}")

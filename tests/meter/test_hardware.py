import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saec.errors import ConfigError
from saec.meter.gpu import NullGpu, NvmlGpu, open_gpu
from saec.meter.rapl import NullCpu, Rapl, open_cpu


class _NvmlError(Exception):
    pass


class _NotSupported(_NvmlError):
    pass


def _nvml(count: int = 1, *, counter: bool = True, driver: bool = True) -> Any:
    """A driver with counters that the test sets."""
    state = SimpleNamespace(energy=5_000, utilisation=40, open=0)

    def init() -> None:
        if not driver:
            raise _NvmlError("Driver Not Loaded")
        state.open += 1

    def energy(_: int) -> int:
        if not counter:
            raise _NotSupported("Not Supported")
        return state.energy

    def shutdown() -> None:
        state.open -= 1

    return SimpleNamespace(
        state=state,
        NVMLError=_NvmlError,
        NVMLError_NotSupported=_NotSupported,
        nvmlInit=init,
        nvmlShutdown=shutdown,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: f"Test GPU {handle}",
        nvmlDeviceGetTotalEnergyConsumption=energy,
        nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=state.utilisation, memory=3),
    )


def test_nvml_millijoules_become_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = _nvml(2)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpu = open_gpu(1)
    assert isinstance(gpu, NvmlGpu)
    assert gpu.name == "Test GPU 1"
    assert gpu.energy_j() == 5.0
    nvml.state.energy += 1_234
    assert gpu.energy_j() == 6.234
    assert gpu.utilisation() == 40.0
    assert not gpu.notes
    gpu.close()
    assert nvml.state.open == 0


def test_a_gpu_without_the_counter_is_unknown_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", _nvml(counter=False))
    gpu = open_gpu(0)
    assert gpu.energy_j() is None
    assert gpu.utilisation() == 40.0
    assert gpu.notes == ("Test GPU 0 has no energy counter",)


@pytest.mark.parametrize(
    ("nvml", "reason"),
    [
        (None, "nvidia-ml-py"),
        (_nvml(driver=False), "Driver Not Loaded"),
        (_nvml(count=0), "sees no GPU"),
    ],
)
def test_without_a_gpu_everything_is_none_and_says_why(
    monkeypatch: pytest.MonkeyPatch, nvml: Any, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpu = open_gpu(0)
    assert isinstance(gpu, NullGpu)
    assert (gpu.energy_j(), gpu.utilisation()) == (None, None)
    assert reason in gpu.notes[0]
    gpu.close()


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = _nvml(count=2)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with pytest.raises(ConfigError, match="no GPU 2"):
        open_gpu(2)
    assert nvml.state.open == 0, "the driver is closed again"
    assert isinstance(open_gpu(None), NullGpu)


def _zone(root: Path, folder: str, name: str, energy: int, top: int = 1_000_000) -> Path:
    zone = root / folder
    zone.mkdir(parents=True)
    (zone / "name").write_text(name + "\n")
    (zone / "energy_uj").write_text(f"{energy}\n")
    (zone / "max_energy_range_uj").write_text(f"{top}\n")
    return zone


def test_rapl_sums_packages_and_wraps(tmp_path: Path) -> None:
    first = _zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    second = _zone(tmp_path, "intel-rapl:1", "package-1", 10)
    others = [
        _zone(tmp_path, "intel-rapl:0:0", "core", 0),
        _zone(tmp_path, "intel-rapl:2", "psys", 0),
        _zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0),
    ]
    cpu = open_cpu(tmp_path)
    assert isinstance(cpu, Rapl)
    assert cpu.energy_j() == 0.0
    for zone in others:
        (zone / "energy_uj").write_text("777777\n")
    (second / "energy_uj").write_text("500010\n")
    assert cpu.energy_j() == 0.5
    for energy, total in [(100_000, 0.7), (50_000, 1.65)]:  # each below the last: it wrapped
        (first / "energy_uj").write_text(f"{energy}\n")
        assert cpu.energy_j() == pytest.approx(total, abs=1e-12)
    assert "2 whole CPU package(s)" in cpu.notes[0]


def test_without_rapl_the_cpu_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = open_cpu(tmp_path / "nowhere")
    assert isinstance(absent, NullCpu)
    assert absent.energy_j() is None
    zone = _zone(tmp_path, "intel-rapl:0", "package-0", 1)
    read = Path.read_text

    def guarded(path: Path, *args: Any, **options: Any) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", guarded)
    closed = open_cpu(tmp_path)
    assert isinstance(closed, NullCpu)
    assert str(zone / "energy_uj") in closed.notes[0]

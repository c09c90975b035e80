"""The CPU's energy counters (RAPL, Intel and AMD), or the reason why there are none."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_ZONE = re.compile(r"intel-rapl:\d+")


class CpuEnergy(ABC):
    """The energy of the machine's CPUs; ``notes`` says what is in it, or why it is not measured."""

    notes: tuple[str, ...] = ()

    @abstractmethod
    def energy_j(self) -> float | None:
        """Joules since this object was made; None when not measured."""


class NullCpu(CpuEnergy):
    """No counter, or none that can be read.

    Args:
        reason: goes into the notes of every reading.
    """

    def __init__(self, reason: str) -> None:
        self.notes = (f"CPU energy not measured: {reason}",)

    def energy_j(self) -> float | None:
        return None


class Rapl(CpuEnergy):
    """The package domains, summed over sockets; their parts (core, uncore) and psys are not added again.

    The counters wrap after some minutes under full load (``max_energy_range_uj``): read more often than that.

    Args:
        zones: folders of the package domains.
    """

    def __init__(self, zones: list[Path]) -> None:
        self._range = {zone: _number(zone / "max_energy_range_uj") for zone in zones}
        self._last = {zone: _number(zone / "energy_uj") for zone in zones}
        self._total = 0
        self.notes = (
            f"CPU energy is that of {len(zones)} whole CPU package(s) by RAPL, all processes included",
        )

    def energy_j(self) -> float | None:
        for zone, last in self._last.items():
            now = _number(zone / "energy_uj")
            self._total += now - last + (self._range[zone] if now < last else 0)
            self._last[zone] = now
        return self._total / 1e6


def open_cpu(root: Path = POWERCAP) -> CpuEnergy:
    """The CPU's energy counters, or a ``NullCpu`` that says why there are none."""
    zones = sorted(zone for zone in root.glob("intel-rapl:*") if _ZONE.fullmatch(zone.name))
    try:
        packages = [zone for zone in zones if (zone / "name").read_text().startswith("package")]
        return Rapl(packages) if packages else NullCpu(f"no RAPL package under {root}")
    except PermissionError as e:
        return NullCpu(f"{e.filename} cannot be read (an administrator can allow it: chmod a+r)")


def _number(path: Path) -> int:
    return int(path.read_text())

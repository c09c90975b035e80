"""The meter: time, energy and memory of our own runs and of any command.

What was not measured is None (printed 'unknown'), never 0.
"""

from saec.meter.energy_meter import Meter
from saec.meter.ledger import PhaseReading, energy_of, energy_per_correct_mwh

__all__ = ["Meter", "PhaseReading", "energy_of", "energy_per_correct_mwh"]

"""The meter: time, energy and memory of our own runs and of any command.

What was not measured is None (printed 'unknown'), never 0.
"""

from saec.meter.ledger import Reading, energy_of, energy_per_correct_mwh
from saec.meter.meter import Meter

__all__ = ["Meter", "Reading", "energy_of", "energy_per_correct_mwh"]

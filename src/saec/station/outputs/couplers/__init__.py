"""Devices with digital inputs and outputs: a file each, and its settings a name in ``AnyCoupler``."""

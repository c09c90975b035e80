"""The station's settings: types, reading, checks, warnings."""

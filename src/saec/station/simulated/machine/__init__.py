"""The simulated machine as a command plays it: its settings, a station to look at, a run and its table."""

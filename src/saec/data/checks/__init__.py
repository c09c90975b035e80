"""Faults of a data set, in its files and as a whole."""

"""Fitting a detector and exporting it: torch is imported here and nowhere else in the edge room."""

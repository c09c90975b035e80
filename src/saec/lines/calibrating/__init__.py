"""Thresholds, P(defect), certificates and trust of a line, without a new fit."""

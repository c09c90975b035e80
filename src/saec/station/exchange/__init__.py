"""Frames, labels and masks out to other programs, and labels back in."""

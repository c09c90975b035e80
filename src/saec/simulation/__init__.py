"""Frames that pass a line and a cloud that are models, under the true scheduler."""
